"""Statistics of a dataset, in one pass over its chunks, cached beside its arrays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo_core.algorithms import Statistics
from zoo_core.data.folders import write_text

if TYPE_CHECKING:
    from zoo_core.data.dataset import Dataset

STATISTICS_FILE = "statistics.json"
_CHUNK = 32_768


def compute_statistics(dataset: Dataset) -> Statistics:
    """Mean and standard deviation (of the population) over the N steps, accumulated in float64.

    Observations are those an action was taken on: an episode's final row does not count.
    """
    total = dataset.num_transitions
    obs, rows = dataset.obs.numpy(), dataset.obs_rows.numpy()
    obs_mean, obs_std = _moments(lambda a, b: obs[rows[a:b]], total)
    reward = dataset.reward.numpy()
    reward_mean, reward_std = _moments(lambda a, b: reward[a:b].reshape(-1, 1), total)
    action_mean = action_std = None
    if not dataset.team.discrete:
        action = dataset.action.numpy()
        action_mean, action_std = map(_tensor, _moments(lambda a, b: action[a:b], total))
    returns = dataset.returns()
    return Statistics(
        obs_mean=_tensor(obs_mean),
        obs_std=_tensor(obs_std),
        action_mean=action_mean,
        action_std=action_std,
        reward_mean=float(reward_mean[0]),
        reward_std=float(reward_std[0]),
        return_mean=float(returns.mean()),
        return_min=float(returns.min()),
        return_max=float(returns.max()),
    )


def cached_statistics(dataset: Dataset) -> Statistics:
    """The statistics kept beside the dataset if they are its own and undamaged; else computed and kept."""
    path = dataset.folder / STATISTICS_FILE
    with suppress(OSError, ValueError, KeyError, TypeError):
        return _read(path, dataset.hash)
    statistics = compute_statistics(dataset)
    with suppress(OSError):  # a read-only folder: computed again next time
        _write(path, dataset.hash, statistics)
    return statistics


def _moments(chunk: Callable[[int, int], NDArray[Any]], total: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation over the leading axis, merging chunks (Chan, Golub & LeVeque 1983)."""
    count, mean, squares = 0, np.float64(0), np.float64(0)
    for first in range(0, total, _CHUNK):
        values = chunk(first, min(first + _CHUNK, total)).astype(np.float64)
        size, chunk_mean = len(values), values.mean(axis=0)
        difference = chunk_mean - mean
        squares = squares + ((values - chunk_mean) ** 2).sum(axis=0) + difference**2 * (count * size / (count + size))
        mean = mean + difference * (size / (count + size))
        count += size
    return np.asarray(mean), np.sqrt(np.asarray(squares) / count)


def _tensor(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _write(path: Path, data_hash: str, statistics: Statistics) -> None:
    content = {
        name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in vars(statistics).items()
    }
    write_text(path, json.dumps({"data": data_hash, "statistics": content, "sha256": _digest(data_hash, content)}))


def _read(path: Path, data_hash: str) -> Statistics:
    """Raise one of the errors that `cached_statistics` expects if the file is not the dataset's own."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    content = kept["statistics"]
    if kept["data"] != data_hash or kept["sha256"] != _digest(data_hash, content):
        raise ValueError("statistics of other data")
    values: dict[str, Any] = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in content.items()}
    return Statistics(**values)


def _digest(data_hash: str, content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([data_hash, content], sort_keys=True).encode()).hexdigest()
