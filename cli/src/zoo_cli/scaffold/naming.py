"""What a new plugin is called: one name gives those of its entry, distribution, package and class."""

from __future__ import annotations

import importlib.util
import keyword
import re
import unicodedata
from dataclasses import dataclass
from importlib import metadata

from zoo_cli.registry import load_registry
from zoo_core.errors import UsageError
from zoo_core.plugins import Zoo
from zoo_core.plugins.zoo import OPTIONS

PREFIX = "zoo-"
LONGEST = 40
"""Characters of a name: longer ones would not fit the lines of the templates."""


@dataclass(frozen=True)
class Names:
    """`name` is that of the entry: `foo`, of `zoo-foo`, in the package `zoo_foo`, whose class is `Foo`."""

    name: str

    @property
    def distribution(self) -> str:
        return PREFIX + self.name

    @property
    def package(self) -> str:
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("-"))


def parse_name(text: str) -> Names:
    """The names that `foo` or `zoo-foo` stands for. Raises `UsageError` for what cannot be a package's name."""
    name = text.removeprefix(PREFIX)
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise UsageError(f"{text!r} cannot name a plugin: {_fault(name)}{_suggestion(text)}")
    if len(name) > LONGEST:
        raise UsageError(f"{text!r} cannot name a plugin: it has {len(name)} characters, more than {LONGEST}")
    names = Names(name)
    if keyword.iskeyword(name) or keyword.iskeyword(names.class_name):
        raise UsageError(
            f"{text!r} cannot name a plugin: Python keeps that word for itself. Add a word, for example 'my-{name}'"
        )
    return names


def require_free(names: Names, entry: str, zoo: Zoo) -> None:
    """Raise `UsageError` if something that is installed, or that the catalogue knows, already has one of the names.

    `entry`: what the plugin's entry will be called; of a dataset that is `env/name`.
    """
    if owner := _owner(names, entry, zoo):
        raise UsageError(f"{owner}: choose another name. Two plugins that offer one name get in each other's way")


def _fault(name: str) -> str:
    """What of the name is not allowed, in words."""
    if not name:
        return "it is empty"
    if strange := sorted(set(re.findall(r"[^a-z0-9-]", name))):
        return f"it has {', '.join(map(repr, strange))} in it; use a-z, 0-9 and - only"
    if not name[0].isalpha():
        return "it must begin with a letter"
    return "hyphens stand singly between other characters"


def _suggestion(text: str) -> str:
    """The nearest name that is allowed, if there is one."""
    letters = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "-", letters).strip("-").removeprefix(PREFIX)
    return f". For example {plain!r}" if plain[:1].isalpha() and not keyword.iskeyword(plain) else ""


def _owner(names: Names, entry: str, zoo: Zoo) -> str:
    """Who has one of the names, in words; empty if nobody has."""
    try:
        return f"{names.distribution} {metadata.version(names.distribution)} is installed already"
    except metadata.PackageNotFoundError:
        pass
    if importlib.util.find_spec(names.package) is not None:
        return f"a Python package {names.package} is here already"
    for kind in OPTIONS:
        for offer in zoo.offers(kind):
            if offer.name == entry:
                return f"{offer.distribution} {offer.version} already offers the {kind} {entry!r}"
    for known in load_registry():
        if known.distribution == names.distribution or any(entry in owned for owned in known.provides.values()):
            return f"the catalogue knows {known.distribution} ({known.summary.rstrip('.')}), which has that name"
    return ""
