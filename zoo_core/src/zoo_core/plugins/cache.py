"""What probes found, kept as one small JSON file per plugin.

A record holds while the plugin's metadata, the files its hook module was read from, Python and the core are what they
were. A failed probe must also be tried again when packages come or go, so it holds only while the folders that
packages are installed in are unchanged. A cache that cannot be read or written only costs time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from zoo_core import __version__
from zoo_core.paths import cache_home
from zoo_core.plugins.installed import Installed, file_digest, module_file


def read(plugin: Installed) -> dict[str, Any] | None:
    """The finding stored for this very plugin, or None."""
    try:
        record = json.loads(_path(plugin).read_text(encoding="utf-8"))
        files: dict[str, str] = record["files"]
        finding: dict[str, Any] = record["finding"]
        valid = (
            record["key"] == _key(plugin)
            and set(_hook_files(plugin)) <= set(files)
            and all(file_digest(path) == digest for path, digest in files.items())
            and (finding["ok"] or record["surroundings"] == _surroundings())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return finding if valid else None


def write(plugin: Installed, finding: Mapping[str, Any]) -> None:
    """Store a finding under a temporary name, then rename it. Failing to is no error: the next start is slower."""
    paths = {*_hook_files(plugin), *finding.get("files", ())}
    record = {
        "key": _key(plugin),
        "files": {path: file_digest(path) for path in sorted(paths)},
        "surroundings": _surroundings(),
        "finding": dict(finding),
    }
    path = _path(plugin)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(record, file)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise


def _path(plugin: Installed) -> Path:
    """One file per distribution, environment and place: an upgrade replaces it."""
    place = hashlib.sha256(f"{sys.prefix}\n{plugin.location}".encode()).hexdigest()[:12]
    return cache_home() / "plugins" / f"{plugin.distribution}-{place}.json"


def _key(plugin: Installed) -> list[Any]:
    return [
        plugin.distribution,
        plugin.version,
        plugin.digest,
        list(plugin.modules),
        __version__,
        _core_digest(),
        sys.version,
    ]


def _hook_files(plugin: Installed) -> list[str]:
    return [str(path) for module in plugin.modules if (path := module_file(module)) is not None]


@cache
def _core_digest() -> str:
    """The core's own say in a finding: what entries are and how they are checked."""
    here = Path(__file__).parent
    files = (here.parent / "entries.py", here.parent / "hookspecs.py", here / "probe_child.py")
    return hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()


@cache
def _surroundings() -> list[Any]:
    """Changes whenever a package is installed into or removed from this environment."""
    import sysconfig

    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return [[folder, Path(folder).stat().st_mtime_ns] for folder in folders if Path(folder).is_dir()]
