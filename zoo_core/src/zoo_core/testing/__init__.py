"""The conformance kit: what authors run against their own plugins, and tiny games to run it on.

    import pytest
    from zoo_core.testing import algorithm_claims

    @pytest.mark.parametrize("claim", algorithm_claims(ENTRY), ids=str)
    def test_my_algorithm_keeps_the_contract(claim):
        claim()

`check_algorithm(entry)` tests all claims at once and returns a list of `Check(name, passed, detail)`. Environments and
mixers have the same two functions; `learning_claims` asks whether an algorithm solves a small game, in seconds.
"""

from zoo_core.testing.algorithms import algorithm_claims, check_algorithm
from zoo_core.testing.checks import Broken, Check, Claim
from zoo_core.testing.envs import check_env, env_claims
from zoo_core.testing.games import GAMES
from zoo_core.testing.learning import check_learning, learning_claims, score
from zoo_core.testing.mixers import check_mixer, mixer_claims
from zoo_core.testing.tiny import game_dataset, tiny_config, tiny_dataset, tiny_learner, tiny_settings, tiny_team

__all__ = [
    "GAMES",
    "Broken",
    "Check",
    "Claim",
    "algorithm_claims",
    "check_algorithm",
    "check_env",
    "check_learning",
    "check_mixer",
    "env_claims",
    "game_dataset",
    "learning_claims",
    "mixer_claims",
    "score",
    "tiny_config",
    "tiny_dataset",
    "tiny_learner",
    "tiny_settings",
    "tiny_team",
]
