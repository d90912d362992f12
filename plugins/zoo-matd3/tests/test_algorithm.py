"""One update of MATD3 against loops written from the paper's formulas."""

import pytest
import torch

from zoo_core import Batch, SettingError, TeamSpec, generator
from zoo_matd3.algorithm import MATD3, Config

TEAM = TeamSpec(env="test", agents=("a", "b", "c"), obs_sizes=(4, 4, 4), action_sizes=(2, 2, 2), episode_limit=5)
ROWS = 7


@pytest.fixture
def learner():
    return MATD3(TEAM, Config(hidden=8, smoothing=0.2, smoothing_clip=0.3), seed=3)


@pytest.fixture
def batch():
    source = generator(0, "batch")

    def normal(*shape):
        return torch.randn(ROWS, *shape, generator=source)

    return Batch(
        obs=normal(3, 4),
        action=normal(3, 2).clamp(-1, 1),
        reward=normal(3),
        next_obs=normal(3, 4),
        terminated=torch.arange(ROWS) % 3 == 0,
        truncated=torch.arange(ROWS) % 3 == 1,
    )


@pytest.fixture
def noise():
    return torch.randn(ROWS, 3, 2, generator=generator(0, "noise"))


def action_of(stack, agent, obs):
    """One agent's action for one observation, through its own layers."""
    x = obs
    for layer in stack.layers:
        x = torch.relu(x @ layer.weight[agent] + layer.bias[agent, 0])
    return torch.tanh(x @ stack.last.weight[agent] + stack.last.bias[agent, 0])


def value_of(stack, agent, obs, action):
    """One agent's value of one joint observation and joint action."""
    x = torch.cat([*obs, *action])
    for layer in stack.layers:
        x = torch.relu(x @ layer.weight[agent] + layer.bias[agent, 0])
    return (x @ stack.last.weight[agent] + stack.last.bias[agent, 0])[0]


def test_target_is_the_smaller_twin_at_smoothed_target_actions_and_the_reward_alone_after_termination(
    learner, batch, noise
):
    expected = torch.empty(3, ROWS)
    for b in range(ROWS):
        smoothing = (0.2 * noise[b]).clamp(-0.3, 0.3)
        actions = [action_of(learner.target_actors, j, batch.next_obs[b, j]) + smoothing[j] for j in range(3)]
        actions = [action.clamp(-1, 1) for action in actions]
        for i in range(3):
            values = [value_of(critic, i, batch.next_obs[b], actions) for critic in learner.target_critics]
            future = 0.0 if batch.terminated[b] else min(values)
            expected[i, b] = 0.1 * batch.reward[b, i] + 0.95 * future
    torch.testing.assert_close(learner.targets(batch, noise), expected)


def test_critic_loss_sums_mean_squared_errors_over_agents_and_twins(learner, batch, noise):
    target = learner.targets(batch, noise)
    expected = 0.0
    for critic in learner.critics:
        for i in range(3):
            errors = [value_of(critic, i, batch.obs[b], batch.action[b]) - target[i, b] for b in range(ROWS)]
            expected += sum(error**2 for error in errors) / ROWS
    torch.testing.assert_close(learner.critic_loss(batch, target), expected)


def test_actor_loss_replaces_each_agents_own_action_alone(learner, batch):
    expected = 0.0
    for i in range(3):
        for b in range(ROWS):
            own = action_of(learner.actors, i, batch.obs[b, i])
            joint = [own if j == i else batch.action[b, j] for j in range(3)]
            value = value_of(learner.critics[0], i, batch.obs[b], joint)
            expected += (learner.config.action_penalty * own.square().mean() - value) / ROWS
    torch.testing.assert_close(learner.actor_loss(batch), expected)


def test_delayed_updates_move_the_actors_and_both_targets_only_every_second_time(batch, noise):
    learner = MATD3(TEAM, Config(hidden=8, policy_delay=2), seed=3)

    def snapshot():
        return {name: p.detach().clone() for name, p in learner.named_parameters()}

    def moved(before):
        now = learner.named_parameters()
        return {name.split(".")[0] for name, p in now if not torch.equal(p, before[name])}

    start = snapshot()
    losses = learner.update(batch, noise)
    assert moved(start) == {"critics"}
    assert set(losses) == {"critic_loss"}
    learner.update(batch, noise)
    assert moved(start) == {"critics", "actors", "target_actors", "target_critics"}


def test_targets_move_by_tau(batch, noise):
    learner = MATD3(TEAM, Config(hidden=8, tau=0.25), seed=3)
    before = learner.target_actors.last.weight.clone()
    learner.update(batch, noise)
    expected = 0.75 * before + 0.25 * learner.actors.last.weight
    torch.testing.assert_close(learner.target_actors.last.weight, expected)


def test_each_networks_gradient_is_clipped_alone(learner, batch, noise):
    large = Batch(**{**dict(batch.present()), "reward": batch.reward * torch.tensor([1e6, 1.0, 1.0])})
    learner.update(large, noise)
    squares = sum(p.grad.flatten(1).square().sum(1) for p in learner.critics[0].parameters())
    assert squares[0].sqrt().item() == pytest.approx(0.5, rel=1e-3)
    alone = MATD3(TEAM, learner.config, seed=3)
    alone.update(batch, noise)
    for mine, other in zip(learner.critics.parameters(), alone.critics.parameters(), strict=True):
        assert torch.equal(mine[1:], other[1:])  # agent 0's huge gradient did not shrink the others'


def test_networks_are_a_function_of_the_seed_and_the_global_generator_is_untouched():
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    one, again, other = (MATD3(TEAM, Config(hidden=8), seed=seed).actors.last.weight for seed in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_agent_acts_on_its_own_observation_alone(learner, batch):
    changed = batch.obs.clone()
    changed[:, 1:] += 1.0
    before, after = learner.act(batch.obs), learner.act(changed)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.equal(before[:, 1], after[:, 1])


def test_discrete_actions_are_refused():
    team = TeamSpec(env="grid", agents=("a",), obs_sizes=(3,), action_sizes=(4,), action_kind="discrete")
    with pytest.raises(SettingError, match="'grid' has discrete"):
        MATD3(team, Config())


def test_bounds_other_than_one_are_refused():
    team = TeamSpec(env="wide", agents=("a",), obs_sizes=(3,), action_sizes=(1,), action_low=-2.0, action_high=1.0)
    with pytest.raises(SettingError, match=r"'wide' lie within \[-2, 1\]"):
        MATD3(team, Config())
