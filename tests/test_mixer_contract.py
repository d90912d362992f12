"""A mixed Q-target can be written on the mixer contract, and learns what unmixed critics cannot.

The game: two agents, two steps, actions ±1. Each agent's worth depends on what the other one sees:

    r = 1 + 2|x₂| a₁ x₁ + 2|x₁| a₂ x₂ + x₁ x₂        x₁, x₂ uniform in [−1, 1), redrawn each step

so under uniform actions Q(s, a) = r + 0.9 on the first step and r on the second. A sum of own values explains at most
72% of its variance, one agent's value 45%; weights and bias that depend on the state explain all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    AlgorithmEntry,
    Batch,
    EnvEntry,
    Loss,
    Mixer,
    Phase,
    Polyak,
    Rows,
    Source,
    TeamSpec,
    Update,
    load_zoo,
    setting,
    uniforms,
)
from zoo_core.compatibility import require_mixer
from zoo_core.errors import IncompatiblePair
from zoo_core.nn import StackedMLP, target_copy
from zoo_core.testing import algorithm_claims, game_dataset
from zoo_core.testing.games import Game
from zoo_core.training import Learner, build_algorithm

NONE, DISCOUNT = Source("this file"), 0.9
ZOO = load_zoo()


class Credit(Game):
    """The game above. Observation: x_i and the time."""

    best_return = 0.0  # not asked for here
    team = TeamSpec(
        env="credit",
        agents=("first", "second"),
        obs_sizes=(2, 2),
        action_sizes=(2, 2),
        action_kind="discrete",
        episode_limit=2,
    )

    def observe(self):
        x = 2.0 * uniforms(self.seeds, "x", (3, 2)) - 1.0
        now = x[np.arange(self.num_envs), self.clock]
        return np.stack([now, np.broadcast_to(self.clock[:, None], now.shape)], axis=-1)

    def play(self, action, live):
        x, a = self.observe()[..., 0], 2 * action - 1
        return reward(x.T, a.T), self.clock == 1

    def solution(self, obs):
        return (obs[..., 0] > 0).astype(np.int64)

    def habit(self, obs):
        return 1 - self.solution(obs)


def reward(x, a):
    """[2, B] numbers and ±1 actions → [B]."""
    return 1.0 + 2.0 * abs(x[1]) * a[0] * x[0] + 2.0 * abs(x[0]) * a[1] * x[1] + x[0] * x[1]


@dataclass(frozen=True)
class Config(AlgorithmConfig):
    iterations: int = setting(600, "Gradient steps.")
    batch_size: int = setting(256, "Rows.")
    hidden: int = setting(32, "Width.")
    lr: float = setting(3e-3, "Step size.")
    tau: float = setting(0.1, "How far targets move in a step.")


class MixedSarsa(Algorithm):
    """Per-agent critics and a mixer: Q_tot(s, a) = mix(Q_i(o_i, a_i), s) → r + γ Q̄_tot(s', a'), a' as logged."""

    Config = Config

    def __init__(self, team, config, *, statistics=None, mixer: Callable[..., Mixer] | None = None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        assert mixer is not None
        self.critics = StackedMLP(team.n, team.obs_size, (config.hidden, config.hidden), team.action_size)
        self.mixer = mixer(team.n, team.state_size)
        self.target_critics, self.target_mixer = target_copy(self.critics), target_copy(self.mixer)

    def phases(self):
        settings = self.config
        value = Update("value", self.td_loss, learns=("critics", "mixer"), optimizer=Adam(settings.lr))
        follow = [Polyak(name, f"target_{name}", settings.tau) for name in ("critics", "mixer")]
        return (Phase("train", Rows(settings.batch_size, next_action=True), steps=(value, *follow)),)

    def td_loss(self, batch: Batch, noise) -> Loss:
        with torch.no_grad():
            following = taken(self.target_critics, batch.next_obs, batch.next_action)
            following = self.target_mixer(following, batch.next_state)
            target = batch.team_reward[:, None] + DISCOUNT * batch.continues[:, None] * following
        value = (self.total(batch) - target).square().mean()
        return Loss(value, {})

    def total(self, batch: Batch) -> Tensor:
        """[B, 1]."""
        return self.mixer(taken(self.critics, batch.obs, batch.action), batch.state)

    def act(self, obs, mask, memory, generator):
        worth = values(self.critics, obs)
        return (worth if mask is None else worth.masked_fill(~mask, -torch.inf)).argmax(-1), None


class Independent(MixedSarsa):
    """Every critic learns the team's return by itself, as independent learners do."""

    def td_loss(self, batch: Batch, noise) -> Loss:
        with torch.no_grad():
            following = taken(self.target_critics, batch.next_obs, batch.next_action)
            target = batch.team_reward[:, None] + DISCOUNT * batch.continues[:, None] * following
        return Loss((taken(self.critics, batch.obs, batch.action) - target).square().mean(), {})

    def total(self, batch: Batch) -> Tensor:
        return taken(self.critics, batch.obs, batch.action)[:, :1]


def values(critics: StackedMLP, obs: Tensor) -> Tensor:
    """[B, n, o] → [B, n, A]."""
    return critics(obs.transpose(0, 1)).transpose(0, 1)


def taken(critics: StackedMLP, obs: Tensor, action: Tensor) -> Tensor:
    """The values [B, n] of the actions [B, n]."""
    return values(critics, obs).gather(-1, action[..., None]).squeeze(-1)


@pytest.fixture(scope="module")
def data():
    entry = EnvEntry("credit", "", f"{__name__}:Credit", NONE)
    return game_dataset(entry, episodes=4096, solved=0.0)


def entry(algorithm: type[Algorithm] = MixedSarsa, mixer: tuple[str, ...] = ("monotone",)) -> AlgorithmEntry:
    factory = f"{__name__}:{algorithm.__name__}"
    needs = ("rows", "next_action", "state")
    return AlgorithmEntry("toy", "", factory, NONE, actions=("discrete",), needs=needs, mixer=mixer)


def explained(data, mixer_name: str, algorithm: type[Algorithm] = MixedSarsa) -> tuple[float, float]:
    """How much of the true Q's variance is learned, and the learned gap between first and second steps."""
    mixer = ZOO.find("mixer", mixer_name)
    built = build_algorithm(entry(algorithm), data.team, Config(), 0, mixer=mixer)
    learner = Learner([built], [0], data.sampler)
    while not learner.finished:
        learner.step()
    batch = data.sampler(Rows(2048)).sample(torch.Generator().manual_seed(0))
    with torch.no_grad():
        learned = learner.algorithm().total(batch)[:, 0]
    first = batch.obs[:, 0, 1] == 0
    truth = reward(batch.obs[..., 0].T, 2 * batch.action.T - 1) + DISCOUNT * first
    share = 1.0 - (learned - truth).var() / truth.var()
    residual = learned - (truth - DISCOUNT * first)
    return float(share), float(residual[first].mean() - residual[~first].mean())


@pytest.mark.parametrize("mixer", ["linear", "qmix"])
def test_a_state_dependent_mixer_learns_the_teams_value(data, mixer):
    share, gap = explained(data, mixer)
    assert share > 0.93
    assert gap == pytest.approx(DISCOUNT, abs=0.1)  # what the target mixer adds: γ · E[r]


def test_a_plain_sum_cannot(data):
    share, gap = explained(data, "vdn")
    assert 0.6 < share < 0.76
    assert gap == pytest.approx(DISCOUNT, abs=0.1)


def test_independent_critics_cannot(data):
    share, _ = explained(data, "vdn", Independent)
    assert 0.3 < share < 0.5


@pytest.mark.parametrize("claim", algorithm_claims(entry()), ids=str)
def test_the_mixed_algorithm_keeps_the_contract(claim):
    claim()


# --- which mixer goes with which algorithm -----------------------------------------------------------------------


def test_qmix_is_refused_where_a_linear_mixer_is_required():
    require_mixer(entry(mixer=("linear",)), ZOO.find("mixer", "linear"))
    require_mixer(entry(mixer=("linear",)), ZOO.find("mixer", "vdn"))
    with pytest.raises(IncompatiblePair, match="requires a mixer that is linear; qmix is not linear"):
        require_mixer(entry(mixer=("linear",)), ZOO.find("mixer", "qmix"))


def test_vdn_is_refused_where_one_total_per_agent_is_required():
    require_mixer(entry(mixer=("linear", "vector")), ZOO.find("mixer", "linear"))
    with pytest.raises(IncompatiblePair, match="vdn is not vector"):
        require_mixer(entry(mixer=("linear", "vector")), ZOO.find("mixer", "vdn"))


def test_any_mixer_is_refused_by_an_algorithm_that_takes_none():
    with pytest.raises(IncompatiblePair, match="bc takes no mixer"):
        require_mixer(ZOO.find("algorithm", "bc"), ZOO.find("mixer", "vdn"))
