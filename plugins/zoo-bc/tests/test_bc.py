"""BC's losses are their formulas, and it recovers a known policy."""

import math

import pytest
import torch

from zoo_bc.algorithm import BC, BCConfig
from zoo_core import Batch, TeamSpec, generator

CONTINUOUS = TeamSpec(
    env="toy", agents=("a", "b"), obs_sizes=(3, 3), action_sizes=(2, 1), action_low=-2.0, action_high=1.0
)
DISCRETE = TeamSpec(env="toy", agents=("a", "b"), obs_sizes=(3, 3), action_sizes=(4, 3), action_kind="discrete")
TINY = BCConfig(batch_size=8, hidden=5)


def algorithm(team: TeamSpec, config: BCConfig = TINY) -> BC:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return BC(team, config)


def batch(obs: torch.Tensor, action: torch.Tensor, mask: torch.Tensor | None = None) -> Batch:
    rows, agents, _ = obs.shape
    ended = torch.zeros(rows, dtype=torch.bool)
    return Batch(obs, action, torch.zeros(rows, agents), obs, ended, ended, action_mask=mask)


def head(bc: BC, agent: int, obs: torch.Tensor) -> list[float]:
    """One agent's network on one observation, neuron by neuron."""
    x = obs.tolist()
    for layer in [*bc.actors.layers, bc.actors.last]:
        weight, bias = layer.weight[agent], layer.bias[agent, 0]
        x = [float(sum(x[i] * weight[i, o] for i in range(len(x))) + bias[o]) for o in range(len(bias))]
        x = x if layer is bc.actors.last else [max(v, 0.0) for v in x]
    return x


@torch.no_grad()
def test_squared_error_is_the_mean_over_rows_agents_and_own_dimensions():
    bc, g = algorithm(CONTINUOUS), generator(0, "rows")
    obs, action = torch.randn(8, 2, 3, generator=g), torch.rand(8, 2, 2, generator=g)
    total, count = 0.0, 0
    for row in range(8):
        for agent, size in enumerate(CONTINUOUS.action_sizes):
            for d, value in enumerate(head(bc, agent, obs[row, agent])[:size]):
                wanted = -2.0 + 3.0 * (math.tanh(value) + 1.0) / 2.0
                total, count = total + (wanted - float(action[row, agent, d])) ** 2, count + 1
    assert float(bc.squared_error_loss(batch(obs, action), {}).value) == pytest.approx(total / count, rel=1e-5)


@torch.no_grad()
def test_likelihood_is_the_cross_entropy_over_available_actions():
    bc, g = algorithm(DISCRETE), generator(0, "rows")
    obs = torch.randn(8, 2, 3, generator=g)
    action = torch.randint(0, 3, (8, 2), generator=g)
    mask = torch.rand(8, 2, 4, generator=g) < 0.5
    mask.scatter_(-1, action[..., None], True)
    total = 0.0
    for row in range(8):
        for agent, size in enumerate(DISCRETE.action_sizes):
            logits = head(bc, agent, obs[row, agent])
            available = [k for k in range(size) if mask[row, agent, k]]
            norm = sum(math.exp(logits[k]) for k in available)
            total -= math.log(math.exp(logits[int(action[row, agent])]) / norm)
    assert float(bc.likelihood_loss(batch(obs, action, mask), {}).value) == pytest.approx(total / 16, rel=1e-5)


def test_unavailable_and_padded_actions_are_never_chosen():
    bc = algorithm(DISCRETE)
    obs = torch.randn(200, 2, 3, generator=generator(0, "rows"))
    mask = torch.rand(200, 2, 4, generator=generator(1, "mask")) < 0.4
    mask[..., 0] |= ~mask[..., :3].any(-1)  # at least one real action
    action, _ = bc.act(obs, mask, None, None)
    assert mask.gather(-1, action[..., None]).all()
    unmasked, _ = bc.act(obs, None, None, None)
    assert unmasked[:, 1].max() < 3


def test_actions_stay_within_bounds_and_padding_stays_zero():
    bc = algorithm(CONTINUOUS)
    action, _ = bc.act(100.0 * torch.randn(200, 2, 3, generator=generator(0, "rows")), None, None, None)
    assert action.min() >= -2.0
    assert action.max() <= 1.0
    assert not action[:, 1, 1].any()


def train(bc: BC, make_batch, steps: int) -> None:
    """Plain Adam on the declared loss: enough to see that the loss teaches what it should."""
    update = bc.phases()[0].steps[0]
    optimizer = torch.optim.Adam(bc.actors.parameters(), lr=update.optimizer.lr)
    for step in range(steps):
        optimizer.zero_grad()
        update.loss(make_batch(generator(step, "batch")), {}).value.backward()
        optimizer.step()


def test_recovers_a_linear_policy():
    bc = algorithm(CONTINUOUS, BCConfig(lr=3e-3, hidden=32))
    weight = torch.tensor([[0.5, -0.3], [0.2, 0.4], [-0.3, 0.1]])

    def make_batch(g: torch.Generator) -> Batch:
        obs = torch.rand(256, 2, 3, generator=g) * 2 - 1
        action = obs @ weight - 0.5
        return batch(obs, action * torch.tensor([[1.0, 1.0], [1.0, 0.0]]))

    train(bc, make_batch, 500)
    unseen = make_batch(generator(0, "unseen"))
    action, _ = bc.act(unseen.obs, None, None, None)
    assert (action - unseen.action).abs().mean() < 0.03


def test_recovers_a_discrete_rule_under_masks():
    bc = algorithm(DISCRETE, BCConfig(lr=3e-3, hidden=32))

    def make_batch(g: torch.Generator) -> Batch:
        obs = torch.randn(256, 2, 3, generator=g)
        mask = torch.ones(256, 2, 4, dtype=torch.bool)
        mask[:, :, 0] = torch.rand(256, 2, generator=g) < 0.5
        best = obs.masked_fill(~mask[..., :3], -9.0).argmax(-1)  # the largest available feature
        return batch(obs, best, mask)

    train(bc, make_batch, 500)
    unseen = make_batch(generator(0, "unseen"))
    action, _ = bc.act(unseen.obs, unseen.action_mask, None, None)
    assert (action == unseen.action).float().mean() > 0.93


def test_agents_share_nothing():
    bc = algorithm(CONTINUOUS)
    obs = torch.randn(8, 2, 3, generator=generator(0, "rows"))
    bc.actions(obs)[:, 0].sum().backward()
    for parameter in bc.actors.parameters():
        assert parameter.grad[0].any()
        assert not parameter.grad[1].any()
