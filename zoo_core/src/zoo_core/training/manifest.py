"""What a run was made with: versions, hashes of the sources of core and plugins, the data, the machine, the modes."""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("zoo-core", "torch", "numpy", "safetensors")
COMPARED = ("versions", "core", "plugins", "dataset", "modes", "seeds_together")
"""The parts that must be equal for a resumed run to be the run."""
LATER = ("core",)
"""Those that runs begun earlier did not record: what it was cannot be told, and they go on with a warning."""


def make_manifest(
    packages: Mapping[str, str], dataset: Mapping[str, str], modes: Mapping[str, Any], seeds_together: Sequence[int]
) -> dict[str, Any]:
    """The manifest of a run made now with these plugins (distribution → package)."""
    return {
        "format": 1,
        "created": now(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "core": {"zoo-core's source": source_hash("zoo_core")[:16]},
        "plugins": plugin_records(packages),
        "dataset": dict(dataset),
        "modes": dict(modes),
        "seeds_together": list(seeds_together),
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
        },
        "changes": [],
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two manifests in a way that can change the result, in words; not what `unrecorded` names."""
    found: list[str] = []
    for part in COMPARED:
        if part in LATER and part not in old:
            continue
        before, after = old.get(part), new.get(part)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += [
                f"{name}: {_short(before.get(name))} → {_short(after.get(name))}"
                for name in sorted({*before, *after})
                if before.get(name) != after.get(name)
            ]
        elif before != after:
            found.append(f"{part}: {before} → {after}")
    return found


def unrecorded(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What an earlier run did not record and one begun now does, in words."""
    return [f"{name}: not recorded → {value}" for part in LATER if part not in old for name, value in new[part].items()]


def plugin_records(packages: Mapping[str, str]) -> dict[str, str]:
    """Distribution → `version hash` of these plugins (distribution → package) and of the zoo libraries they require."""
    queue = dict(packages)
    found: dict[str, str] = {}
    while queue:
        name, package = queue.popitem()
        if name in found or name == "zoo-core":
            continue
        found[name] = f"{version(name)} {source_hash(package)[:16]}"
        queue |= {r: r.replace("-", "_") for r in _requirements(name) if r.startswith("zoo-")}
    return dict(sorted(found.items()))


def source_hash(package: str) -> str:
    """SHA-256 over a package's Python, YAML and safetensors files; of the empty text if it cannot be found.

    Of a module that is a single file, over that file.
    """
    digest = hashlib.sha256()
    spec = importlib.util.find_spec(package)
    if spec and spec.origin and not spec.submodule_search_locations and Path(spec.origin).is_file():
        digest.update(Path(spec.origin).read_bytes())
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix in (".py", ".yaml", ".safetensors") and path.is_file():
                digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def distributions_of(modules: Sequence[str]) -> dict[str, str]:
    """Distribution → module of these top-level modules; one that belongs to no distribution goes by its own name."""
    owners = metadata.packages_distributions() if modules else {}
    return {owners.get(module, [module])[0]: module for module in modules}


def version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _requirements(distribution: str) -> list[str]:
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    return [match[0].lower() for line in lines if (match := re.match(r"[A-Za-z0-9._-]+", line))]


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    match = re.search(r"model name\s*:\s*(.+)", text)
    return match[1] if match else platform.processor()


def _short(value: Any) -> str:
    return "nothing" if value is None else str(value)
