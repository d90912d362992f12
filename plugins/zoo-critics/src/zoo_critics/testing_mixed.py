"""For the tests of teams whose value is mixed: two teams, a linear mixer, batches, and formulas written as loops."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import Algorithm, AlgorithmEntry, Batch, Mixer, Statistics, TeamSpec, generator
from zoo_core.testing import GAMES, game_dataset, score, tiny_config, tiny_dataset, tiny_learner, tiny_team
from zoo_critics.decomposed import own_dims
from zoo_critics.policies import ClippedNormalPolicy
from zoo_critics.testing import discrete_batch, perturb, random_batch, train

CENTRE, REACH = 0.25, 0.75
CONTINUOUS = TeamSpec(
    "test",
    ("a", "b", "c"),
    (4, 4, 3),
    (2, 2, 1),
    action_low=CENTRE - REACH,
    action_high=CENTRE + REACH,
    state_kind="stored",
    state_size=12,
)
DISCRETE = TeamSpec("test", ("a", "b"), (4, 3), (3, 2), action_kind="discrete", state_kind="stored", state_size=8)
REWARD_STD = 2.5


class LinearMixer(Mixer):
    """w = |W s|, b = c·s."""

    def __init__(self, agents: int, state_size: int, outputs: int = 1) -> None:
        super().__init__(agents, state_size, outputs)
        self.w, self.b = nn.Linear(state_size, agents), nn.Linear(state_size, 1)

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.w(state).abs().unsqueeze(-2), self.b(state)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        total: Tensor = (self.w(state).abs() * values).sum(-1, keepdim=True) + self.b(state)
        return total


def statistics_of(team: TeamSpec) -> Statistics:
    """Rewards of deviation `REWARD_STD`; nothing else of interest."""
    zeros, ones = torch.zeros(team.n, team.obs_size), torch.ones(team.n, team.obs_size)
    return Statistics(zeros, ones, None, None, 0.0, REWARD_STD, 0.0, -1.0, 1.0)


def made(kind: type[Algorithm], team: TeamSpec, rows: int, **settings: Any) -> tuple[Any, Batch]:
    """A small algorithm with weights away from their start, and a batch that holds every kind of row."""
    torch.manual_seed(0)
    config = kind.Config(**{"batch_size": rows, "hidden": 8, **settings})
    algorithm = kind(team, config, statistics=statistics_of(team), mixer=LinearMixer)
    perturb(algorithm)
    return algorithm, mixed_batch(team, rows)


def mixed_batch(team: TeamSpec, rows: int) -> Batch:
    """Random rows in the team's bounds, with initial observations and states, and next actions where there are any."""
    following = random_batch(team, rows, seed=1)
    if team.discrete:
        batch = discrete_batch(team, rows)
        after = discrete_batch(team, rows, seed=1)
        has_next = ~(batch.terminated | batch.truncated)
        batch = dataclasses.replace(
            batch, next_action=after.action, next_action_mask=after.action_mask, has_next_action=has_next
        )
    else:
        batch = random_batch(team, rows)
        own = own_dims(team)
        assert batch.next_action is not None
        batch = dataclasses.replace(
            batch,
            action=(CENTRE + REACH * batch.action) * own,
            next_action=torch.where(own, CENTRE + REACH * batch.next_action, 0.0),
        )
    size = team.state_size
    return dataclasses.replace(
        batch,
        state=batch.obs.flatten(1)[:, :size],
        next_state=batch.next_obs.flatten(1)[:, :size],
        initial_obs=following.obs,
        initial_state=following.obs.flatten(1)[:, :size],
    )


# --- formulas, one row at a time ---------------------------------------------------------------------------------


def credit_of(mixer: Any, state: Tensor) -> tuple[Tensor, Tensor]:
    """w [n] and b [] of a `LinearMixer` at one state [s]."""
    return (mixer.w.weight @ state + mixer.w.bias).abs(), (mixer.b.weight @ state + mixer.b.bias)[0]


def mixed(mixer: Any, values: Sequence[Tensor] | Tensor, state: Tensor) -> Tensor:
    """Σ_i w_i values_i + b at one state."""
    w, b = credit_of(mixer, state)
    total = b
    for i, value in enumerate(values):
        total = total + w[i] * value
    return total


def worth_of(algorithm: Any, batch: Batch, row: int, following: Tensor) -> Tensor:
    """r + γ (1 − d) following, for one row; r is the mean of the agents' rewards, scaled if the algorithm scales."""
    config = algorithm.config
    reward = batch.reward[row].mean() / (REWARD_STD if config.scale_rewards else 1.0)
    ends = bool(batch.terminated[row]) or (bool(batch.truncated[row]) and config.timeouts == "terminal")
    return reward if ends else reward + config.discount * following


def log_likelihood(algorithm: Any, batch: Batch, row: int, agent: int) -> Tensor:
    """log π_i(a_i | o_i) of one logged action, by torch's distributions or a logsumexp over available actions."""
    policy, team = algorithm.policy, algorithm.team
    if team.discrete:
        assert batch.action_mask is not None
        logits = policy.net(batch.obs)[row, agent]
        return logits[batch.action[row, agent]] - torch.logsumexp(logits[batch.action_mask[row, agent]], 0)
    mean, log_std = policy(batch.obs)
    kind = clipped_density if isinstance(policy, ClippedNormalPolicy) else density
    return kind(mean[row, agent], log_std[row, agent], batch.action[row, agent], team.action_sizes[agent])


def density(mean: Tensor, log_std: Tensor, action: Tensor, size: int) -> Tensor:
    """log-density of tanh(N(mean, e^log_std)), scaled to the team's bounds, over the first `size` dimensions."""
    normal = torch.distributions.Normal(mean[:size], log_std[:size].exp())
    maps = [torch.distributions.TanhTransform(), torch.distributions.AffineTransform(CENTRE, REACH)]
    return torch.distributions.TransformedDistribution(normal, maps).log_prob(action[:size]).sum()


def clipped_density(mean: Tensor, log_std: Tensor, action: Tensor, size: int) -> Tensor:
    """The same of clip(N(mean, e^log_std), ±1): a probability on the bounds, a density inside."""
    total = mean.new_zeros(())
    for d in range(size):
        normal, unit = torch.distributions.Normal(mean[d], log_std[d].exp()), (action[d] - CENTRE) / REACH
        if unit.abs() >= 1.0 - 1e-5:
            total = total + normal.cdf(-unit.abs() if unit < 0 else 2 * mean[d] - unit).log()
        else:
            total = total + normal.log_prob(unit) - math.log(REACH)
    return total


def assert_same(found: Tensor, expected: Tensor, *modules: nn.Module) -> None:
    """Two losses are equal, and so are their gradients in every parameter of `modules`."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for module in modules:
        parameters = list(module.parameters())
        pair = [torch.autograd.grad(v, parameters, retain_graph=True, allow_unused=True) for v in (found, expected)]
        for one, other in zip(*pair, strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


# --- training ----------------------------------------------------------------------------------------------------


def two_step_score(entry: AlgorithmEntry, iterations: int = 200, **settings: Any) -> float:
    """How far an algorithm gets from random (0) to optimal play (1) on the two-step game of QMIX's paper.

    A quarter of the data's episodes are optimal, the rest random. Whoever values the risky second game by what the
    data did there, 6 on average, takes the safe one that pays 7: a score of 0.69.
    """
    game = next(game for game in GAMES if game.name == "test-two-step")
    config = tiny_config(entry, "discrete", iterations=iterations, batch_size=128, **settings)
    learner = tiny_learner(entry, game_dataset(game, episodes=512, solved=0.25), config, mixer=LinearMixer)
    while not learner.finished:
        learner.step()
    return score(learner.algorithm(), game)


def losses_of(kind: type[Algorithm], team: TeamSpec, iterations: int, **settings: Any) -> list[float]:
    """Every update's loss in so many iterations on fixed rows, from a fixed start."""
    torch.manual_seed(0)
    config = kind.Config(**{"batch_size": 16, "hidden": 8, **settings})
    algorithm = kind(team, config, statistics=statistics_of(team), mixer=LinearMixer)
    return train(algorithm, mixed_batch(team, 40), iterations)


class Sum(Mixer):
    """w = 1 and b = 0: nothing to learn."""

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        return state.new_ones(len(state), 1, self.agents), state.new_zeros(len(state), 1)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        return values.sum(-1, keepdim=True)


def trains_with_a_sum(entry: AlgorithmEntry, action_kind: str) -> bool:
    """Whether a few iterations with a mixer that has no parameters end in finite weights."""
    config = tiny_config(entry, action_kind, iterations=3)
    dataset = tiny_dataset(tiny_team(action_kind), masked=action_kind == "discrete")
    learner = tiny_learner(entry, dataset, config, mixer=Sum)
    while not learner.finished:
        learner.step()
    return all(bool(parameter.isfinite().all()) for parameter in learner.algorithm().parameters())


def lasting_rewards(kind: type[Algorithm], iterations: int, **settings: Any) -> tuple[Any, Tensor, Tensor]:
    """An algorithm trained on two places that are never left and pay 1 and 4 a step, whatever is done, for ever.

    At γ = 0.99 they are worth 100 and 400, where values begin, by the mixer's bias, to save time. Actions are clipped
    normals about 0.8 of the reach: a sixth of them lie on the bound. Values that feed on their own weights run away.

    Returns:
        The algorithm, how far Q_tot of the logged actions is off as a part of what they are worth, [rows], and the
        actions that it takes, in units of the reach, [rows, n, a]; padding is 0.8, as what they should be.
    """
    torch.manual_seed(0)
    rows, team = 128, CONTINUOUS
    small = {
        "batch_size": 32,
        "hidden": 16,
        "iterations": iterations,
        "discount": 0.99,
        "tau": 0.2,
        "lr": 5e-3,
        "clip": 1e4,
        "timeouts": "bootstrap",
    }
    config = kind.Config(**{**small, **settings})
    scale = 1.0 / REWARD_STD if getattr(config, "scale_rewards", False) else 1.0
    level = torch.tensor([1.0, 4.0]).repeat(rows // 2)

    def mixer(agents: int, state_size: int) -> LinearMixer:
        made = LinearMixer(agents, state_size)
        with torch.no_grad():
            made.b.weight.zero_()
            made.b.weight[0, :2] = 100.0 * scale * level[:2]
        return made

    algorithm: Any = kind(team, config, statistics=statistics_of(team), mixer=mixer)
    place = torch.stack((level == 1.0, level == 4.0), -1).float()
    obs = torch.zeros(rows, team.n, team.obs_size)
    obs[..., :2] = place.unsqueeze(1)
    state, never = obs.flatten(1), torch.zeros(rows, dtype=torch.bool)
    g, own = generator(0, "lasting rewards"), own_dims(team)
    action, following = (0.8 + 0.2 * torch.randn(2, rows, team.n, team.action_size, generator=g)).clamp(-1.0, 1.0)
    batch = Batch(
        obs=obs,
        action=(CENTRE + REACH * action) * own,
        reward=level.unsqueeze(-1).expand(-1, team.n),
        next_obs=obs,
        terminated=never,
        truncated=never,
        state=state,
        next_state=state,
        next_action=(CENTRE + REACH * following) * own,
        has_next_action=~never,
        initial_obs=obs,
        initial_state=state,
    )
    critics = getattr(algorithm, "critics", None) or [getattr(algorithm, "critic", None) or algorithm.critic_r]
    before = [parameter.detach().clone() for critic in critics for parameter in critic.parameters()]
    train(algorithm, batch, iterations)
    with torch.no_grad():
        after = [parameter for critic in critics for parameter in critic.parameters()]
        moved = max(float((new - old).abs().amax()) for new, old in zip(after, before, strict=True))
        assert moved > 10 * config.lr, "its critics did not learn, so that their values stay says nothing"
        total = sum(algorithm.total(critic(batch.obs, batch.action), batch) for critic in critics) / len(critics)
        taken, _ = algorithm.act(batch.obs, None, None, None)
    return algorithm, total / (100.0 * scale * level) - 1.0, torch.where(own, (taken - CENTRE) / REACH, 0.8)
