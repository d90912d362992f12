"""The learner's replay: a ring of the last transitions, as flat tensors."""

from __future__ import annotations

import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo_core import Batch, TeamSpec


class Replay:
    """Holds up to `capacity` transitions; the oldest leave first. Rows of one `add` lie side by side."""

    def __init__(self, team: TeamSpec, capacity: int) -> None:
        self.capacity, self.size, self._next = capacity, 0, 0
        self._obs = torch.empty(capacity, team.n, team.obs_size)
        self._next_obs = torch.empty(capacity, team.n, team.obs_size)
        self._action = torch.empty(capacity, team.n, team.action_size)
        self._reward = torch.empty(capacity, team.n)
        self._terminated = torch.empty(capacity, dtype=torch.bool)

    def add(self, obs: Tensor, action: Tensor, reward: NDArray, next_obs: Tensor, terminated: NDArray) -> None:
        """One transition of each copy: obs, next_obs [E, n, o]; action [E, n, a]; reward [E, n]; terminated [E]."""
        rows = torch.arange(self._next, self._next + len(obs)) % self.capacity
        self._obs[rows] = obs
        self._next_obs[rows] = next_obs
        self._action[rows] = action
        self._reward[rows] = torch.as_tensor(reward, dtype=torch.float32)
        self._terminated[rows] = torch.as_tensor(terminated)
        self._next = int(rows[-1] + 1) % self.capacity
        self.size = min(self.size + len(obs), self.capacity)

    def sample(self, batch_size: int, generator: torch.Generator) -> Batch:
        """Transitions drawn uniformly with replacement. `truncated` is all false: a cut-off step bootstraps."""
        rows = torch.randint(self.size, (batch_size,), generator=generator)
        return Batch(
            obs=self._obs[rows],
            action=self._action[rows],
            reward=self._reward[rows],
            next_obs=self._next_obs[rows],
            terminated=self._terminated[rows],
            truncated=torch.zeros(batch_size, dtype=torch.bool),
        )
