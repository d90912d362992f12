"""The catalogue of known plugins, installed or not, and the command that installs one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.errors import PluginError

KINDS = {"algorithms": "algorithm", "envs": "env", "datasets": "dataset", "mixers": "mixer"}
"""The catalogue's plural of each kind."""

_TEXTS = ("distribution", "summary", "paper", "url", "published", "path")


@dataclass(frozen=True, slots=True)
class Known:
    """A plugin of the catalogue. `provides` maps a kind (`algorithm`, `env`, …) to names."""

    distribution: str
    summary: str
    provides: dict[str, tuple[str, ...]]
    paper: str
    url: str
    published: str
    path: str
    requires: tuple[str, ...]

    def offers(self, name: str) -> bool:
        """True if the name is this distribution's or one of what it provides, qualified or not."""
        names = {n for names in self.provides.values() for n in names}
        return name == self.distribution or name.removeprefix(f"{self.distribution}:") in names

    def install_command(self) -> str:
        """What to type to install it: from a package index if it is published, else from the checkout."""
        if self.published:
            return f"pip install {shlex.quote(self.published)}"
        root = checkout()
        folders = (str(root / folder) if root else f"./{folder}" for folder in (*self.requires, self.path))
        return "pip install " + " ".join(f"-e {shlex.quote(folder)}" for folder in folders)


def checkout() -> Path | None:
    """The checkout this command runs from, or None if it was installed from a package."""
    for folder in Path(__file__).resolve().parents:
        if (folder / "registry.yaml").is_file() and (folder / "plugins").is_dir():
            return folder
    return None


def install_hint(distribution: str, requirement: str) -> str:
    """What to type for a missing requirement: packages of this repository are installed from its checkout."""
    root = checkout()
    for folder in (root / "plugins" / distribution, root / distribution.replace("-", "_")) if root else ():
        if (folder / "pyproject.toml").is_file():
            return f"pip install -e {shlex.quote(str(folder))}"
    return f"pip install {shlex.quote(requirement)}"


def load_registry(file: Path | None = None) -> tuple[Known, ...]:
    """Read and check the catalogue, the one shipped with this command by default. Raises `PluginError`."""
    import yaml

    file = file or Path(__file__).with_name("registry.yaml")
    try:
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PluginError(f"{file}: cannot be read: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("plugins"), list):
        raise PluginError(f"{file}: must hold a list called `plugins`")
    known = tuple(_known(file, item) for item in data["plugins"])
    names = [plugin.distribution for plugin in known]
    if names != sorted(set(names)):
        raise PluginError(f"{file}: the plugins must be sorted by distribution, each once")
    return known


def _known(file: Path, item: Any) -> Known:
    """One item, checked against the schema."""
    where = f"{file}: {item.get('distribution', item) if isinstance(item, dict) else item!r}"
    wanted = {*_TEXTS, "provides", "requires"}
    if not isinstance(item, dict) or set(item) != wanted:
        raise PluginError(f"{where}: each plugin has exactly the keys {', '.join(sorted(wanted))}")
    for key in _TEXTS:
        if not isinstance(item[key], str):
            raise PluginError(f"{where}: {key} must be a text")
    if not item["distribution"] or not item["summary"] or not (item["published"] or item["path"]):
        raise PluginError(f"{where}: distribution, summary and one of published and path must not be empty")
    provides, requires = item["provides"], item["requires"]
    if not isinstance(provides, dict) or not set(provides) <= set(KINDS) or not all(map(_names, provides.values())):
        raise PluginError(f"{where}: provides must map {', '.join(KINDS)} to lists of names")
    if not _names(requires):
        raise PluginError(f"{where}: requires must be a list of folders")
    return Known(
        **{key: item[key] for key in _TEXTS},
        provides={KINDS[plural]: tuple(names) for plural, names in provides.items()},
        requires=tuple(requires),
    )


def _names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)
