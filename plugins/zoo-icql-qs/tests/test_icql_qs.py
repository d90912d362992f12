"""ICQL-QS against Eqs. 1-2, and Proposition 1."""

import dataclasses

import pytest
import torch

from zoo_critics import Target
from zoo_critics.testing import critic_update, draw, perturb, plain_q, random_batch, small_team
from zoo_icql_qs.algorithm import ICQLQS, ICQLQSConfig

B = 10


def make(agents=3, **settings):
    team = small_team(agents)
    torch.manual_seed(0)
    settings = {"batch_size": B, "hidden": 8, "norm": "none", "samples": 3, **settings}
    algorithm = ICQLQS(team, ICQLQSConfig(**settings))
    perturb(algorithm)
    return algorithm, random_batch(team, B), draw(critic_update(algorithm).noise)


def target_values_by_loops(alg, batch, noise):
    """Q̄_j(s', π_i', a'_{−i}) for every head, agent and row; all agents replaced where no a' was logged."""
    policy = (alg.target_actor(batch.next_obs) + 0.05 * noise["target"]).clamp(-1, 1)
    q = torch.empty(2, 3, B)
    for j in range(2):
        for i in range(3):
            for b in range(B):
                joint = batch.next_action[b].clone() if batch.has_next_action[b] else policy[b].clone()
                joint[i] = policy[b, i]
                q[j, i, b] = plain_q(alg.target_critic, j, torch.cat((batch.next_state[b], joint.flatten()))[None])[0]
    return q.detach()


@pytest.mark.parametrize("min_first", [False, True])
def test_targets_equal_eq_1_agent_by_agent(min_first):
    alg, batch, noise = make(min_first=min_first)
    q = target_values_by_loops(alg, batch, noise)
    value = q.amin(0) if min_first else q.mean(1).amin(0).unsqueeze(0)
    expected = batch.team_reward + 0.95 * (~batch.terminated) * value
    torch.testing.assert_close(alg.target(batch, noise).y, expected)


def test_min_over_heads_first_is_more_pessimistic():
    (one, batch, noise), (other, _, _) = make(min_first=False), make(min_first=True)
    assert (other.target(batch, noise).y.mean(0) <= one.target(batch, noise).y[0] + 1e-6).all()


def test_proposition_1_the_gradient_is_that_of_the_mean_target():
    alg, batch, noise = make(min_first=True)
    agents, y = alg.critic_loss(batch, noise), alg.target(batch, noise).y
    parameters = list(alg.critic.parameters())
    one = torch.autograd.grad(agents.value, parameters)
    alg.target = lambda *_: Target(y.mean(0, keepdim=True), {})
    mean = alg.critic_loss(batch, noise)
    for a, b in zip(one, torch.autograd.grad(mean.value, parameters), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    # the values differ by the variance of the targets, once for each head
    torch.testing.assert_close(agents.value - mean.value, 2 * y.var(0, unbiased=False).mean(), rtol=1e-3, atol=1e-4)


def test_other_agents_next_actions_matter():
    alg, batch, noise = make()
    moved = dataclasses.replace(batch, next_action=-batch.next_action)
    assert not torch.allclose(alg.target(batch, noise).y, alg.target(moved, noise).y)


def test_an_ensemble_of_ten_logs_its_disagreement_and_twins_do_not():
    """u: the online heads' standard deviation at (s', π_i', a'_{−i}), averaged over agents and rows."""
    alg, batch, noise = make(heads=10)
    policy = (alg.target_actor(batch.next_obs) + 0.05 * noise["target"]).clamp(-1, 1)
    spread = []
    for i in range(3):
        for b in range(B):
            joint = batch.next_action[b].clone() if batch.has_next_action[b] else policy[b].clone()
            joint[i] = policy[b, i]
            row = torch.cat((batch.next_state[b], joint.flatten()))[None]
            spread.append(torch.stack([plain_q(alg.critic, j, row)[0] for j in range(10)]).std(correction=0))
    torch.testing.assert_close(alg.critic_loss(batch, noise).metrics["u"], torch.stack(spread).mean())
    twin, _, noise = make()
    assert "u" not in twin.critic_loss(batch, noise).metrics
