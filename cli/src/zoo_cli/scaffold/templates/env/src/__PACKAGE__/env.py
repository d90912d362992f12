"""Follow the leader: three agents on a square meet at a beacon, and only the first of them sees where it is.

Agent i sees its own position and where the others are, relative to itself; the first also sees the beacon, relative to
itself. Each moves by its action times 0.15. The reward, shared, is minus the agents' mean distance to the beacon.
Episodes last 25 steps and are truncated then, never terminated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_core import Step, TeamSpec, UsageError, uniforms

from .plugin import ENV

AGENTS, LIMIT, SPEED = 3, 25, 0.15
SEEN = 2 + 2 * (AGENTS - 1)
"""What each agent sees: its own position and the others', relative to it. The first sees two numbers more."""

TEAM = TeamSpec(
    env=ENV.name,
    agents=("leader", "left", "right"),
    obs_sizes=(SEEN + 2, SEEN, SEEN),
    action_sizes=(2, 2, 2),
    episode_limit=LIMIT,
    reward="shared",
    reference=ENV.reference,
)


class __CLASS__:
    """E copies of the task, stepped together. What is promised of them: see `zoo_core.BatchedEnv`."""

    def __init__(self, num_envs: int) -> None:
        if num_envs < 1:
            raise UsageError(f"{TEAM.env}: num_envs must be at least 1, not {num_envs}")
        self.team, self.num_envs = TEAM, num_envs
        self.position = np.zeros((num_envs, AGENTS, 2))
        self.beacon = np.zeros((num_envs, 2))
        self.clock = np.zeros(num_envs, dtype=np.int64)

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        """Start an episode in each of `copies` (default: all), from its own seed alone."""
        chosen = np.arange(self.num_envs) if copies is None else np.asarray(copies, dtype=np.int64)
        places = 2.0 * uniforms(seeds, "places", (AGENTS + 1, 2)) - 1.0
        self.position[chosen], self.beacon[chosen] = places[:, :AGENTS], places[:, AGENTS]
        self.clock[chosen] = 0
        return self._show(np.zeros(self.num_envs))

    def step(self, action: NDArray) -> Step:
        """action [E, 3, 2]. A copy whose episode has ended stays as it is, at reward zero."""
        live = self.clock < LIMIT
        move = SPEED * np.clip(action, -1.0, 1.0) * live[:, None, None]
        self.position = np.clip(self.position + move, -1.0, 1.0)
        self.clock += live
        distance = np.linalg.norm(self.position - self.beacon[:, None], axis=-1)
        return self._show(np.where(live, -distance.mean(-1), 0.0))

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        """One copy as an RGB picture [208, 208, 3]: the beacon black, the leader red, the others blue."""
        picture = np.full((208, 208, 3), 255, dtype=np.uint8)
        leader, *others = self.position[copy]
        dots = [(self.beacon[copy], (0, 0, 0)), *((place, (60, 90, 200)) for place in others), (leader, (200, 60, 40))]
        for (x, y), colour in dots:
            column, row = int(104 + 96 * x), int(104 - 96 * y)
            picture[row - 4 : row + 5, column - 4 : column + 5] = colour
        return picture

    def _show(self, reward: NDArray[np.float64]) -> Step:
        return Step(
            obs=self._observe(),
            reward=np.repeat(reward[:, None], AGENTS, axis=1),
            terminated=np.zeros(self.num_envs, dtype=bool),
            truncated=self.clock >= LIMIT,
        )

    def _observe(self) -> NDArray[np.float64]:
        """[E, 3, 8]; the last two numbers of all but the first agent are padding."""
        obs = np.zeros((self.num_envs, AGENTS, SEEN + 2))
        for agent in range(AGENTS):
            own = self.position[:, agent]
            others = np.delete(self.position, agent, axis=1) - own[:, None]
            obs[:, agent, :2], obs[:, agent, 2:SEEN] = own, others.reshape(self.num_envs, -1)
        obs[:, 0, SEEN:] = self.beacon - self.position[:, 0]
        return obs
