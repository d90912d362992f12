"""Claims about an algorithm's entry, its settings and its hook module."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import subprocess
import sys
from typing import Any

from zoo_core.config import load_presets, resolve
from zoo_core.entries import CONTINUOUS, DATA_NEEDS, DISCRETE, MIXER_TRAITS, AlgorithmEntry, Entry, EnvEntry, Source
from zoo_core.errors import SettingError
from zoo_core.hookspecs import PROJECT
from zoo_core.plugins.probe_child import HEAVY
from zoo_core.testing.checks import Broken, demand, last_words
from zoo_core.testing.kit import package_of

KEPT = "Keep settings to numbers, text, booleans, None and tuples of them"


def words_are_known(entry: AlgorithmEntry) -> None:
    unknown = set(entry.needs) - DATA_NEEDS
    demand(not unknown, f"needs={sorted(unknown)} are no known needs; choose from {sorted(DATA_NEEDS)}")
    kinds = set(entry.actions)
    demand(
        kinds and kinds <= {CONTINUOUS, DISCRETE},
        "declare the kinds of action it handles: actions=('continuous',), ('discrete',) or both",
    )
    unknown = set(entry.mixer or ()) - MIXER_TRAITS
    demand(not unknown, f"mixer={sorted(unknown)} are no known traits; choose from {sorted(MIXER_TRAITS)}")


def settings_are_documented(entry: AlgorithmEntry) -> None:
    bare = [f.name for f in dataclasses.fields(_config_type(entry)) if not f.metadata.get("doc")]
    demand(not bare, f"document {bare}: make them with zoo_core.setting(default, 'what it means')")


def unknown_settings_are_refused(entry: AlgorithmEntry) -> None:
    try:
        _resolve(entry, entry.actions[0], None, {"no_such_setting": 1})
    except SettingError:
        return
    demand(False, "an unknown setting was accepted: Config must be a plain dataclass of settings")


def settings_survive_json(entry: AlgorithmEntry, kind: str) -> None:
    for preset in load_presets(entry) or (None,):
        first = _resolve(entry, kind, preset, {})
        values = {name: row["value"] for name, row in first.as_json()["settings"].items()}
        try:
            values = json.loads(json.dumps(values))
        except TypeError as error:
            raise Broken(f"preset {preset!r} cannot be written as JSON: {error}. {KEPT}") from error
        again = _resolve(entry, kind, preset, values)
        demand(
            again.config == first.config,
            f"preset {preset!r} does not survive being written as JSON and read back. {KEPT}",
        )


def the_hook_module_is_light(entry: Entry) -> None:
    for module in hook_modules(entry):
        found, trouble = _brought_in(module)
        demand(not trouble, f"import {module} fails: {trouble}")
        demand(
            not found,
            f"import {module} brings in {found}: import only entries there, and the code behind them lazily by its "
            "factory 'module:attribute'",
        )


def hook_modules(entry: Entry) -> list[str]:
    """The installed hook modules of the package that an entry's factory lives in."""
    points = importlib.metadata.entry_points(group=PROJECT)
    return sorted({point.module for point in points if point.module.partition(".")[0] == package_of(entry)})


@functools.cache
def _brought_in(module: str) -> tuple[str, str]:
    """What of `HEAVY` importing a module brings in, and why it cannot be imported; once for all its entries."""
    code = f"import sys, {module}; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    said = run.stdout.splitlines() or [""]  # before the last line stands what the module itself prints
    return said[-1], last_words(run.stderr, module.partition(".")[0]) if run.returncode else ""


def _config_type(entry: AlgorithmEntry) -> Any:
    return entry.load().Config  # type: ignore[attr-defined]


def _resolve(entry: AlgorithmEntry, kind: str, preset: str | None, overrides: dict[str, Any]) -> Any:
    env = EnvEntry("tiny", "", "", Source(""), gives=(kind,))
    return resolve(entry, _config_type(entry), env=env, action_kind=kind, preset=preset, overrides=overrides)
