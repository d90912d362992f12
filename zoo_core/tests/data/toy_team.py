"""A toy team task and small datasets whose every number tells where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core import DatasetEntry, Source, Step, TeamSpec, uniforms
from zoo_core.data import Build, EpisodeWriter, collect

ENTRY = DatasetEntry("toy/random", "uniform actions", f"{__name__}:fill", Source("none"), env="toy", transitions=60)


def team(**changes: Any) -> TeamSpec:
    values: dict[str, Any] = {"env": "toy", "agents": ("a", "b"), "obs_sizes": (3, 3), "action_sizes": (2, 2)}
    return TeamSpec(**values | {"episode_limit": 5} | changes)


class ToyEnv:
    """A walk whose episode ends when the first agent is far enough out, or after five steps."""

    def __init__(self, num_envs: int) -> None:
        self.team, self.num_envs = team(), num_envs

    def reset(self, seeds: Sequence[int], copies: Sequence[int] | None = None) -> Step:
        self.position = uniforms(seeds, "start", (2, 3))
        self.steps = np.zeros(self.num_envs, dtype=int)
        self.over = np.zeros(self.num_envs, dtype=bool)
        return self._show(np.zeros((self.num_envs, 2)))

    def step(self, action: NDArray) -> Step:
        moving = ~self.over
        self.position[moving, :, :2] += action[moving]
        self.steps[moving] += 1
        return self._show(self.position.sum(-1) * moving[:, None])

    def _show(self, reward: NDArray) -> Step:
        terminated = np.abs(self.position[:, 0]).sum(-1) > 4
        truncated = (self.steps >= 5) & ~terminated
        self.over = terminated | truncated
        return Step(self.position, reward, terminated, truncated)  # its own array, on purpose

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        return np.zeros((2, 2, 3), dtype=np.uint8)


class OfSpec:
    """An environment of whatever team a test sets; only asked who acts in it."""

    team: TeamSpec

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs


def random_policy(obs: NDArray, mask: None, seeds: NDArray, t: int) -> NDArray:
    return uniforms(seeds, f"action{t}", (2, 2)) * 2 - 1


def fill(build: Build) -> None:
    """The recipe of `ENTRY`."""
    first = build.seed * 1000
    while build.added < build.transitions:
        for group in collect(build.env(4), random_policy, range(first, first + 8), copies=4):
            build.add(**group)
        first += 8
    build.note("policy", "uniform")


def write_numbered(
    folder: Path, lengths: Sequence[int], *, terminated: Sequence[bool] | None = None, spec: TeamSpec | None = None
) -> None:
    """A dataset in `folder` whose observation of agent i in row r of episode e is 1000·e + r (+ i / 10), and whose
    actions and rewards are the same number of their step, scaled into [-1, 1]."""
    folder.mkdir(parents=True)
    spec = spec or team()
    writer = EpisodeWriter(folder, spec)
    for episode, length in enumerate(lengths):
        ends_for_good = bool(terminated[episode]) if terminated else False
        last = np.arange(length) == length - 1
        row = 1000.0 * episode + np.arange(length + 1)[:, None] + np.arange(spec.n) / 10
        obs = np.repeat(row[..., None], spec.obs_size, axis=-1)
        step = row[:-1] / 1e6
        action = np.repeat(step[..., None], spec.action_size, axis=-1)
        extra: dict[str, Any] = {}
        if spec.discrete:
            action = (episode + np.arange(length)[:, None] + np.arange(spec.n)) % np.array(spec.action_sizes)
            mask = np.ones((1, length + 1, spec.n, spec.action_size), dtype=bool)
            mask[:, -1, :, 0] = False
            extra["action_mask"] = mask
        if spec.state_kind == "stored":
            extra["state"] = np.repeat(row[None, :, :1], spec.state_size, axis=-1)
        elif spec.state_kind == "per_agent":
            extra["state"] = np.repeat(row[None, ..., None], spec.state_size, axis=-1)
        writer.add(obs[None], action[None], step[None], [last & ends_for_good], [last & (not ends_for_good)], **extra)
    writer.finish("numbered", {"kind": "test"})
