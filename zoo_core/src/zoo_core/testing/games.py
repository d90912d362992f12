"""Tiny games with known answers, as environments.

Each has a `best_return`, a decentralised `solution` that reaches it and a `habit` that falls short of it, and is small
enough that an algorithm learns it in seconds. They are ordinary `BatchedEnv`s; `GAMES` holds their entries.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo_core.entries import CONTINUOUS, DISCRETE, EnvEntry, ReferenceScores, Source
from zoo_core.envs import Float, Step
from zoo_core.seeding import uniforms
from zoo_core.team import TeamSpec


class Game:
    """E copies of a small game. Subclasses say what is seen (`observe`) and what a joint action does (`play`).

    Attributes:
        seeds, clock: [E] the episode's seed and the steps since its reset.
        ended: [E] bool; an ended copy stays as it is, at reward zero, until it is reset.
    """

    team: TeamSpec
    best_return: ClassVar[float]

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.seeds = np.zeros(num_envs, dtype=np.int64)
        self.clock = np.zeros(num_envs, dtype=np.int64)
        self.terminated = np.zeros(num_envs, dtype=bool)
        self.truncated = np.zeros(num_envs, dtype=bool)

    @abstractmethod
    def observe(self) -> Float:
        """[E, n, o] for the present state of every copy."""

    @abstractmethod
    def play(self, action: NDArray, live: NDArray[np.bool_]) -> tuple[Float, NDArray[np.bool_]]:
        """Team reward [E] and termination [E] of a joint action; only `live` copies may change."""

    @abstractmethod
    def solution(self, obs: Float) -> NDArray:
        """Optimal decentralised joint actions for obs [E, n, o]."""

    @abstractmethod
    def habit(self, obs: Float) -> NDArray:
        """Worse joint actions that data can hold more of, so that imitation alone does not find the solution."""

    def restart(self, copies: NDArray[np.int64]) -> None:
        """Set the state of `copies` to the start of an episode."""

    def mask(self) -> NDArray[np.bool_] | None:
        """[E, n, A]: which actions are available; None where all are."""
        return None

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        chosen = np.arange(self.num_envs) if copies is None else np.asarray(copies, dtype=np.int64)
        self.seeds[chosen], self.clock[chosen] = np.asarray(seeds, dtype=np.int64), 0
        self.terminated[chosen] = self.truncated[chosen] = False
        self.restart(chosen)
        return self._show(np.zeros(self.num_envs))

    def step(self, action: NDArray) -> Step:
        live = ~(self.terminated | self.truncated)
        reward, terminated = self.play(np.asarray(action), live)
        self.clock += live
        self.terminated |= live & terminated
        self.truncated |= live & ~terminated & (self.clock >= self.team.episode_limit)
        return self._show(np.where(live, reward, 0.0))

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        """The observations of one copy as rows of grey squares, 8 pixels each."""
        shade = np.clip(127.5 * (self.observe()[copy] + 1.0), 0, 255).astype(np.uint8)
        return np.repeat(np.kron(shade, np.ones((8, 8), dtype=np.uint8))[..., None], 3, axis=-1)

    def _show(self, reward: Float) -> Step:
        shared = np.repeat(reward[:, None], self.team.n, axis=1)
        return Step(self.observe(), shared, self.terminated.copy(), self.truncated.copy(), None, self.mask())


class Tracking(Game):
    """Continuous, four steps. Agent i sees a number x_i and the time; the best action is 0.8 x_i.

    With errors e_i = a_i − 0.8 x_i the reward is 1 − mean_i e_i² − (mean_i e_i)². The last term couples the agents: an
    error is best answered by an opposite one. Return of uniform actions: 4·(1 − 0.547 − 0.273) = 0.72.
    """

    best_return = 4.0
    team = TeamSpec(
        env="test-tracking",
        agents=("left", "right"),
        obs_sizes=(2, 2),
        action_sizes=(1, 1),
        action_kind=CONTINUOUS,
        episode_limit=4,
        reference=ReferenceScores(0.72, 4.0, "closed form"),
    )

    def observe(self) -> Float:
        x = 2.0 * uniforms(self.seeds, "x", (self.team.episode_limit + 1, 2)) - 1.0
        now = x[np.arange(self.num_envs), self.clock]
        time = np.broadcast_to(self.clock[:, None] / self.team.episode_limit, now.shape)
        return np.stack([now, time], axis=-1)

    def play(self, action: NDArray, live: NDArray[np.bool_]) -> tuple[Float, NDArray[np.bool_]]:
        error = np.clip(action[..., 0], -1.0, 1.0) - 0.8 * self.observe()[..., 0]
        return 1.0 - (error**2).mean(1) - error.mean(1) ** 2, np.zeros(self.num_envs, dtype=bool)

    def solution(self, obs: Float) -> NDArray:
        return 0.8 * obs[..., :1]

    def habit(self, obs: Float) -> NDArray:
        return np.zeros_like(obs[..., :1])


class Climbing(Game):
    """Discrete, one step: the climbing game (Claus & Boutilier 1998). Uncoordinated maximisation fails.

    The best joint action (a, a) pays 11, but an agent that averages over a uniform partner finds a its worst action
    and settles on c. A fourth action is never available, so that masks matter.
    """

    PAYOFF: ClassVar[Float] = np.array([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]])

    best_return = 11.0
    team = TeamSpec(
        env="test-climbing",
        agents=("row", "column"),
        obs_sizes=(1, 1),
        action_sizes=(4, 4),
        action_kind=DISCRETE,
        episode_limit=1,
        reference=ReferenceScores(float(PAYOFF.mean()), 11.0, "closed form"),
    )

    def observe(self) -> Float:
        return np.ones((self.num_envs, 2, 1))

    def mask(self) -> NDArray[np.bool_]:
        return np.broadcast_to(np.array([True, True, True, False]), (self.num_envs, 2, 4)).copy()

    def play(self, action: NDArray, live: NDArray[np.bool_]) -> tuple[Float, NDArray[np.bool_]]:
        return self.PAYOFF[action[:, 0], action[:, 1]], np.ones(self.num_envs, dtype=bool)

    def solution(self, obs: Float) -> NDArray:
        return np.zeros(obs.shape[:2], dtype=np.int64)

    def habit(self, obs: Float) -> NDArray:
        return np.full(obs.shape[:2], 2)


class TwoStep(Game):
    """Discrete, two steps: the game of Rashid et al. 2018 (QMIX), Table 1.

    The first agent's first action chooses the second game: 0 leads to one that always pays 7, 1 to one that pays 8 for
    (1, 1), 1 for unequal actions and 0 for (0, 0). Observations are one-hot: start, safe, risky.
    """

    RISKY: ClassVar[Float] = np.array([[0.0, 1.0], [1.0, 8.0]])

    best_return = 8.0
    team = TeamSpec(
        env="test-two-step",
        agents=("chooser", "partner"),
        obs_sizes=(3, 3),
        action_sizes=(2, 2),
        action_kind=DISCRETE,
        episode_limit=2,
        reference=ReferenceScores(4.75, 8.0, "closed form"),
    )

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs)
        self.place = np.zeros(num_envs, dtype=np.int64)

    def restart(self, copies: NDArray[np.int64]) -> None:
        self.place[copies] = 0

    def observe(self) -> Float:
        return np.repeat(np.eye(3)[self.place][:, None], 2, axis=1)

    def play(self, action: NDArray, live: NDArray[np.bool_]) -> tuple[Float, NDArray[np.bool_]]:
        start = self.place == 0
        second = np.where(self.place == 1, 7.0, self.RISKY[action[:, 0], action[:, 1]])
        self.place = np.where(start & live, 1 + action[:, 0], self.place)
        return np.where(start, 0.0, second), ~start

    def solution(self, obs: Float) -> NDArray:
        return np.ones(obs.shape[:2], dtype=np.int64)

    def habit(self, obs: Float) -> NDArray:
        return np.zeros(obs.shape[:2], dtype=np.int64)


def _entry(game: type[Game], gives: tuple[str, ...]) -> EnvEntry:
    return EnvEntry(
        name=game.team.env,
        summary=(game.__doc__ or "").splitlines()[0],
        factory=f"{game.__module__}:{game.__qualname__}",
        source=Source("a test game"),
        family="test",
        gives=gives,
        convention="as documented",
        agents=game.team.n,
        reference=game.team.reference,
    )


GAMES: tuple[EnvEntry, ...] = (
    _entry(Tracking, (CONTINUOUS,)),
    _entry(Climbing, (DISCRETE, "action_mask")),
    _entry(TwoStep, (DISCRETE,)),
)
"""Entries of the games above."""
