"""The card `zoo info` shows, as plain data: what a thing is, where it comes from, what it goes with, its settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from zoo_cli.registry import ORIGINS, Known, load_registry
from zoo_core.compatibility import missing, require_mixer
from zoo_core.entries import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry, Source
from zoo_core.errors import IncompatiblePair, UsageError, ZooError
from zoo_core.plugins import Offer, PluginRow, Zoo


@dataclasses.dataclass(frozen=True)
class Card:
    """One card, shown in this order, empty values left out. `provides`: all that its plugin offers, by kind."""

    name: str
    kind: str
    summary: str
    plugin: str
    facts: dict[str, Any]
    goes_with: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    provides: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    settings: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def card(zoo: Zoo, offer: Offer[Any], *, env: str = "", quality: str = "", preset: str | None = None) -> Card:
    """The card of anything installed. Settings of an algorithm are resolved for `env`, `quality` and `preset`.

    Raises `UsageError` for a name, pair or preset that cannot be, `PluginError` for settings that cannot be read.
    """
    entry = offer.entry
    facts, goes_with = _DESCRIBE[entry.KIND](zoo, entry)
    return Card(
        name=entry.name,
        kind=entry.KIND,
        summary=entry.summary,
        plugin=f"{offer.distribution} {offer.version}",
        facts={**_source(entry.source), **facts, "factory": entry.factory},
        goes_with=goes_with,
        settings=_settings(zoo, entry, env, quality, preset) if entry.KIND == "algorithm" else None,
    )


def plugin_card(row: PluginRow, known: Known | None) -> Card:
    """The card of an installed plugin, healthy or not."""
    return Card(
        name=row.distribution,
        kind="plugin",
        summary=known.summary if known else "",
        plugin=f"{row.distribution} {row.version}".strip(),
        facts={
            "state": row.state,
            "why": row.reason,
            "import": f"{row.import_seconds * 1000:.0f} ms" if row.healthy else "",
            "imports too much": ", ".join(row.heavy),
            "core": row.core_range,
            "source": row.source,
            "origin": ORIGINS[known.origin] if known else "",
            "paper": known.paper if known else "",
            "homepage": known.homepage if known else "",
        },
        provides={kind: list(names) for kind, names in row.provides.items()},
    )


def known_card(name: str, known: Known) -> Card:
    """The card of something the catalogue knows and that is not installed."""
    plain = name.removeprefix(f"{known.distribution}:")
    kind = next((kind for kind, names in known.provides.items() if plain in names), "plugin")
    return Card(
        name=plain,
        kind=kind,
        summary=known.summary,
        plugin=f"{known.distribution}, not installed",
        facts={
            "origin": ORIGINS[known.origin],
            "core": known.core,
            "paper": known.paper,
            "url": known.url,
            "homepage": known.homepage,
            "install": known.install_command(),
        },
        provides={kind: list(names) for kind, names in known.provides.items()},
    )


def _source(source: Source) -> dict[str, Any]:
    return {"paper": source.paper, "url": source.url, "equations": source.equations, "code": source.code}


def _algorithm(zoo: Zoo, entry: AlgorithmEntry) -> tuple[dict[str, Any], dict[str, list[str]]]:
    facts = {
        "table column": entry.table_column,
        "actions": ", ".join(entry.actions),
        "needs": ", ".join(entry.needs),
        "acts": "on what all agents see" if entry.centralised_acting else "each agent on its own observation",
        "mixer": _mixer_of(zoo, entry),
        "runs with": entry.online or f"zoo train --algo {_unmistakable(zoo, entry)}",
    }
    mixers = [offer.name for offer in zoo.mixers if _takes(entry, offer.entry)]
    return facts, {"environments": _names(zoo.envs, lambda env: not missing(entry, env)), "mixers": mixers}


def _mixer_of(zoo: Zoo, entry: AlgorithmEntry) -> str:
    """What a mixer must be, which one is had unless asked for, and what to do if that one is missing."""
    if entry.mixer is None:
        return "none"
    default = entry.default_mixer
    wanted = f"{' and '.join(entry.mixer) or 'any'}; {default} by default"
    fitting = [offer.name for offer in zoo.mixers if _takes(entry, offer.entry)]
    if default in fitting:
        return wanted
    meanwhile = f"{fitting[0]}, the first that fits, is taken" if fitting else "it cannot be trained"
    if any(offer.name == default for offer in zoo.mixers):
        return f"{wanted}, which does not fit; {meanwhile}"
    return f"{wanted}, which is {_absent(zoo, default)}; until then {meanwhile}"


def _absent(zoo: Zoo, mixer: str) -> str:
    """Why a mixer cannot be had and what to type."""
    known = next((plugin for plugin in load_registry() if mixer in plugin.provides.get("mixer", ())), None)
    if known is None:
        return "not installed and in no plugin of the catalogue"
    row = next((row for row in zoo.plugins if row.distribution == known.distribution and not row.healthy), None)
    if row is not None:
        return f"missing, for {known.distribution} is {row.state} ({row.reason}; `zoo doctor` says how to mend it)"
    return f"not installed (it comes with {known.distribution}: {known.install_command()})"


def _unmistakable(zoo: Zoo, entry: AlgorithmEntry) -> str:
    """The algorithm's name, with its distribution's where another one offers the same."""
    same = [offer for offer in zoo.algorithms if offer.name == entry.name]
    return next((offer.qualified_name for offer in same if len(same) > 1 and offer.entry is entry), entry.name)


def _env(zoo: Zoo, entry: EnvEntry) -> tuple[dict[str, Any], dict[str, list[str]]]:
    reference = entry.reference
    facts = {
        "family": entry.family,
        "convention": entry.convention,
        "gives": ", ".join(entry.gives),
        "learning agents": entry.agents or "",
        "default quality": entry.default_quality,
        "normalised": f"0 = {reference.random:g}, 100 = {reference.expert:g} ({reference.source})" if reference else "",
        "wraps": ", ".join(entry.modules),
        "name one": f"{entry.name}:TASK, for example {entry.name}:{entry.example}" if entry.resolver else "",
        "hints": ", ".join(f"{key}={value}" for key, value in entry.hints.items()),
    }
    return facts, {"algorithms": _learners(zoo, entry), "datasets": _names(zoo.datasets, lambda d: d.env == entry.name)}


def _dataset(zoo: Zoo, entry: DatasetEntry) -> tuple[dict[str, Any], dict[str, list[str]]]:
    facts = {
        "transitions": f"{entry.transitions:,}",
        "published return": "" if entry.published_return is None else f"{entry.published_return:g}",
        "recipe version": entry.version,
        "build": f"zoo data build {entry.name}",
    }
    env = next((offer.entry for offer in zoo.envs if offer.name == entry.env), None)
    return facts, {"environments": [entry.env], "algorithms": _learners(zoo, env) if env else []}


def _mixer(zoo: Zoo, entry: MixerEntry) -> tuple[dict[str, Any], dict[str, list[str]]]:
    outputs = "one per agent" if entry.outputs == "n" else entry.outputs
    facts = {"traits": ", ".join(entry.traits), "totals": outputs}
    return facts, {"algorithms": _names(zoo.algorithms, lambda algorithm: _takes(algorithm, entry))}


_DESCRIBE: dict[str, Any] = {"algorithm": _algorithm, "env": _env, "dataset": _dataset, "mixer": _mixer}


def _names(offers: Any, chosen: Any) -> list[str]:
    return list(dict.fromkeys(offer.entry.label for offer in offers if chosen(offer.entry)))


def _learners(zoo: Zoo, env: EnvEntry) -> list[str]:
    """Algorithms that learn from data of an environment."""
    return _names(zoo.algorithms, lambda algorithm: not algorithm.online and not missing(algorithm, env))


def _takes(algorithm: AlgorithmEntry, mixer: MixerEntry) -> bool:
    try:
        require_mixer(algorithm, mixer)
    except IncompatiblePair:
        return False
    return True


def _settings(zoo: Zoo, entry: AlgorithmEntry, env: str, quality: str, preset: str | None) -> dict[str, Any]:
    """Every setting with its value, meaning and origin; those of the action kind alone if no environment is named."""
    from zoo_core.settings import resolve_settings

    try:
        found = resolve_settings(zoo, entry, env=env, quality=quality, preset=preset)
    except UsageError:
        raise
    except ZooError as error:
        return {"error": str(error)}
    except AttributeError as error:  # no `Config`: the rest of the card stands
        return {"error": f"{entry.factory} is no algorithm: {error}"}
    return {
        "preset": found.preset,
        "presets": list(found.presets),
        "env": found.env or None,
        "quality": found.quality or None,
        "action_kind": found.action_kind,
        "values": {
            row.name: {
                "value": row.value,
                "from": row.set_by,
                "source": row.source,
                "doc": row.meaning,
                "choices": row.choices,
            }
            for row in found.rows
        },
    }
