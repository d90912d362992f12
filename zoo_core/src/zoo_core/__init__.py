"""The offline multi-agent RL zoo: what every plugin may use.

The public API is what `zoo_core`, `zoo_core.nn`, `zoo_core.data` and `zoo_core.testing` export. Names are imported on
first use: a hook module, which needs only the entries, stays free of torch and numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "zoo_core.acting": ("Rescored", "RunPolicy", "evaluate"),
    "zoo_core.algorithms": (
        "Adam", "Algorithm", "Assign", "Clip", "Draw", "Loss", "Noise", "Phase", "Polyak", "Rows", "Statistics",
        "Update", "WholeEpisodes", "Windows",
    ),
    "zoo_core.api": ("SeedsFailed", "train"),
    "zoo_core.batch": ("Batch",),
    "zoo_core.config": ("AlgorithmConfig", "parse_assignments", "resolve", "setting"),
    "zoo_core.entries": ("AlgorithmEntry", "DatasetEntry", "EnvEntry", "MixerEntry", "ReferenceScores", "Source"),
    "zoo_core.envs": ("BatchedEnv", "Step"),
    "zoo_core.errors": ("DatasetError", "PluginError", "SettingError", "UsageError", "ZooError", "did_you_mean"),
    "zoo_core.hookspecs": ("hookimpl",),
    "zoo_core.mixers": ("Mixer",),
    "zoo_core.plugins": ("load_zoo",),
    "zoo_core.runs": ("Measured", "Run", "Runs", "load_runs"),
    "zoo_core.seeding": ("derive", "generator", "normals", "uniforms"),
    "zoo_core.settings": ("ResolvedSetting", "Settings", "settings_of"),
    "zoo_core.team": ("TeamSpec",),
}  # fmt: skip
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo_core' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})  # a notebook completes names that were not imported yet


if TYPE_CHECKING:  # `as` re-exports to type checkers, which cannot see `__getattr__`
    from zoo_core.acting import Rescored as Rescored
    from zoo_core.acting import RunPolicy as RunPolicy
    from zoo_core.acting import evaluate as evaluate
    from zoo_core.algorithms import Adam as Adam
    from zoo_core.algorithms import Algorithm as Algorithm
    from zoo_core.algorithms import Assign as Assign
    from zoo_core.algorithms import Clip as Clip
    from zoo_core.algorithms import Draw as Draw
    from zoo_core.algorithms import Loss as Loss
    from zoo_core.algorithms import Noise as Noise
    from zoo_core.algorithms import Phase as Phase
    from zoo_core.algorithms import Polyak as Polyak
    from zoo_core.algorithms import Rows as Rows
    from zoo_core.algorithms import Statistics as Statistics
    from zoo_core.algorithms import Update as Update
    from zoo_core.algorithms import WholeEpisodes as WholeEpisodes
    from zoo_core.algorithms import Windows as Windows
    from zoo_core.api import SeedsFailed as SeedsFailed
    from zoo_core.api import train as train
    from zoo_core.batch import Batch as Batch
    from zoo_core.config import AlgorithmConfig as AlgorithmConfig
    from zoo_core.config import parse_assignments as parse_assignments
    from zoo_core.config import resolve as resolve
    from zoo_core.config import setting as setting
    from zoo_core.entries import AlgorithmEntry as AlgorithmEntry
    from zoo_core.entries import DatasetEntry as DatasetEntry
    from zoo_core.entries import EnvEntry as EnvEntry
    from zoo_core.entries import MixerEntry as MixerEntry
    from zoo_core.entries import ReferenceScores as ReferenceScores
    from zoo_core.entries import Source as Source
    from zoo_core.envs import BatchedEnv as BatchedEnv
    from zoo_core.envs import Step as Step
    from zoo_core.errors import DatasetError as DatasetError
    from zoo_core.errors import PluginError as PluginError
    from zoo_core.errors import SettingError as SettingError
    from zoo_core.errors import UsageError as UsageError
    from zoo_core.errors import ZooError as ZooError
    from zoo_core.errors import did_you_mean as did_you_mean
    from zoo_core.hookspecs import hookimpl as hookimpl
    from zoo_core.mixers import Mixer as Mixer
    from zoo_core.plugins import load_zoo as load_zoo
    from zoo_core.runs import Measured as Measured
    from zoo_core.runs import Run as Run
    from zoo_core.runs import Runs as Runs
    from zoo_core.runs import load_runs as load_runs
    from zoo_core.seeding import derive as derive
    from zoo_core.seeding import generator as generator
    from zoo_core.seeding import normals as normals
    from zoo_core.seeding import uniforms as uniforms
    from zoo_core.settings import ResolvedSetting as ResolvedSetting
    from zoo_core.settings import Settings as Settings
    from zoo_core.settings import settings_of as settings_of
    from zoo_core.team import TeamSpec as TeamSpec
