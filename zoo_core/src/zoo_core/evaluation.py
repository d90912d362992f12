"""Scoring a policy: many episodes of an environment side by side, without exploration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo_core.algorithms import Algorithm
from zoo_core.entries import EnvEntry
from zoo_core.envs import BatchedEnv, Step
from zoo_core.errors import PluginError
from zoo_core.seeding import generator

FINAL_FIRST_SEED = 2_000_000_000
PERIODIC_FIRST_SEED = 1_900_000_000
"""Where the seeds of evaluation episodes start; datasets and trainers stay below them. They fit 31 bits."""

COPIES = 250
"""Episodes played side by side, unless the environment hints at fewer (`hints["copies"]`)."""


class Evaluator:
    """Plays episodes of one environment; keeps its simulators between calls.

    An episode is a function of its seed and the policy, so scores do not depend on how many are played side by side
    (planners that sample draw from a generator of each wave of copies).
    """

    def __init__(self, entry: EnvEntry, *, copies: int | None = None) -> None:
        self.entry = entry
        self.copies = int(copies or entry.hints.get("copies", COPIES))
        self._envs: dict[int, BatchedEnv] = {}

    def returns(
        self,
        algorithm: Algorithm,
        episodes: int,
        first_seed: int,
        *,
        interrupted: Callable[[], object] | None = None,
    ) -> NDArray[np.float64]:
        """Undiscounted team return of each episode [episodes]; seeds are first_seed, first_seed + 1, …

        `interrupted` is asked before every step; if it raises, so does this.
        """
        if episodes < 1:
            raise ValueError("an evaluation needs at least one episode")
        waves = -(-episodes // self.copies)
        copies = -(-episodes // waves)
        found = []
        for wave in range(waves):
            # The last wave may play a few episodes too many; they are dropped.
            seeds = np.arange(first_seed + wave * copies, first_seed + (wave + 1) * copies, dtype=np.int64)
            found.append(self._play(algorithm, seeds, interrupted))
        return np.concatenate(found)[:episodes]

    @torch.no_grad()
    def _play(
        self, algorithm: Algorithm, seeds: NDArray[np.int64], interrupted: Callable[[], object] | None
    ) -> NDArray[np.float64]:
        env = self._env(len(seeds))
        was_training = algorithm.training
        algorithm.eval()
        policy = Policy(algorithm, len(seeds), int(seeds[0]))
        view = env.reset(seeds)
        running = np.ones(len(seeds), dtype=bool)
        total = np.zeros(len(seeds))
        limit = env.team.episode_limit or 1_000_000
        for _ in range(limit):
            if interrupted is not None:
                interrupted()
            view = env.step(policy(view))
            total += running * np.asarray(view.reward, dtype=np.float64).mean(-1)
            running &= ~(view.terminated | view.truncated)
            if not running.any():
                break
        algorithm.train(was_training)
        if not np.isfinite(total).all():
            raise PluginError(f"{self.entry.name} gave a reward that is NaN or infinite")
        return total

    def _env(self, copies: int) -> BatchedEnv:
        if copies not in self._envs:
            self._envs[copies] = self.entry.load()(copies)
        return self._envs[copies]


class Policy:
    """An algorithm's `act` on numpy observations, memory carried along."""

    def __init__(self, algorithm: Algorithm, copies: int, seed: int) -> None:
        self.algorithm = algorithm
        self.memory = algorithm.initial_memory(copies)
        self.device = next((p.device for p in algorithm.parameters()), torch.device("cpu"))
        self.generator = generator(seed, "act", device=self.device)

    def __call__(self, view: Step) -> NDArray:
        """The action for every copy: [E, n, a] float, or [E, n] int."""
        return self.act(view.obs, view.action_mask)

    @torch.no_grad()
    def act(self, obs: NDArray, mask: NDArray[np.bool_] | None = None) -> NDArray:
        """The same for observations [E, n, o] and, where not every action is available, their mask [E, n, A]."""
        seen = torch.as_tensor(obs, dtype=torch.float32, device=self.device)
        allowed: Tensor | None = None if mask is None else torch.as_tensor(mask, device=self.device)
        action, self.memory = self.algorithm.act(seen, allowed, self.memory, self.generator)
        found: NDArray = action.detach().cpu().numpy()
        return found


def evaluate(algorithm: Algorithm, entry: EnvEntry, episodes: int, first_seed: int) -> NDArray[np.float64]:
    """Undiscounted team return of the deterministic policy over seeded episodes, [episodes]."""
    return Evaluator(entry).returns(algorithm, episodes, first_seed)
