"""An algorithm's settings as they would be used: value, meaning, and where each comes from."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.compatibility import require_pair
from zoo_core.config import load_presets, resolve
from zoo_core.entries import AlgorithmEntry, EnvEntry, Source
from zoo_core.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from zoo_core.plugins import Zoo

_HEADERS = ("setting", "value", "meaning", "set by", "source")


@dataclass(frozen=True, slots=True)
class ResolvedSetting:
    """One setting. `set_by` is the layer that decided it; `choices` are all values it takes, if they are few."""

    name: str
    value: Any
    meaning: str
    set_by: str
    source: str
    choices: tuple[Any, ...] | None = None

    @property
    def text(self) -> str:
        return " ".join(map(str, self.value)) if isinstance(self.value, list | tuple) else str(self.value)


@dataclass(frozen=True, repr=False)
class Settings(Mapping[str, Any]):
    """Every setting of an algorithm, setting → value; `rows` also say what each means and where it comes from.

    Attributes:
        env, quality: what they were resolved for; empty for any environment of `action_kind`.
        preset: which one they are of; `presets` are all there are.
    """

    algorithm: str
    env: str
    quality: str
    action_kind: str
    preset: str
    presets: tuple[str, ...]
    rows: tuple[ResolvedSetting, ...]

    def __getitem__(self, name: str) -> Any:
        for row in self.rows:
            if row.name == name:
                return row.value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (row.name for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def title(self) -> str:
        place = "/".join(filter(None, (self.env, self.quality))) or f"{self.action_kind} actions"
        others = [preset for preset in self.presets if preset != self.preset]
        return f"{self.algorithm}, preset {self.preset}, {place}" + (f" (also: {', '.join(others)})" if others else "")

    def _cells(self) -> list[tuple[str, str, str, str, str]]:
        return [(row.name, row.text, row.meaning, row.set_by, row.source) for row in self.rows]

    def __repr__(self) -> str:
        cells = [_HEADERS, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
        return "\n".join([self.title, *lines])

    def _repr_html_(self) -> str:
        def line(tag: str, cells: tuple[str, ...]) -> str:
            inner = "".join(f"<{tag} style='text-align:left'>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{inner}</tr>"

        body = "".join(line("td", cells) for cells in self._cells())
        return (
            f"<small>{html.escape(self.title)}</small>"
            f"<table><thead>{line('th', _HEADERS)}</thead><tbody>{body}</tbody></table>"
        )


def settings_of(algo: str, env: str = "", *, quality: str = "", preset: str | None = None) -> Settings:
    """The settings an algorithm would be trained with, as `zoo info` shows them.

    >>> zoo_core.settings_of("spacql", "mpe-cn", quality="expert")["lr"]

    Args:
        algo, env: names, or `distribution:name`; without `env`, the settings for any environment.
        quality: of the environment's datasets; empty takes its default.
        preset: `published` or `zoo`; None takes the algorithm's first.

    Raises:
        UsageError: a name, pair, quality or preset that cannot be.
        PluginError: settings that cannot be read.
    """
    from zoo_core.plugins import load_zoo

    zoo = load_zoo()
    return resolve_settings(zoo, zoo.find("algorithm", algo), env=env, quality=quality, preset=preset)


def resolve_settings(zoo: Zoo, entry: AlgorithmEntry, *, env: str, quality: str, preset: str | None) -> Settings:
    """The same for an entry of a zoo. An `AttributeError` says that its factory has no `Config`."""
    if quality and not env:
        raise UsageError("--quality needs an environment: add --env, for example --env mpe-cn")
    if env:
        target = zoo.find("env", env)
        require_pair(entry, target, (o.entry for o in zoo.algorithms), (o.entry for o in zoo.envs))
        qualities = [offer.entry.quality for offer in zoo.datasets if offer.entry.env == target.name]
        if quality and qualities and quality not in qualities:
            raise UnknownName(f"dataset quality of {target.name}", quality, qualities)
        quality = quality or target.default_quality
    else:
        target = EnvEntry("any environment", "", "", Source(""), gives=entry.actions)
    action_kind = next(kind for kind in target.gives if kind in entry.actions)
    config_type = entry.load().Config  # type: ignore[attr-defined]
    resolved = resolve(entry, config_type, env=target, action_kind=action_kind, quality=quality, preset=preset)
    docs = {field.name: field.metadata for field in dataclasses.fields(config_type)}
    rows = tuple(
        ResolvedSetting(
            name,
            getattr(resolved.config, name),
            str(docs[name].get("doc", "")),
            origin.layer,
            origin.source,
            docs[name].get("choices"),
        )
        for name, origin in resolved.origins.items()
    )
    return Settings(entry.name, env, quality, action_kind, resolved.preset, tuple(load_presets(entry)), rows)
