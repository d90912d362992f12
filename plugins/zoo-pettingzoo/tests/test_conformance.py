"""The conformance kit on members of the family: discrete, continuous, unequal agents, masks, agents that die."""

import pytest

from zoo_core.testing import env_claims
from zoo_pettingzoo.plugin import FAMILY

TASKS = (
    "mpe2.simple_spread_v3",
    "mpe2.simple_spread_v3,continuous_actions=true",
    "mpe2.simple_speaker_listener_v4",
    "pettingzoo_fakes:Rescue",
    "pettingzoo_fakes:Rescue,masks=obs",
    "pettingzoo_fakes:Levers",  # cannot be drawn
    "pettingzoo_fakes:Levers,careless=true,max_steps=6",
)


@pytest.mark.parametrize(
    "claim",
    [pytest.param(claim, id=f"{task}-{claim}") for task in TASKS for claim in env_claims(FAMILY.resolve(task))],
)
def test_a_pettingzoo_environment_keeps_the_contract(claim):
    claim()


def test_the_family_is_tested_on_its_example():
    assert [str(c) for c in env_claims(FAMILY)] == [str(c) for c in env_claims(FAMILY.resolve(FAMILY.example))]
