"""The particle worlds keep the contract of an environment."""

import pytest

from zoo_core.testing import env_claims
from zoo_mpe.plugin import ENVS


@pytest.mark.parametrize(
    "claim", [pytest.param(claim, id=f"{entry.name}-{claim}") for entry in ENVS for claim in env_claims(entry)]
)
def test_a_world_keeps_the_contract(claim):
    claim()
