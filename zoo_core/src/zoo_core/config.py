"""Settings: documented fields, presets with sources, and where every resolved value came from.

An algorithm's `Config` is a frozen dataclass whose fields are made with `setting`. Its `defaults.yaml` holds presets:

    presets:
      published:
        continuous:                      # by action kind: any environment of that kind
          lr: {value: 0.01, source: "CFCQL main.py:131"}
        mpe-cn:                          # by environment, then by dataset quality ("*": every quality)
          random: {alpha: {value: 0.5, source: "…"}}
      zoo:
        extends: published
        continuous: {layer_norm: {value: true, reason: "…"}}

Values resolve in this order, the last wins: dataclass → action kind → environment × quality → the environment's hints →
a config file → `--set key=value`. `mixer` may stand among the last two and is no setting: it names the mixer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.resources
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zoo_core.entries import AlgorithmEntry, EnvEntry
from zoo_core.errors import PluginError, SettingError, did_you_mean

MIXER = "mixer"
"""Among a file's settings or `--set`'s: the name of the mixer."""


def setting(
    default: Any,
    doc: str,
    *,
    source: str = "",
    choices: Sequence[Any] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Any:
    """A documented field of a config dataclass: what it means, where its default comes from, what it may be.

    `at_least` and `at_most` hold too where a subclass declares the field again without them.
    """
    metadata = {"doc": doc, "source": source, "choices": tuple(choices) if choices else None}
    return field(default=default, metadata={**metadata, "at_least": at_least, "at_most": at_most})


@dataclass(frozen=True)
class AlgorithmConfig:
    """Settings every algorithm has."""

    iterations: int = setting(2001, "Iterations of the last phase: passes of the algorithm's loop.", at_least=1)
    batch_size: int = setting(1024, "Rows in a batch.", at_least=1)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a resolved value came from: the layer and its source or reason."""

    layer: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A config with the origin of each value."""

    preset: str
    config: Any
    origins: Mapping[str, Origin]

    def as_json(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "settings": {
                name: {"value": getattr(self.config, name), "from": origin.layer, "source": origin.source}
                for name, origin in self.origins.items()
            },
        }


def load_presets(entry: AlgorithmEntry) -> dict[str, Any]:
    """The parsed `presets` of an algorithm's settings file, `{}` if it has none."""
    if not entry.settings:
        return {}
    package, _, file = entry.settings.partition(":")
    try:
        text = (importlib.resources.files(package) / file).read_text(encoding="utf-8")
        presets = yaml.safe_load(text)["presets"]
        if not all(isinstance(body, dict) for body in presets.values()):
            raise TypeError("every preset must be a mapping of sections")
        return dict(presets)
    except (ImportError, OSError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise PluginError(f"algorithm {entry.name!r}: cannot read its settings {entry.settings!r}: {error}") from error


def resolve(
    entry: AlgorithmEntry,
    config_type: type,
    *,
    env: EnvEntry,
    action_kind: str,
    quality: str = "",
    preset: str | None = None,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Resolved:
    """Resolve every setting. `preset=None` takes the first preset of the file. Raises `SettingError`."""
    presets = load_presets(entry)
    chosen = preset or next(iter(presets), "default")
    if preset and preset not in presets:
        raise SettingError(f"{entry.name} has no preset {preset!r}.{did_you_mean(preset, presets)}")
    defaults = {f.name: f for f in dataclasses.fields(config_type)}
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for name, f in defaults.items():
        if f.default is MISSING:
            raise PluginError(f"{config_type.__name__}.{name} has no default: make it with zoo_core.setting")
        values[name], origins[name] = f.default, Origin("default", f.metadata.get("source", ""))

    def put(layer: str, settings: Mapping[str, Any], sourced: bool) -> None:
        for name, given in settings.items():
            if name not in defaults:
                raise SettingError(
                    f"{entry.name} has no setting {name!r} ({layer}).{did_you_mean(str(name), defaults)}"
                    f" `zoo info {entry.name}` lists them all"
                )
            value, source = given, ""
            if sourced:
                if not isinstance(given, Mapping) or "value" not in given or not (given.keys() & {"source", "reason"}):
                    raise PluginError(f"{entry.settings}: {layer}: {name} needs a value and a source or reason")
                value, source = given["value"], str(given.get("source") or given.get("reason"))
            values[name] = _typed(entry.name, config_type, name, value)
            origins[name] = Origin(layer, source)

    for section in _inheritance(entry, presets, chosen):
        body = presets[section]
        put(f"{section}: {action_kind}", body.get(action_kind, {}), sourced=True)
        for key in ("*", quality):
            if key:
                put(f"{section}: {env.name}/{key}", (body.get(env.name) or {}).get(key) or {}, sourced=True)
    put(f"hints of {env.name}", {k: v for k, v in env.hints.items() if k in defaults}, sourced=False)
    if file is not None:
        put(f"file {file.name}", {k: v for k, v in read_config_file(file).items() if k != MIXER}, sourced=False)
    put("--set", overrides or {}, sourced=False)
    return Resolved(chosen, config_type(**values), origins)


def read_config_file(file: Path) -> dict[str, Any]:
    """What a `--config` file holds, unchecked. Raises `SettingError`."""
    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingError(f"cannot read the config file {file}: {error}") from error
    if not isinstance(loaded, dict):
        raise SettingError(f"{file} must hold `setting: value` lines")
    return loaded


def parse_assignments(assignments: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """`["lr=0.01", "penalty=mean"]` → typed values (YAML scalars). Raises `SettingError`, which names the `option`."""
    parsed: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise SettingError(f"{option} takes key=value, not {text!r}; for example {option} lr=0.001")
        try:
            parsed[name.strip().replace("-", "_")] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise SettingError(f"{option} {text}: cannot read the value: {error}") from error
    return parsed


def qualities_with_settings(entry: AlgorithmEntry, env: str) -> list[str]:
    """The dataset qualities for which an algorithm's presets hold settings of their own, on one environment."""
    sections = (preset.get(env) or {} for preset in load_presets(entry).values())
    return sorted({quality for section in sections for quality in section} - {"*"})


def _inheritance(entry: AlgorithmEntry, presets: Mapping[str, Any], name: str) -> list[str]:
    """The preset and what it extends, base first."""
    chain: list[str] = []
    while name and presets:
        if name in chain:
            raise PluginError(f"{entry.settings}: preset {name!r} extends itself")
        if name not in presets:
            raise PluginError(f"{entry.settings}: no preset {name!r} to extend.{did_you_mean(name, presets)}")
        chain.append(name)
        name = presets[name].get("extends", "")
    return chain[::-1]


def _bound(config_type: type, name: str, which: str) -> float | None:
    """A field's `at_least` or `at_most`, its own or, where a subclass declares it again without, that of its base."""
    classes = [base for base in config_type.__mro__ if dataclasses.is_dataclass(base)]
    own = (f.metadata.get(which) for base in classes for f in dataclasses.fields(base) if f.name == name)
    return next((bound for bound in own if bound is not None), None)


def _require_within_bounds(algorithm: str, config_type: type, name: str, value: float, doc: str) -> None:
    least, most = _bound(config_type, name, "at_least"), _bound(config_type, name, "at_most")
    for words, bound, outside in (
        ("at least", least, least is not None and value < least),
        ("at most", most, most is not None and value > most),
    ):
        if outside:
            raise SettingError(f"{algorithm}: {name} must be {words} {bound}, not {value!r} ({doc})")


def _typed(algorithm: str, config_type: type, name: str, value: Any) -> Any:
    """The value as the field's type, or a `SettingError` that says what the field takes."""
    annotation = typing.get_type_hints(config_type)[name]
    union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    allowed = typing.get_args(annotation) if union else (annotation,)
    meta = next(f.metadata for f in dataclasses.fields(config_type) if f.name == name)
    if isinstance(value, str) and float in allowed and str not in allowed:
        with contextlib.suppress(ValueError):
            value = float(value)  # YAML reads 1e-3 as text
    if isinstance(value, int) and not isinstance(value, bool) and float in allowed and int not in allowed:
        value = float(value)
    if isinstance(value, list):
        value = tuple(value)
    ok = any(
        value is None
        if kind is type(None)
        else (isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool))
        for kind in (typing.get_origin(a) or a for a in allowed)
        if isinstance(kind, type)
    )
    if not ok:
        wanted = " or ".join(getattr(a, "__name__", str(a)) for a in allowed)
        raise SettingError(f"{algorithm}: {name} takes {wanted}, not {value!r} ({meta.get('doc', '')})")
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"{algorithm}: {name} must be a finite number, not {value}")
    if isinstance(value, int | float):
        _require_within_bounds(algorithm, config_type, name, value, meta.get("doc", ""))
    if meta.get("choices") and value not in meta["choices"]:
        raise SettingError(
            f"{algorithm}: {name} must be one of {', '.join(map(str, meta['choices']))}, not {value!r}."
            f"{did_you_mean(str(value), map(str, meta['choices']), listed=True)}"
        )
    return value
