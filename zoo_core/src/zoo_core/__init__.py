"""The offline multi-agent RL zoo: what every plugin may use.

The public API is what `zoo_core`, `zoo_core.nn`, `zoo_core.data` and `zoo_core.testing` export. Names are imported on
first use: a hook module, which needs only the entries, stays free of torch and numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "zoo_core.algorithms": (
        "Adam", "Algorithm", "Assign", "Clip", "Draw", "Loss", "Noise", "Phase", "Polyak", "Rows", "Statistics",
        "Update", "WholeEpisodes", "Windows",
    ),
    "zoo_core.batch": ("Batch",),
    "zoo_core.config": ("AlgorithmConfig", "parse_assignments", "resolve", "setting"),
    "zoo_core.entries": ("AlgorithmEntry", "DatasetEntry", "EnvEntry", "MixerEntry", "ReferenceScores", "Source"),
    "zoo_core.envs": ("BatchedEnv", "Step"),
    "zoo_core.errors": ("DatasetError", "SettingError", "UsageError", "ZooError"),
    "zoo_core.hookspecs": ("hookimpl",),
    "zoo_core.mixers": ("Mixer",),
    "zoo_core.plugins": ("load_zoo",),
    "zoo_core.seeding": ("derive", "generator", "normals", "uniforms"),
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


if TYPE_CHECKING:
    from zoo_core.algorithms import (
        Adam,
        Algorithm,
        Assign,
        Clip,
        Draw,
        Loss,
        Noise,
        Phase,
        Polyak,
        Rows,
        Statistics,
        Update,
        WholeEpisodes,
        Windows,
    )
    from zoo_core.batch import Batch
    from zoo_core.config import AlgorithmConfig, parse_assignments, resolve, setting
    from zoo_core.entries import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry, ReferenceScores, Source
    from zoo_core.envs import BatchedEnv, Step
    from zoo_core.errors import DatasetError, SettingError, UsageError, ZooError
    from zoo_core.hookspecs import hookimpl
    from zoo_core.mixers import Mixer
    from zoo_core.plugins import load_zoo
    from zoo_core.seeding import derive, generator, normals, uniforms
    from zoo_core.team import TeamSpec
