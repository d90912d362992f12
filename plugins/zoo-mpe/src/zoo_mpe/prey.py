"""The scripted prey of Predator-Prey and World: a frozen network, the shipped one or a file's, or a rule.

A prey acts on its own observation alone, as a learning agent would. Whatever it draws depends on the episode's seed
and step, never on the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zoo_core import UsageError, uniforms
from zoo_mpe.physics import Float
from zoo_mpe.prey_network import load_prey
from zoo_mpe.scenarios import EPISODE_LIMIT

Copies = NDArray[np.intp] | slice

TRAINED = "trained"
"""The prey that ships with this package: it learned beside predators, then it was frozen."""


class Prey(Protocol):
    """What the environment asks of a prey. `name` becomes part of the team's description."""

    name: str

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Copies) -> None:
        """New episodes begin in `copies`."""
        ...

    def act(self, obs: Float, time: NDArray[np.intp]) -> Float:
        """Actions [2, E] from observations [o, E]; `time` [E] counts the steps of each copy's episode."""
        ...


class RandomPrey:
    """Uniform actions, a function of the episode's seed."""

    name = "random"

    def __init__(self, copies: int) -> None:
        self._actions = np.zeros((EPISODE_LIMIT, 2, copies))

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Copies) -> None:
        draws = uniforms(seeds, "random prey", (EPISODE_LIMIT, 2))
        self._actions[..., copies] = 2.0 * draws.transpose(1, 2, 0) - 1.0

    def act(self, obs: Float, time: NDArray[np.intp]) -> Float:
        step = np.minimum(time, EPISODE_LIMIT - 1)
        return self._actions[step, :, np.arange(len(step))].T


class FleeingPrey:
    """Full throttle away from the predators, the near ones most, round obstacles, and back in at the arena's edge.

    A rule of this project's own, deterministic: the sum of repulsions 1/d from each predator, a weaker one from each
    obstacle within reach, and a pull towards the middle that grows from |x| = 0.7 on.
    """

    name = "flee"
    OBSTACLE_REACH = 0.35
    EDGE = 0.7
    EDGE_PULL = 25.0

    def __init__(self, landmarks: int, obstacles: int) -> None:
        """`landmarks` precede the predators in the observation; the first `obstacles` of them are solid."""
        self._predators = slice(4 + 2 * landmarks, 4 + 2 * landmarks + 6)
        self._obstacles = slice(4, 4 + 2 * obstacles)

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Copies) -> None:
        """Nothing to forget: the rule sees all it needs."""

    def act(self, obs: Float, time: NDArray[np.intp]) -> Float:
        position = obs[2:4]
        wish = _away(obs[self._predators].reshape(3, 2, -1)).sum(axis=0)
        obstacles = obs[self._obstacles].reshape(-1, 2, obs.shape[-1])
        reached = (obstacles**2).sum(axis=1, keepdims=True) < self.OBSTACLE_REACH**2
        wish += 0.5 * (_away(obstacles) * reached).sum(axis=0)
        wish -= self.EDGE_PULL * np.sign(position) * np.maximum(np.abs(position) - self.EDGE, 0.0)
        return wish / np.maximum(np.abs(wish).max(axis=0), 1e-9)


def _away(relative: Float) -> Float:
    """Repulsion of strength 1/d from bodies at `relative` [K, 2, E]."""
    return -relative / np.maximum((relative**2).sum(axis=1, keepdims=True), 1e-4)


def make_prey(choice: str | Path, *, env: str, copies: int, obs_size: int, landmarks: int, obstacles: int) -> Prey:
    """The prey that the option `prey` names: `trained`, a rule, or the path of a `.safetensors` or `.pt` file.

    Raises:
        UsageError: no such prey and no such file.
        NetworkFileError: the file does not hold a prey for this game.
    """
    if choice == RandomPrey.name:
        return RandomPrey(copies)
    if choice == FleeingPrey.name:
        return FleeingPrey(landmarks, obstacles)
    if choice == TRAINED:
        with as_file(files("zoo_mpe.policies") / f"{env}-prey.safetensors") as shipped:
            return load_prey(shipped, obs_size)
    path = Path(choice)
    if not path.is_file():
        raise UsageError(
            f"{env}: prey={str(choice)!r} is neither {TRAINED!r}, nor a rule ({RandomPrey.name!r}, "
            f"{FleeingPrey.name!r}), nor a file. Name one of these, or the path of a frozen network (.safetensors, or "
            "the benchmark's .pt)"
        )
    return load_prey(path, obs_size)
