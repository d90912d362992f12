"""The conformance kit: what authors run against their own plugins, and tiny games to run it on.

    import pytest
    from zoo_core.testing import algorithm_claims

    @pytest.mark.parametrize("claim", algorithm_claims(ENTRY), ids=str)
    def test_my_algorithm_keeps_the_contract(claim):
        claim()

`check_algorithm(entry)` tests all claims at once and returns a list of `Check(name, passed, detail)`.
"""

from zoo_core.testing.checks import Broken, Check, Claim
from zoo_core.testing.envs import check_env, env_claims
from zoo_core.testing.games import GAMES
from zoo_core.testing.mixers import check_mixer, mixer_claims

__all__ = [
    "GAMES",
    "Broken",
    "Check",
    "Claim",
    "check_env",
    "check_mixer",
    "env_claims",
    "mixer_claims",
]
