"""IQL's losses against its formulas, written as loops over agents and rows."""

import dataclasses
import math

import pytest
import torch

from zoo_core import Statistics, TeamSpec, Update, ZooError
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics.testing import discrete_batch, perturb, plain_net, random_batch
from zoo_iql.algorithm import IQL, IQLConfig
from zoo_iql.plugin import zoo_algorithms

B = 10
CONTINUOUS = TeamSpec("test", ("a", "b", "c"), (4, 4, 3), (2, 2, 1), action_low=-0.5, action_high=1.0, episode_limit=25)
DISCRETE = TeamSpec("test", ("a", "b"), (4, 3), (3, 2), action_kind="discrete", episode_limit=25)
CENTRE, REACH = 0.25, 0.75
STATISTICS = Statistics(torch.zeros(3, 4), torch.ones(3, 4), None, None, 0.0, 1.0, 0.0, -40.0, 60.0)
SCALE = 25 / 100
"""The episodes' 25 steps over the range of their returns."""


def make(team=CONTINUOUS, **settings):
    torch.manual_seed(0)
    alg = IQL(team, IQLConfig(**{"batch_size": B, "hidden": 8, **settings}), statistics=STATISTICS)
    perturb(alg)
    if team.discrete:
        return alg, discrete_batch(team, B)
    batch = random_batch(team, B)
    own = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    return alg, dataclasses.replace(batch, action=(CENTRE + REACH * batch.action) * own)


def q_of(alg, critic, h, i, batch):
    obs = batch.obs[:, i]
    if alg.team.discrete:
        return plain_net(critic.nets[h], i, obs)[torch.arange(B), batch.action[:, i]]
    return plain_net(critic.nets[h], i, torch.cat((obs, batch.action[:, i]), -1))[:, 0]


def advantages(alg, batch, i):
    least = torch.minimum(*(q_of(alg, alg.target_critic, h, i, batch) for h in range(2)))
    return least.detach() - plain_net(alg.value, i, batch.obs[:, i])[:, 0]


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_values_regress_on_an_expectile_of_the_lesser_target_critic(team):
    alg, batch = make(team, expectile=0.8)
    expected = 0.0
    for i in range(team.n):
        for u in advantages(alg, batch, i):
            expected = expected + (0.8 if u > 0 else 0.2) * u**2 / B
    torch.testing.assert_close(alg.value_loss(batch, {}).value, expected)


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_critics_regress_on_the_reward_and_the_next_value(team):
    alg, batch = make(team)
    expected = 0.0
    for i in range(team.n):
        next_value = plain_net(alg.value, i, batch.next_obs[:, i])[:, 0].detach()
        y = SCALE * batch.reward[:, i] + 0.95 * (~batch.terminated) * next_value
        for h in range(2):
            expected = expected + (q_of(alg, alg.critic, h, i, batch) - y).square().mean()
    torch.testing.assert_close(alg.critic_loss(batch, {}).value, expected)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_policies_clone_by_the_exponential_advantage_up_to_its_bound(team, normalise):
    alg, batch = make(team, normalise_advantage=normalise, beta=3.0, most_weight=4.0)
    expected, weights = 0.0, []
    for i in range(team.n):
        advantage = advantages(alg, batch, i).detach()
        if normalise:
            advantage = advantage / math.sqrt(sum(float(a) ** 2 for a in advantage) / B)
        head = plain_net((alg.policy if team.discrete else alg.policy.mean).net, i, batch.obs[:, i])
        for b in range(B):
            weights.append(min(math.exp(3.0 * advantage[b]), 4.0))
            if team.discrete:
                available = batch.action_mask[b, i]
                likelihood = head[b, batch.action[b, i]] - torch.logsumexp(head[b, available], 0)
            else:
                size = team.action_sizes[i]
                unit = (batch.action[b, i, :size] - CENTRE) / REACH
                std = alg.policy.log_std[i, :size].exp()
                likelihood = torch.distributions.Normal(torch.tanh(head[b, :size]), std).log_prob(unit).sum()
            expected = expected - weights[-1] * likelihood / B
    assert min(weights) < 1 < max(weights) == 4.0
    loss = alg.policy_loss(batch, {})
    torch.testing.assert_close(loss.value, expected)
    parameters = list(alg.policy.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (loss.value, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_with_beta_zero_it_clones():
    alg, batch = make(beta=0.0)
    torch.testing.assert_close(alg.weights(alg.advantage(batch)), torch.ones(3, B))


def test_values_are_never_asked_about_actions_outside_the_data():
    """The policy enters neither the values' nor the critics' loss."""
    alg, batch = make()
    total = alg.value_loss(batch, {}).value + alg.critic_loss(batch, {}).value
    found = torch.autograd.grad(total, list(alg.policy.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in found)


def test_the_order_of_an_iteration_is_value_policy_critic_target():
    alg, _ = make()
    names = [step.name if isinstance(step, Update) else "target" for step in alg.phases()[0].steps]
    assert names == ["value", "policy", "critic", "target"]


def test_rewards_are_scaled_by_the_episodes_length_over_the_range_of_returns():
    assert float(make()[0].reward_scale) == pytest.approx(SCALE)
    assert float(make(scale_rewards=False)[0].reward_scale) == 1.0
    flat = dataclasses.replace(STATISTICS, return_min=7.0, return_max=7.0)
    assert float(IQL(CONTINUOUS, IQLConfig(), statistics=flat).reward_scale) == 1.0


def test_without_statistics_it_says_what_to_do():
    with pytest.raises(ZooError, match="scale_rewards=false"):
        IQL(CONTINUOUS, IQLConfig())


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("preset", ["published", "zoo"])
def test_every_value_has_a_source(preset, kind):
    (entry,) = zoo_algorithms()
    env = EnvEntry("somebody-elses", "", "", Source(""))
    origins = resolve(entry, IQLConfig, env=env, action_kind=kind, preset=preset).origins
    assert [key for key, origin in origins.items() if not origin.source] == []
