"""`MultiAgentMujoco`: a robot whose joints are shared among agents, as batched environments of the zoo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core import Step, TeamSpec, UsageError
from zoo_mamujoco.observations import view_of
from zoo_mamujoco.physics import Bodies, Float
from zoo_mamujoco.scores import reference_of
from zoo_mamujoco.tasks import Task

EPISODE_LIMIT = 1000
NOT_STARTED = -1


class MultiAgentMujoco:
    """E copies of one robot; implements `zoo_core.BatchedEnv`.

    Episodes are truncated after 1,000 steps; Hopper and Ant terminate when they fall. All agents receive the robot's
    reward. Actions lie in [-1, 1]: beyond, the physics holds them there while the control cost counts them as given.

    Attributes:
        team: the agents.
        bodies: positions and velocities of all copies.
        partition, convention: how joints are shared, and what agents see.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        robot: str,
        partition: str,
        obs: str = "",
        obsk: int = 1,
        contacts: bool = False,
    ) -> None:
        """
        Args:
            robot: `Ant`, `Hopper` or `HalfCheetah`.
            partition: how its joints are shared, e.g. `2x4`: two agents of four joints.
            obs: `omiga`, `omar` or `local`, see `zoo_mamujoco.observations`. Default: what the partition's published
                data have, `omar` for HalfCheetah 2x3 and `omiga` otherwise.
            obsk: how many edges away `local` shows other joints.
            contacts: fill in Ant's contact forces. They are zeros otherwise, as MuJoCo 2.0 left them in the published
                data. The reward has no contact cost either way.

        Raises:
            UsageError: no copies, or an unknown robot, partition or convention.
        """
        task = Task(robot, partition, obs, obsk, contacts)
        name, body = task.name, task.body
        self.partition, self.convention = partition, task.obs
        if num_envs < 1:
            raise UsageError(f"{name}: num_envs must be at least 1, not {num_envs}")
        self.num_envs = num_envs
        self._view = view_of(task)
        self.bodies = Bodies(body, num_envs, contacts)
        sizes = tuple(map(len, self._view.actuators))
        self.team = TeamSpec(
            env=name,
            agents=tuple(f"agent_{i}" for i in range(len(sizes))),
            obs_sizes=self._view.sizes,
            action_sizes=sizes,
            state_kind="stored" if self._view.state_size else "concat_obs",
            state_size=self._view.state_size,
            episode_limit=EPISODE_LIMIT,
            reference=reference_of(name, robot),
        )
        self._driven = np.array([actuator for own in self._view.actuators for actuator in own])
        self._time = np.full(num_envs, NOT_STARTED)
        self._terminated = np.zeros(num_envs, dtype=bool)
        self._renderer: Any = None

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        """Start new episodes; see `zoo_core.BatchedEnv.reset`."""
        where = self._where(copies)
        seeds = np.asarray(seeds, dtype=np.int64)
        if seeds.shape != where.shape:
            raise UsageError(f"{self.team.env}: reset needs one seed per copy, {len(where)}, not shape {seeds.shape}")
        if seeds.size and seeds.min() < 0:
            raise UsageError(f"{self.team.env}: a seed must be 0 or more, not {seeds.min()}")
        self.bodies.reset(seeds, where)
        self._time[where] = 0
        self._terminated[where] = False
        return self._show(np.zeros(self.num_envs))

    def step(self, action: NDArray) -> Step:
        """Advance every copy whose episode has not ended. `action`: [E, n, a].

        Raises:
            UsageError: a wrong shape, a value that is not finite, or a copy that was never reset.
        """
        if self._time.min() < 0:
            raise UsageError(f"{self.team.env}: copy {self._time.argmin()} has no episode yet; call reset first")
        control = self._control(np.asarray(action, dtype=np.float64))
        going = np.flatnonzero(~self._terminated & (self._time < EPISODE_LIMIT))
        reward = self.bodies.step(control, going)
        self._time[going] += 1
        self._terminated[going] = self.bodies.unhealthy()[going]
        return self._show(reward)

    def full_observation(self) -> Float:
        """[E, entries]: positions and velocities as Gymnasium's environment shows them, without contact forces."""
        entries = self.bodies.position.shape[1] + self.bodies.velocity.shape[1] - self.bodies.robot.hidden_positions
        return self.bodies.observation()[:, :entries]

    def deal(self, control: Float) -> Float:
        """[E, actuators] → [E, n, a]: each agent's part; `step` puts them together again."""
        return control[:, self._driven].reshape(len(control), self.team.n, self.team.action_size)

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        """One copy as an RGB picture, [480, 480, 3]; needs no screen."""
        from zoo_mamujoco.render import renderer

        if not 0 <= copy < self.num_envs:
            raise UsageError(f"{self.team.env}: there are copies 0 to {self.num_envs - 1}, not {copy}")
        if self._renderer is None:
            self._renderer = renderer(self.bodies.model)
        self._renderer.update_scene(self.bodies.data[copy], camera="track")
        picture: NDArray[np.uint8] = self._renderer.render()
        return picture

    def _control(self, action: Float) -> Float:
        shape = (self.num_envs, self.team.n, self.team.action_size)
        if action.shape != shape:
            raise UsageError(
                f"{self.team.env}: action must have shape [copies, agents, dimensions] = {shape}, not {action.shape}"
            )
        if not np.isfinite(action).all():
            copy, agent, axis = np.argwhere(~np.isfinite(action))[0]
            raise UsageError(f"{self.team.env}: action[{copy}, {agent}, {axis}] is {action[copy, agent, axis]}")
        control = np.empty((self.num_envs, len(self._driven)))
        control[:, self._driven] = action.reshape(self.num_envs, -1)
        return control

    def _where(self, copies: Sequence[int] | None) -> NDArray[np.intp]:
        if copies is None:
            return np.arange(self.num_envs)
        where = np.asarray(copies, dtype=np.intp)
        if where.ndim != 1 or (where.size and (where.min() < 0 or where.max() >= self.num_envs)):
            raise UsageError(f"{self.team.env}: copies must be a list of numbers from 0 to {self.num_envs - 1}")
        return where

    def _show(self, reward: Float) -> Step:
        state_size = self._view.state_size
        return Step(
            obs=self._view.observe(self.bodies),
            reward=np.repeat(reward[:, None], self.team.n, axis=1),
            terminated=self._terminated.copy(),
            truncated=(self._time >= EPISODE_LIMIT) & ~self._terminated,
            state=self.bodies.observation()[:, :state_size] if state_size else None,
        )
