"""The particle world as environments of the zoo: `CooperativeNavigation`, `PredatorPrey` and `World`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo_core import Step, TeamSpec, UsageError, ZooError
from zoo_mpe.physics import Float, ParticleWorld
from zoo_mpe.scenarios import EPISODE_LIMIT, Scenario, Spread


class ParticleEnv:
    """E copies of one game; implements `zoo_core.BatchedEnv`. Episodes last 25 steps and are truncated, never terminated.

    Actions are forces along x and y in [-1, 1]. As in the benchmark the world does not clip them: policies do.
    """

    def __init__(self, scenario: Scenario, num_envs: int) -> None:
        if num_envs < 1:
            raise UsageError(f"{scenario.name}: num_envs must be at least 1, not {num_envs}")
        self.scenario = scenario
        self.num_envs = num_envs
        self.world = ParticleWorld(scenario.agents, scenario.landmarks, num_envs)
        self.team = TeamSpec(
            env=scenario.name,
            agents=tuple(f"{body.role}_{i}" for i, body in enumerate(scenario.agents)),
            obs_sizes=scenario.obs_sizes,
            action_sizes=(2,) * len(scenario.agents),
            episode_limit=EPISODE_LIMIT,
            reward="shared" if scenario.shared_reward else "per_agent",
            reference=scenario.reference,
        )
        self._time = np.full(num_envs, -1)

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        """Start new episodes; see `BatchedEnv.reset`."""
        where = slice(None) if copies is None else np.asarray(copies, dtype=np.intp)
        self.world.place(*self.scenario.start(seeds), where)
        self._time[where] = 0
        return self._view(np.zeros((self.num_envs, self.team.n)))

    def step(self, action: NDArray) -> Step:
        """Advance every copy whose episode has not ended. `action`: [E, n, 2]."""
        force = self._checked(action).transpose(1, 2, 0)
        ended = self._time >= EPISODE_LIMIT
        any_ended = bool(ended.any())
        self.world.step(force, ended if any_ended else None)
        self._time += ~ended
        reward = self.scenario.reward(self.world)[: self.team.n]
        if any_ended:
            reward[:, ended] = 0.0
        return self._view(np.ascontiguousarray(reward.T))

    def _checked(self, action: ArrayLike) -> Float:
        shape = (self.num_envs, self.team.n, 2)
        values = np.asarray(action, dtype=np.float64)
        if values.shape != shape:
            raise ZooError(
                f"{self.team.env}: an action must have shape [copies, agents, 2] = {shape}, not {values.shape}"
            )
        if not np.isfinite(values).all():
            copy, agent, _ = np.argwhere(~np.isfinite(values))[0]
            raise ZooError(f"{self.team.env}: the action of agent {agent} in copy {copy} is {values[copy, agent]}")
        if self._time.min() < 0:
            raise ZooError(f"{self.team.env}: copy {self._time.argmin()} has no episode yet; call reset first")
        return values

    def _view(self, reward: Float) -> Step:
        obs = self.scenario.observe(self.world)[: self.team.n].transpose(2, 0, 1)
        return Step(
            obs=np.ascontiguousarray(obs),
            reward=reward,
            terminated=np.zeros(self.num_envs, dtype=bool),
            truncated=self._time >= EPISODE_LIMIT,
        )


class CooperativeNavigation(ParticleEnv):
    """`mpe-cn`: three agents, three landmarks, everybody in everybody's way."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(Spread(), num_envs)
