"""Datasets in the shape single-agent libraries know: d4rl's flat dictionary and an iterator of episodes.

from zoo_core import data

d = data.transitions("mpe-cn/expert")       # observations [N, n, o], actions, rewards, …
for e in data.episodes("mpe-cn/expert"):    # observations [T + 1, n, o], actions [T, n, a], …
    ...
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.catalogue import resolve_dataset
from zoo_core.data.dataset import Dataset


def load(dataset: str | Path | Dataset) -> Dataset:
    """A dataset by its id: a built-in name (built if missing), an imported name, a folder, or `minari:<id>`."""
    return dataset if isinstance(dataset, Dataset) else resolve_dataset(dataset)


def transitions(dataset: str | Path | Dataset) -> dict[str, NDArray[Any]]:
    """Every transition, in d4rl's keys; an axis for the n learning agents follows the first.

    Returns:
        `observations`, `next_observations` [N, n, o], `actions` [N, n, a] or [N, n], `rewards` [N, n],
        `terminals` and `timeouts` [N] bool; and where the dataset has them `states`, `next_states`,
        `action_masks`, `next_action_masks`.
    """
    data = load(dataset)
    rows = data.obs_rows.numpy()
    found = {
        "observations": data.obs.numpy()[rows],
        "actions": data.action.numpy().copy(),
        "rewards": data.reward.numpy().copy(),
        "next_observations": data.obs.numpy()[rows + 1],
        "terminals": data.terminated.numpy().copy(),
        "timeouts": data.truncated.numpy().copy(),
    }
    for key, array in (("states", data.state), ("action_masks", data.action_mask)):
        if array is not None:
            found[key], found[f"next_{key}"] = array.numpy()[rows], array.numpy()[rows + 1]
    return found


def episodes(dataset: str | Path | Dataset) -> Iterator[dict[str, NDArray[Any]]]:
    """One dictionary an episode of T steps: `observations` [T + 1, n, o], `actions` and `rewards` [T, n, ·],
    `terminals`, `timeouts` [T]; and where the dataset has them `states` and `action_masks`, T + 1 rows."""
    data = load(dataset)
    starts = data.episode_starts.tolist()
    arrays = {
        "actions": data.action.numpy(),
        "rewards": data.reward.numpy(),
        "terminals": data.terminated.numpy(),
        "timeouts": data.truncated.numpy(),
    }
    row_arrays = {"observations": data.obs, "states": data.state, "action_masks": data.action_mask}
    rows = {key: array.numpy() for key, array in row_arrays.items() if array is not None}
    for index, (start, stop) in enumerate(itertools.pairwise(starts)):
        episode = {key: array[start + index : stop + index + 1].copy() for key, array in rows.items()}
        yield episode | {key: np.array(array[start:stop]) for key, array in arrays.items()}
