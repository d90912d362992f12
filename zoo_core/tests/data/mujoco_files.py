"""The same small team data in the two published layouts of multi-agent MuJoCo, for the importers' tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

LIMIT, AGENTS, OBS, ACTION = 6, 3, 5, 2


@dataclass
class Episode:
    """Observations [T+1, n, o], actions [T, n, a] within 1.3 times their bounds, rewards [T] of one episode."""

    obs: NDArray
    action: NDArray
    reward: NDArray

    @property
    def steps(self) -> int:
        return len(self.reward)


def episodes(lengths: Sequence[int], agents: int = AGENTS) -> list[Episode]:
    rng = np.random.default_rng(0)
    return [
        Episode(rng.normal(size=(t + 1, agents, OBS)), rng.uniform(-1.3, 1.3, (t, agents, ACTION)), rng.normal(size=t))
        for t in lengths
    ]


def omiga_arrays(data: Sequence[Episode]) -> dict[str, NDArray]:
    """A terminal row behind every episode, with placeholders for its action and reward that nothing may read."""
    hole = np.full((1, *data[0].action.shape[1:]), np.nan)
    flags = [np.arange(e.steps + 1) == e.steps for e in data]
    return {
        "s": np.concatenate([e.obs for e in data]),
        "o": np.concatenate([e.obs for e in data]),
        "a": np.concatenate([np.concatenate([e.action, hole]) for e in data]),
        "r": np.concatenate([np.append(e.reward, np.nan) for e in data])[:, None],
        "d": np.concatenate(flags)[:, None],
    }


def comadice_arrays(data: Sequence[Episode], longest: int = LIMIT) -> dict[str, NDArray]:
    """Padded behind an episode's end with numbers that nothing may read."""
    agents = data[0].obs.shape[1]
    arrays = {
        "obs": np.full((len(data), longest + 1, agents, OBS), np.nan),
        "actions": np.full((len(data), longest + 1, agents, ACTION), np.nan),
        "rewards": np.full((len(data), longest), np.nan),
        "dones": np.zeros((len(data), longest), dtype=bool),
        "actives": np.zeros((len(data), longest), dtype=bool),
    }
    for i, e in enumerate(data):
        arrays["obs"][i, : e.steps + 1] = e.obs
        arrays["actions"][i, : e.steps] = e.action
        arrays["rewards"][i, : e.steps] = e.reward
        arrays["dones"][i, e.steps - 1] = True
        arrays["actives"][i, : e.steps] = True
    arrays["states"] = arrays["obs"].copy()
    return arrays


def write_hdf5(path: Path, arrays: dict[str, NDArray], **options: object) -> Path:
    with h5py.File(path, "w") as file:
        for key, values in arrays.items():
            file.create_dataset(key, data=values, **options)
    return path
