"""What `zoo plugin check` is asked about: an installed distribution, an entry of one, or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from zoo_cli.conformance.folder import as_if_installed, read_folder
from zoo_core.errors import AmbiguousName, PluginError, UsageError, did_you_mean
from zoo_core.plugins import Zoo
from zoo_core.plugins.installed import Installed, canonical, installed_plugins


@dataclass(frozen=True)
class Subject:
    """A plugin to check.

    Attributes:
        plugin: its metadata; without modules if it has no entry point in the group `zoo`.
        place: where it comes from, in words.
        entry: the one entry that was asked about, by its name; empty for all.
        fault: why its metadata cannot be read; empty if it can.
        folder: where its pyproject.toml lies, if it is checked without being installed.
    """

    plugin: Installed
    place: str
    entry: str = ""
    fault: str = ""
    folder: Path | None = None


@contextmanager
def subject_of(text: str, zoo: Zoo) -> Iterator[Subject]:
    """The plugin that `text` means: a distribution, the name of an entry, or else a folder, which is put on the path.

    Raises:
        UsageError: nothing of that name is installed and there is no such folder.
        AmbiguousName: two distributions offer an entry of that name.
    """
    if (installed := _installed(text)) is not None:
        yield installed
    elif offers := zoo.matching(text):
        owners = sorted({offer.distribution for offer in offers})
        if len(owners) > 1:
            choices = " or ".join(f"zoo plugin check {owner}:{offers[0].name}" for owner in owners)
            raise AmbiguousName(f"{text!r} is offered by {' and '.join(owners)}. Choose one: {choices}")
        found = _installed(owners[0])
        assert found is not None  # it offers something, so it is installed
        yield Subject(found.plugin, found.place, offers[0].name)
    else:
        yield from _in_folder(text, zoo)


def _in_folder(text: str, zoo: Zoo) -> Iterator[Subject]:
    path = Path(text).expanduser()
    path = path.parent if path.name == "pyproject.toml" else path
    if not text or not path.is_dir():
        raise UsageError(
            f"no plugin, and nothing that a plugin offers, is called {text!r}, and there is no such folder."
            f"{did_you_mean(text, _known(zoo))} `zoo plugin list` shows what is installed"
        )
    try:
        folder = read_folder(path)
    except PluginError as error:
        yield Subject(Installed(path.resolve().name, ""), f"folder {path}", fault=str(error))
        return
    with as_if_installed(folder):
        found = _installed(folder.name)
        assert found is not None  # its metadata was just written
        yield Subject(found.plugin, f"folder {path}", folder=path.resolve())


def _installed(name: str) -> Subject | None:
    """An installed distribution, plugin or not; the first of its name on the path."""
    for plugin in installed_plugins():
        if plugin.distribution == canonical(name):
            return Subject(plugin, f"installed, {plugin.source}" if plugin.source else "installed")
    try:
        other = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None
    plugin = Installed(canonical(name), other.version, requires=tuple(other.requires or ()))
    return Subject(plugin, "installed")


def _known(zoo: Zoo) -> list[str]:
    """Every name that could have been meant."""
    kinds = (zoo.algorithms, zoo.envs, zoo.datasets, zoo.mixers)
    return [*(row.distribution for row in zoo.plugins), *(offer.name for offers in kinds for offer in offers)]
