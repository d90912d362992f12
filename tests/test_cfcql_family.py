"""MACQL, CFCQL, ICQL-QS and SPaCQL against one another: where their definitions meet, so must their losses."""

import dataclasses

import pytest
import torch

from zoo_cfcql.algorithm import CFCQL
from zoo_critics.testing import critic_update, draw, perturb, random_batch, small_team
from zoo_icql_qs.algorithm import ICQLQS
from zoo_macql.algorithm import MACQL
from zoo_spacql.algorithm import SPaCQL

FAMILY = (MACQL, CFCQL, ICQLQS, SPaCQL)
ROWS = 12


def make(cls, agents=3, norm="none"):
    """One of the family, all with the same parameters, and the noise it takes from one common draw."""
    team = small_team(agents)
    torch.manual_seed(0)
    algorithm = cls(team, cls.Config(batch_size=ROWS, hidden=8, heads=4, norm=norm))
    perturb(algorithm)
    common = draw(critic_update(SPaCQL(team, SPaCQL.Config(batch_size=ROWS))).noise)
    return algorithm, {name: common[name] for name in critic_update(algorithm).noise}


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_with_one_agent_all_four_are_single_agent_cql(norm):
    batch = random_batch(small_team(1), ROWS)
    losses = []
    for cls in FAMILY:
        algorithm, noise = make(cls, agents=1, norm=norm)
        losses.append(algorithm.critic_loss(batch, noise).value)
    for loss in losses[1:]:
        torch.testing.assert_close(loss, losses[0])


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_without_logged_next_actions_spacql_and_icql_qs_have_cfcqls_target(norm):
    """Every k then replaces all agents, so the disagreements are equal and the mixture is the joint target."""
    batch = random_batch(small_team(), ROWS)
    batch = dataclasses.replace(batch, has_next_action=torch.zeros(ROWS, dtype=torch.bool))
    targets = [algorithm.target(batch, noise).y for algorithm, noise in (make(c, norm=norm) for c in FAMILY[1:])]
    for target in targets[1:]:
        torch.testing.assert_close(target, targets[0])


def test_only_the_target_tells_cfcql_icql_qs_and_spacql_apart():
    batch = random_batch(small_team(), ROWS)
    (cfcql, noise), (icql, icql_noise), (spacql, spacql_noise) = (make(cls) for cls in FAMILY[1:])
    penalty, actors = cfcql.penalty(batch, noise), cfcql.actor_loss(batch, {}).value
    for other, other_noise in ((icql, icql_noise), (spacql, spacql_noise)):
        assert torch.equal(other.penalty(batch, other_noise), penalty)
        assert torch.equal(other.actor_loss(batch, {}).value, actors)
        assert not torch.allclose(other.target(batch, other_noise).y, cfcql.target(batch, noise).y)


def test_only_the_penalty_tells_macql_from_cfcql():
    batch = random_batch(small_team(), ROWS)
    (macql, noise), (cfcql, _) = make(MACQL), make(CFCQL)
    assert torch.equal(macql.target(batch, noise).y, cfcql.target(batch, noise).y)
    assert not torch.allclose(macql.penalty(batch, noise), cfcql.penalty(batch, noise))
