"""The catalogue of known plugins, installed or not, and the command that installs one.

Its form is `registry.schema.json`, for editors and other programs. Here the same is checked by hand, which costs
neither a dependency nor the time of importing one (`zoo list` reads the catalogue at every call), and so is what a
schema cannot say: the order of the items, and that each is published under its own name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.errors import PluginError, did_you_mean

KINDS = {"algorithms": "algorithm", "envs": "env", "datasets": "dataset", "mixers": "mixer"}
"""The catalogue's plural of each kind."""

ORIGINS = {"ours": "of this repository", "third-party": "kept by others", "example": "an example of this repository"}
"""Whose a plugin is, in words."""

_BOUND = r"(>=|<=|>|<|==|!=|~=)"
_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
_TEXTS = {
    "distribution": (_NAME, "a package's name in lower case, with hyphens"),
    "summary": (r"\S(.*\S)?", "one line of text"),
    "origin": ("|".join(ORIGINS), " or ".join(ORIGINS)),
    "core": (rf"{_BOUND}\d+(\.\d+)*(,{_BOUND}\d+(\.\d+)*)*", "a range of zoo-core versions such as >=0.1,<0.2"),
    "paper": (r"\S(.*\S)?", "one line of text"),
    "url": (r"https?://\S+", "an address that begins with https://"),
    "homepage": (r"https?://\S+", "an address that begins with https://"),
    "published": (rf"{_NAME}({_BOUND}[^\s@]+| @ \S+)?", "a requirement such as name>=1.0"),
    "path": (r"plugins(/[\w-][\w.-]*)+", "a folder below plugins/"),
}
"""What each text must look like, as a pattern and in words."""
_REQUIRED = ("distribution", "summary", "origin", "core", "provides")
_OFFERED = r"[a-z0-9][a-z0-9._:/-]*"


@dataclass(frozen=True, slots=True)
class Known:
    """A plugin of the catalogue; see the top of `registry.yaml`. `provides` maps a kind (`algorithm`, …) to names."""

    distribution: str
    summary: str
    origin: str
    core: str
    provides: dict[str, tuple[str, ...]]
    paper: str = ""
    url: str = ""
    homepage: str = ""
    published: str = ""
    path: str = ""
    requires: tuple[str, ...] = ()

    def offers(self, name: str) -> bool:
        """True if the name is this distribution's or one of what it provides, qualified or not.

        An environment's may be that of a family, whose members are called `family:task`.
        """
        names = {n for names in self.provides.values() for n in names}
        plain = name.removeprefix(f"{self.distribution}:")
        return name == self.distribution or plain in names or plain.partition(":")[0] in self.provides.get("env", ())

    def install_command(self) -> str:
        """What to type to install it: from a package index if it is published, else from the checkout."""
        if self.published:
            return f"pip install {shlex.quote(self.published)}"
        return _install_folders((*self.requires, self.path))


def checkout() -> Path | None:
    """The checkout this command runs from, or None if it was installed from a package."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "registry.yaml").is_file() and (folder / "plugins").is_dir():
            return folder
    return None


def install_hint(distribution: str, requirement: str) -> str:
    """What to type for a missing requirement: a package of this repository is installed from its checkout.

    Never by its bare name, under which a package index could hold anything, unless the catalogue says it is published.
    """
    registry = load_registry()
    for known in registry:
        if known.distribution == distribution:
            return known.install_command()
    folders = {folder.rpartition("/")[2]: folder for known in registry for folder in known.requires}
    folders |= {"zoo-core": "zoo_core", "zoo-cli": "cli"}
    if distribution in folders:
        return _install_folders([folders[distribution]])
    return f"pip install {shlex.quote(requirement)}"


def _install_folders(folders: Iterable[str]) -> str:
    """The command for folders of the checkout this command runs from, or else of the one the user is in."""
    root = checkout()
    paths = (str(root / folder) if root else f"./{folder}" for folder in folders)
    return "pip install " + " ".join(f"-e {shlex.quote(path)}" for path in paths)


def load_registry(file: Path | None = None) -> tuple[Known, ...]:
    """Read and check the catalogue, the one shipped with this command by default. Raises `PluginError`."""
    import yaml

    file = file or Path(__file__).with_name("registry.yaml")
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PluginError(f"{file}: cannot be read: {error}") from error
    if not isinstance(data, dict) or set(data) != {"plugins"} or not isinstance(data["plugins"], list):
        raise PluginError(f"{file}: must hold a list called `plugins` and nothing else")
    known = tuple(_known(file, item) for item in data["plugins"])
    names = [plugin.distribution for plugin in known]
    if names != sorted(set(names)):
        raise PluginError(f"{file}: the plugins must be sorted by distribution, each once")
    return known


def _known(file: Path, item: Any) -> Known:
    """One item, checked."""
    where = f"{file}: {item.get('distribution', item) if isinstance(item, dict) else item!r}"
    for complaint in _complaints(item):
        raise PluginError(f"{where}: {complaint}")
    return Known(
        **{key: value for key, value in item.items() if key in _TEXTS},
        provides={KINDS[plural]: tuple(names) for plural, names in item["provides"].items()},
        requires=tuple(item.get("requires", ())),
    )


def _complaints(item: Any) -> Iterator[str]:
    """What is wrong with an item; the first counts."""
    if not isinstance(item, dict):
        yield f"a plugin is a set of `key: value` lines, not {type(item).__name__}"
        return
    if lacking := [key for key in _REQUIRED if key not in item]:
        yield f"it lacks {', '.join(lacking)}"
    if unknown := sorted(str(key) for key in item if key not in {*_TEXTS, "provides", "requires"}):
        yield f"{unknown[0]} is no key of the catalogue.{did_you_mean(unknown[0], (*_TEXTS, 'provides', 'requires'))}"
    for key, (pattern, words) in _TEXTS.items():
        if key in item and not _matches(pattern, item[key]):
            yield f"{key} must be {words}, not {item[key]!r}; leave it out if there is none"
    place = "published" if item.get("origin") == "third-party" else "path"
    if place not in item:
        yield f"a plugin whose origin is {item['origin']} must say {place}"
    if "published" in item and re.match(_NAME, item["published"])[0] != item["distribution"]:  # type: ignore[index]
        yield f"published must be a requirement of {item['distribution']}, not {item['published']!r}"
    provides = item["provides"]
    if not isinstance(provides, dict) or not provides or not set(provides) <= set(KINDS):
        yield f"provides must map some of {', '.join(KINDS)} to lists of names"
    else:
        for plural, names in provides.items():
            if not _texts(names, _OFFERED) or not names or len(set(names)) < len(names):
                yield f"provides: {plural} must be a list of different names of a-z, 0-9 and . _ : / -"
    if not _texts(item.get("requires", []), _TEXTS["path"][0]):
        yield "requires must be a list of folders below plugins/"


def _matches(pattern: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def _texts(value: Any, pattern: str) -> bool:
    return isinstance(value, list) and all(_matches(pattern, text) for text in value)
