"""MA-TD3+BC's losses against its formulas, and what TD3+BC adds to TD3: λ, cloning, normalised observations, delay."""

import dataclasses

import pytest
import torch

from zoo_core import Polyak, Statistics, TeamSpec, Update, ZooError
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics.testing import draw, perturb, plain_net, random_batch
from zoo_td3bc.algorithm import TD3BC, TD3BCConfig
from zoo_td3bc.plugin import zoo_algorithms

B = 10
TEAM = TeamSpec("test", ("a", "b", "c"), (4, 4, 3), (2, 2, 1), action_low=-0.5, action_high=1.0)
CENTRE, REACH = 0.25, 0.75
STATISTICS = Statistics(
    torch.linspace(-1, 1, 12).view(3, 4), torch.linspace(0.5, 2, 12).view(3, 4), None, None, 0.0, 1.0, 0.0, 0.0, 1.0
)


def make(**settings):
    torch.manual_seed(0)
    alg = TD3BC(TEAM, TD3BCConfig(**{"batch_size": B, "hidden": 8, **settings}), statistics=STATISTICS)
    perturb(alg)
    batch = random_batch(TEAM, B)
    own = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    batch = dataclasses.replace(batch, action=(CENTRE + REACH * batch.action) * own)
    return alg, batch, draw(alg.phases()[0].steps[0].noise)


def normal(obs, i):
    return (obs[:, i] - STATISTICS.obs_mean[i]) / (STATISTICS.obs_std[i] + 1e-3)


def policy_of(actor, i, obs):
    action = CENTRE + REACH * torch.tanh(plain_net(actor.net, i, obs))
    return torch.cat((action[:, : TEAM.action_sizes[i]], torch.zeros(B, 2 - TEAM.action_sizes[i])), -1)


def q_of(critic, h, i, obs, action):
    return plain_net(critic.nets[h], i, torch.cat((obs, action), -1))[:, 0]


def test_critics_regress_on_the_lesser_target_at_a_smoothed_clipped_action():
    alg, batch, noise = make(smoothing=0.4)
    assert (0.4 * noise["smoothing"]).abs().max() > 0.5  # so that the bound on the noise shows
    expected = 0.0
    for i, size in enumerate(TEAM.action_sizes):
        here, there = normal(batch.obs, i), normal(batch.next_obs, i)
        shift = REACH * (0.4 * noise["smoothing"][:, i, :size]).clamp(-0.5, 0.5)
        action = policy_of(alg.target_actor, i, there)
        action[:, :size] = (action[:, :size] + shift).clamp(-0.5, 1.0)
        least = torch.minimum(*(q_of(alg.target_critic, h, i, there, action) for h in range(2)))
        y = batch.reward[:, i] + 0.95 * (~batch.terminated) * least
        for h in range(2):
            expected = expected + (q_of(alg.critic, h, i, here, batch.action[:, i]) - y.detach()).square().mean()
    torch.testing.assert_close(alg.critic_loss(batch, noise).value, expected)


def test_policies_ascend_the_value_over_its_size_and_clone():
    alg, batch, _ = make(alpha=1.5)
    expected = 0.0
    for i, size in enumerate(TEAM.action_sizes):
        obs = normal(batch.obs, i)
        policy = policy_of(alg.actor, i, obs)
        q = q_of(alg.critic, 0, i, obs, policy)
        error = ((policy - batch.action[:, i]) / REACH)[:, :size]
        expected = expected - 1.5 / q.abs().mean().detach() * q.mean() + error.square().mean()
    loss = alg.actor_loss(batch, {})
    torch.testing.assert_close(loss.value, expected)
    parameters = list(alg.actor.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (loss.value, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_size_of_the_rewards_does_not_decide_between_value_and_cloning():
    """λ: critics a hundred times larger give policies the same gradient."""
    alg, batch, _ = make()
    before = torch.autograd.grad(alg.actor_loss(batch, {}).value, list(alg.actor.parameters()))
    with torch.no_grad():
        for net in alg.critic.nets:
            net.last.weight *= 100
            net.last.bias *= 100
    after = torch.autograd.grad(alg.actor_loss(batch, {}).value, list(alg.actor.parameters()))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_without_the_value_it_is_behaviour_cloning():
    alg, batch, _ = make(alpha=0.0)
    expected = 0.0
    for i, size in enumerate(TEAM.action_sizes):
        error = (policy_of(alg.actor, i, normal(batch.obs, i)) - batch.action[:, i]) / REACH
        expected = expected + error[:, :size].square().mean()
    torch.testing.assert_close(alg.actor_loss(batch, {}).value, expected)


def test_policies_and_targets_move_every_second_update_of_the_critics():
    alg, _, _ = make()
    every = {step.name if isinstance(step, Update) else step.online + "'": step.every for step in alg.phases()[0].steps}
    assert every == {"critic": 1, "actor": 2, "critic'": 2, "actor'": 2}
    assert sum(isinstance(step, Polyak) for step in alg.phases()[0].steps) == 2


def test_it_acts_on_normalised_observations_and_keeps_their_moments_with_its_weights():
    alg, batch, _ = make()
    action, _ = alg.act(batch.obs, None, None, None)
    for i in range(3):
        torch.testing.assert_close(action[:, i], policy_of(alg.actor, i, normal(batch.obs, i)))
    other = TD3BC(TEAM, alg.config, statistics=dataclasses.replace(STATISTICS, obs_mean=torch.zeros(3, 4)))
    other.load_state_dict(alg.state_dict())
    assert torch.equal(other.act(batch.obs, None, None, None)[0], action)


def test_without_statistics_it_says_what_to_do():
    with pytest.raises(ZooError, match="normalise_obs=false"):
        TD3BC(TEAM, TD3BCConfig())
    plain = TD3BC(TEAM, TD3BCConfig(normalise_obs=False))
    obs = random_batch(TEAM, B).obs
    torch.testing.assert_close(plain.act(obs, None, None, None)[0], plain.actor(obs))


@pytest.mark.parametrize("preset", ["published", "zoo"])
@pytest.mark.parametrize("env", ["mpe-cn", "somebody-elses"])
def test_every_value_has_a_source(preset, env):
    (entry,) = zoo_algorithms()
    env = EnvEntry(env, "", "", Source(""))
    origins = resolve(entry, TD3BCConfig, env=env, action_kind="continuous", preset=preset).origins
    assert [key for key, origin in origins.items() if not origin.source] == []
