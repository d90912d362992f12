"""Verified marks: which files of this machine were hashed in full and have not been touched since.

A mark lies in the cache folder, outside the data: it is a statement about this machine's copy, not about the content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from zoo_core.data.folders import write_text


def verified_as(folder: Path, files: Iterable[Path]) -> str | None:
    """What `folder` was verified as, if every file still has the size and time it had then; else None."""
    try:
        mark = json.loads(_mark_path(folder).read_text(encoding="utf-8"))
        identity = str(mark["identity"])
        return identity if mark == _mark(folder, identity, files) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def set_verified(folder: Path, identity: str, files: Iterable[Path]) -> None:
    """Remember that `folder` was verified. Where the cache cannot be written, it will simply be verified again."""
    with suppress(OSError):
        path = _mark_path(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(_mark(folder, identity, files)))


def clear_verified(folder: Path) -> None:
    with suppress(OSError):
        _mark_path(folder).unlink(missing_ok=True)


def _mark(folder: Path, identity: str, files: Iterable[Path]) -> dict[str, object]:
    stats = {path.name: path.stat() for path in files}
    return {
        "folder": str(folder.resolve()),
        "identity": identity,
        "files": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in sorted(stats.items())},
    }


def _mark_path(folder: Path) -> Path:
    from zoo_core.paths import cache_home

    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:32]
    return cache_home() / "verified" / f"{name}.json"
