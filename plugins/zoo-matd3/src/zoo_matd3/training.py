"""The online loop: step all copies of an environment, store, update, evaluate.

Every random number is a function of the seed, so equal seeds give equal weights on one machine and set of versions.
Evaluation episodes are the same in every run and disturb nothing.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo_core import BatchedEnv, UsageError, derive, generator
from zoo_matd3.algorithm import MATD3, Config
from zoo_matd3.replay import Replay

MakeEnv = Callable[[int], BatchedEnv]
"""Number of copies → environment."""

EVALUATION_SEEDS = 1 << 40
"""Reset seeds of evaluation episodes count up from here; those of training lie below."""


@dataclass(frozen=True)
class Evaluation:
    """The deterministic policy on the evaluation episodes. Returns are undiscounted sums over an episode.

    `return_mean` and `return_sd` are of the agents' mean return, `agent_returns` each agent's own mean.
    """

    transitions: int
    updates: int
    seconds: float
    return_mean: float
    return_sd: float
    agent_returns: tuple[float, ...]


class Recorder:
    """What the learner did: reset seeds [M] and executed joint actions [M, T, n, a], episode by episode.

    For tasks whose episodes are all of one length. Executed actions are float16 values, so the record is exact.
    """

    def __init__(self) -> None:
        self._seeds: list[NDArray[np.int64]] = []
        self._actions: list[list[NDArray[np.float16]]] = []

    def begin(self, seeds: NDArray[np.int64]) -> None:
        if self._seeds and len(seeds) != len(self._seeds[0]):
            raise UsageError("a record needs episodes that are all of one length; train without --record")
        self._seeds.append(seeds)
        self._actions.append([])

    def step(self, action: Tensor) -> None:
        self._actions[-1].append(action.numpy().astype(np.float16))

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Seeds and actions in the order in which the episodes were played, without those that the run cut off."""
        groups = zip(self._seeds, self._actions, strict=True)
        whole = [(seeds, np.stack(steps, 1)) for seeds, steps in groups if len(steps) == len(self._actions[0])]
        return np.concatenate([seeds for seeds, _ in whole]), np.concatenate([actions for _, actions in whole])


def train(
    make_env: MakeEnv, config: Config, seed: int, *, recorder: Recorder | None = None
) -> Iterator[tuple[Evaluation, MATD3]]:
    """Train, yielding the learner after every evaluation, for the last time when all transitions are collected.

    Executed actions are rounded to float16, so that a record of them takes two bytes a number and replays exactly.
    """
    started = time.perf_counter()
    env = make_env(config.copies)
    evaluate = _evaluator(make_env, config.evaluation_episodes)
    learner, replay = MATD3(env.team, config, seed=seed), Replay(env.team, config.capacity)
    explore, draw = generator(seed, "matd3", "explore"), generator(seed, "matd3", "update")
    reset_seeds = itertools.count(derive(seed, "matd3", "episodes") % EVALUATION_SEEDS // 2)

    def begin(copies: NDArray[np.int64]) -> Tensor:
        seeds = np.fromiter(reset_seeds, dtype=np.int64, count=len(copies))
        if recorder:
            recorder.begin(seeds)
        return _tensor(env.reset(seeds, copies).obs)

    obs = begin(np.arange(config.copies))
    for collected in range(config.copies, config.transitions + 1, config.copies):
        action = _behaviour(learner, obs, explore, uniform=collected <= config.warmup)
        if recorder:
            recorder.step(action)
        view = env.step(action.numpy())
        next_obs = _tensor(view.obs)
        replay.add(obs, action, view.reward, next_obs, view.terminated)
        ended = np.flatnonzero(view.terminated | view.truncated)
        obs = begin(ended) if len(ended) and collected < config.transitions else next_obs

        due = int((collected - config.warmup) / config.copies * config.updates_per_step)
        while learner.updates < due:
            batch = replay.sample(config.batch_size, draw)
            learner.update(batch, torch.randn(batch.action.shape, generator=draw))

        last = collected + config.copies > config.transitions
        if last or collected % config.evaluate_every < config.copies:
            returns = evaluate(learner)
            team = returns.mean(-1)
            agents = tuple(float(mean) for mean in returns.mean(0))
            seconds = time.perf_counter() - started
            yield (
                Evaluation(collected, learner.updates, seconds, float(team.mean()), float(team.std()), agents),
                learner,
            )


def _behaviour(learner: MATD3, obs: Tensor, source: torch.Generator, *, uniform: bool) -> Tensor:
    """The joint action to execute, [E, n, a], each number a float16 value."""
    shape = (len(obs), learner.team.n, learner.team.action_size)
    if uniform:
        action = 2.0 * torch.rand(shape, generator=source) - 1.0
    else:
        action = learner.explore(obs, torch.randn(shape, generator=source))
    return action.half().float()


def _evaluator(make_env: MakeEnv, episodes: int) -> Callable[[MATD3], NDArray[np.float64]]:
    """A function learner → each agent's return in each evaluation episode, [episodes, n]."""
    env = make_env(episodes)

    @torch.no_grad()
    def evaluate(learner: MATD3) -> NDArray[np.float64]:
        view = env.reset(EVALUATION_SEEDS + np.arange(episodes))
        returns = np.zeros((episodes, env.team.n))
        while not (view.terminated | view.truncated).all():
            view = env.step(learner.act(_tensor(view.obs)).numpy())
            returns += view.reward  # an episode that has ended adds zeros
        return returns

    return evaluate


def _tensor(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
