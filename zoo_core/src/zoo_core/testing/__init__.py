"""The conformance kit: what authors run against their own plugins, and tiny games to run it on.

In a test module of the plugin, with the fixture that comes with zoo-core:

    zoo_plugin = "my_plugin.plugin"  # the hook module

    def test_conformance(zoo_claim):
        zoo_claim()

Without pytest, `check(entry)` tests every claim about an entry, of whichever kind, and returns a list of
`Check(name, outcome, detail, seconds)`; `claims(entry)` lists the claims, each ready to be called. Names are imported
on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_EXPORTS = {
    "zoo_core.testing.algorithms": ("algorithm_claims", "check_algorithm"),
    "zoo_core.testing.checks": ("Broken", "Check", "Claim", "NotApplicable"),
    "zoo_core.testing.datasets": ("check_dataset", "dataset_claims"),
    "zoo_core.testing.envs": ("check_env", "env_claims"),
    "zoo_core.testing.games": ("GAMES",),
    "zoo_core.testing.kit": ("check", "claims", "offered"),
    "zoo_core.testing.learning": ("check_learning", "learning_claims", "score"),
    "zoo_core.testing.mixers": ("check_mixer", "mixer_claims"),
    "zoo_core.testing.tiny": (
        "game_dataset",
        "tiny_config",
        "tiny_dataset",
        "tiny_learner",
        "tiny_settings",
        "tiny_team",
    ),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "GAMES",
    "Broken",
    "Check",
    "Claim",
    "NotApplicable",
    "algorithm_claims",
    "check",
    "check_algorithm",
    "check_dataset",
    "check_env",
    "check_learning",
    "check_mixer",
    "claims",
    "dataset_claims",
    "env_claims",
    "game_dataset",
    "learning_claims",
    "mixer_claims",
    "offered",
    "score",
    "tiny_config",
    "tiny_dataset",
    "tiny_learner",
    "tiny_settings",
    "tiny_team",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'zoo_core.testing' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


if TYPE_CHECKING:
    from zoo_core.testing.algorithms import algorithm_claims, check_algorithm
    from zoo_core.testing.checks import Broken, Check, Claim, NotApplicable
    from zoo_core.testing.datasets import check_dataset, dataset_claims
    from zoo_core.testing.envs import check_env, env_claims
    from zoo_core.testing.games import GAMES
    from zoo_core.testing.kit import check, claims, offered
    from zoo_core.testing.learning import check_learning, learning_claims, score
    from zoo_core.testing.mixers import check_mixer, mixer_claims
    from zoo_core.testing.tiny import (
        game_dataset,
        tiny_config,
        tiny_dataset,
        tiny_learner,
        tiny_settings,
        tiny_team,
    )
