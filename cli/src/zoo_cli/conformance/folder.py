"""A plugin's folder as if it were installed: its metadata from pyproject.toml, its source first on the path.

Nothing is built and pip is not needed. The metadata is written into a folder of the zoo's cache, in the form in which
pip would have written it, so that discovery, the probe and the kit find the plugin as they find any other.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.errors import PluginError, UsageError
from zoo_core.paths import cache_home
from zoo_core.plugins.installed import GROUP, canonical


@dataclass(frozen=True)
class Folder:
    """What a folder's pyproject.toml says."""

    path: Path
    name: str
    version: str
    dependencies: tuple[str, ...]
    entry_points: Mapping[str, str]
    source: Path
    """The folder that its packages lie in."""


def read_folder(path: Path) -> Folder:
    """Read a plugin's folder.

    Raises:
        UsageError: there is no pyproject.toml.
        PluginError: it cannot be read, or does not say what pip must know of a package.
    """
    file = path / "pyproject.toml"
    if not file.is_file():
        raise UsageError(
            f"{path} holds no pyproject.toml, so it is no plugin's folder. `zoo plugin new NAME` makes one"
        )
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PluginError(f"{file.name} cannot be read: {error}") from error
    project = _table(data, "project")
    name, points = project.get("name"), _table(_table(project, "entry-points"), GROUP)
    dependencies = project.get("dependencies", [])
    if not isinstance(name, str):
        raise PluginError(f'{file.name} does not name the package: [project] needs a line such as name = "zoo-foo"')
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise PluginError(f"{file.name}: {name!r} is no legal name of a package: use a-z, 0-9 and - only")
    if not isinstance(dependencies, list) or not all(isinstance(text, str) for text in dependencies):
        raise PluginError(f'{file.name}: dependencies must be a list of texts such as ["zoo-core>=0.1,<0.2"]')
    if wrong := [key for key, value in points.items() if not isinstance(value, str)]:
        raise PluginError(f'{file.name}: the entry point {wrong[0]} must be a text such as "my_plugin.plugin"')
    version = project.get("version", "0")  # "0" if the build computes it
    return Folder(path, name, str(version), tuple(dependencies), points, _source(path, data, list(points.values())))


@contextlib.contextmanager
def as_if_installed(folder: Folder) -> Iterator[None]:
    """Within this block, here and in child processes, the folder's plugin is the first of its name on the path."""
    added = [str(folder.source), str(_metadata(folder))]
    before, variable = list(sys.path), os.environ.get("PYTHONPATH")
    sys.path[:0] = added
    os.environ["PYTHONPATH"] = os.pathsep.join([*added, variable] if variable else added)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before
        os.environ.pop("PYTHONPATH")
        if variable is not None:
            os.environ["PYTHONPATH"] = variable
        importlib.invalidate_caches()


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, dict):
        raise PluginError(f"pyproject.toml: {key} must be a table")
    return found


def _source(path: Path, data: Mapping[str, Any], modules: Sequence[str]) -> Path:
    """The first of the usual places that holds the top-level package of the hook modules; `src` if none does."""
    tops = {module.partition(".")[0] for module in modules}
    for place in (*_declared(data), "src", "."):
        folder = (path / place).resolve()
        if tops and all((folder / top).is_dir() or (folder / f"{top}.py").is_file() for top in tops):
            return folder
    return (path / "src").resolve()


def _declared(data: Mapping[str, Any]) -> Iterator[str]:
    """Where hatch, setuptools and poetry are told that the packages lie."""
    tool = data.get("tool", {})
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        yield from (str(Path(package).parent) for package in tool["hatch"]["build"]["targets"]["wheel"]["packages"])
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        yield from (str(place) for place in tool["setuptools"]["package-dir"].values())
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        yield from (str(place) for place in tool["setuptools"]["packages"]["find"]["where"])
    with contextlib.suppress(KeyError, TypeError, AttributeError):
        yield from (str(package["from"]) for package in tool["poetry"]["packages"])


def _metadata(folder: Folder) -> Path:
    """The folder that holds the plugin's `.dist-info`; one for each plugin's folder, so that findings stay cached."""
    digest = hashlib.sha256(str(folder.path.resolve()).encode()).hexdigest()[:12]
    home = cache_home() / "checked" / f"{canonical(folder.name)}-{digest}"
    header = ["Metadata-Version: 2.1", f"Name: {folder.name}", f"Version: {folder.version}"]
    header += [f"Requires-Dist: {requirement}" for requirement in folder.dependencies]
    points = [f"[{GROUP}]", *(f"{key} = {value}" for key, value in folder.entry_points.items())]
    info = home / f"{canonical(folder.name).replace('-', '_')}-0.dist-info"
    try:
        info.mkdir(parents=True, exist_ok=True)
        _write(info / "METADATA", header)
        _write(info / "entry_points.txt", points if folder.entry_points else [])
    except OSError as error:
        raise UsageError(
            f"cannot write {info}: {error.strerror or error}. Set ZOO_CACHE to a folder elsewhere"
        ) from error
    return home


def _write(file: Path, lines: Sequence[str]) -> None:
    """Write a small file in one move, unless it is as it should be."""
    text = "".join(f"{line}\n" for line in lines)
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(file)
