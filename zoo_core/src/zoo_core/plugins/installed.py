"""Installed plugins as their metadata describes them. Nothing of a plugin is imported here."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from zoo_core import __version__
from zoo_core.plugins.source import installed_from

GROUP = "zoo"
"""The entry-point group whose values are hook modules."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution with entry points in the group `zoo`.

    Attributes:
        modules: its hook modules.
        requires: its `Requires-Dist` lines.
        digest: SHA-256 of its metadata file, so that an edited requirement is noticed.
        location: the folder that holds its metadata.
        fault: what is wrong with the metadata itself; empty if nothing is.
        source: where it was installed from; see `zoo_core.plugins.source`.
    """

    distribution: str
    version: str
    modules: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    digest: str = ""
    location: str = ""
    fault: str = ""
    source: str = ""

    @property
    def core_range(self) -> str:
        """The versions of zoo-core it asks for, lowest bound first, as `>=0.1,<0.2`; empty if it does not say.

        For show: whether this core is among them is `core_mismatch`'s to say, which needs `packaging`, slow to import.
        """
        stated = [
            found
            for requirement, _, marker in (line.partition(";") for line in self.requires)
            if "extra" not in marker and (found := _CORE.fullmatch(requirement.strip()))
        ]
        clauses = {part.replace(" ", "") for found in stated for part in found["range"].strip("() ").split(",")}
        return ",".join(sorted(clauses - {""}, key=lambda clause: (_numbers(clause), clause)))


_CORE = re.compile(r"zoo[-_.]+core(\[.*?\])?(?P<range>[ (<>=!~].*|)", re.IGNORECASE)


def _numbers(clause: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", clause)]


def canonical(name: str) -> str:
    """A distribution's name as pip compares it: `Zoo_Spacql` is `zoo-spacql`."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def installed_plugins() -> list[Installed]:
    """Every plugin on `sys.path`, sorted by name; of two copies of one distribution the first on the path counts."""
    found: dict[str, Installed] = {}
    for distribution in metadata.distributions():
        plugin = _read(distribution)
        if plugin is not None:
            found.setdefault(plugin.distribution, plugin)
    return sorted(found.values(), key=lambda plugin: plugin.distribution)


def core_mismatch(plugin: Installed) -> str:
    """Why this core is not one the plugin works with, by its own `Requires-Dist`; empty if it is."""
    from packaging.requirements import InvalidRequirement, Requirement

    stated = False
    for line in plugin.requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            return f"its metadata holds a requirement that cannot be read: {line!r}"
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if canonical(requirement.name) != "zoo-core" or not applies:
            continue
        stated = True
        if not requirement.specifier.contains(__version__, prereleases=True):
            return (
                f"it works with zoo-core {requirement.specifier}, and {__version__} is installed: "
                f"install another version of {plugin.distribution} or of zoo-core"
            )
    if stated:
        return ""
    return (
        'it does not say which core it works with: add "zoo-core>=0.1,<0.2" to the dependencies in its pyproject.toml'
    )


def module_file(name: str) -> Path | None:
    """The file a module would be imported from, found without importing its package; None if there is none.

    `importlib.util.find_spec` imports the parents of a dotted name, which is what discovery must not do.
    """
    search: list[str] | None = None
    origin: str | None = None
    parts = name.split(".")
    try:
        for depth in range(1, len(parts) + 1):
            partial = ".".join(parts[:depth])
            specs = (finder.find_spec(partial, search) for finder in sys.meta_path if hasattr(finder, "find_spec"))
            spec = next((spec for spec in specs if spec is not None), None)
            if spec is None:
                return None
            origin = spec.origin
            search = list(spec.submodule_search_locations or ())
    except Exception:  # nested namespace packages and some finders want the parent imported; the probe will find it
        return None
    return Path(origin) if origin and Path(origin).is_file() else None


def file_digest(path: Path | str) -> str:
    """SHA-256 of a file, or an empty text if it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


def _read(distribution: metadata.Distribution) -> Installed | None:
    """The plugin a distribution is, or None if it is none. Damaged metadata is a fault of that plugin alone."""
    try:
        text = distribution.read_text("entry_points.txt")
    except (OSError, UnicodeDecodeError):
        return _damaged(distribution, "its entry_points.txt cannot be read")
    if not text or f"[{GROUP}]" not in text.replace(" ", ""):
        return None
    try:
        values = [point.value for point in distribution.entry_points if point.group == GROUP]
        header = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except (OSError, ValueError, TypeError, AttributeError):
        return _damaged(distribution, "its metadata cannot be read")
    fields = list(_header_fields(header))
    name = next((value for key, value in fields if key == "name"), "")
    if not name:
        return _damaged(distribution, "its metadata does not name it")
    wrong = next((value for value in values if not re.fullmatch(r"\w+(\.\w+)*", value)), None)
    return Installed(
        distribution=canonical(name),
        version=next((value for key, value in fields if key == "version"), ""),
        modules=tuple(sorted(values)),
        requires=tuple(value for key, value in fields if key == "requires-dist"),
        digest=hashlib.sha256(header.encode()).hexdigest(),
        location=str(distribution.locate_file("")),
        fault=f"its entry point {wrong!r} must name a module, such as my_plugin.plugin" if wrong is not None else "",
        source=installed_from(distribution),
    )


def _damaged(distribution: metadata.Distribution, fault: str) -> Installed | None:
    """A row for metadata that cannot be read, named after its folder."""
    folder = str(getattr(distribution, "_path", "")).rpartition("/")[2]
    name, _, version = folder.rpartition(".")[0].partition("-")
    if not canonical(name).startswith("zoo-"):
        return None  # some other package: not ours to report
    return Installed(canonical(name), version, fault=f"{fault}: reinstall it")


def _header_fields(text: str) -> Iterator[tuple[str, str]]:
    """The header lines of a metadata file as (lower-case key, value); the description below it is left out."""
    for line in text.splitlines():
        if not line.strip():
            return
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            yield key.lower(), value.strip()
