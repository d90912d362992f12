"""Teams as Gymnasium spaces and back: how a team's episodes look in a Minari dataset.

Observations and actions are a `Dict` with an unpadded entry per agent; state, per-agent rewards and action masks
travel in `infos`, each with T + 1 rows, the first from the reset (zeros for the rewards); the card lies in the
metadata under `CARD_KEY`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.errors import DatasetError
from zoo_core.team import TeamSpec

CARD_KEY = "zoo_card"


def require_minari() -> Any:
    """The `minari` package. Raises `DatasetError` with the command that installs it."""
    try:
        import h5py  # noqa: F401
        import minari
    except ImportError as error:
        raise DatasetError(
            f'reading and writing Minari datasets needs Minari: pip install "minari[hdf5]" ({error})'
        ) from error
    return minari


def minari_root() -> Path:
    """Where Minari keeps its datasets."""
    given = os.environ.get("MINARI_DATASETS_PATH")
    return Path(given).expanduser() if given else Path("~/.minari/datasets").expanduser()


def require_id(dataset_id: str) -> None:
    """Raise `DatasetError` unless Minari accepts this id: `(namespace/)name-v0`, of letters, digits, `-` and `_`."""
    require_minari()
    from minari.dataset.minari_dataset import parse_dataset_id

    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:
        raise DatasetError(
            f"{dataset_id!r} is no Minari id; they look like mpe-cn/expert-v0: letters, digits, - and _, and a version"
        ) from error


def spaces(team: TeamSpec) -> tuple[Any, Any]:
    """Observation and action space of a team."""
    from gymnasium.spaces import Box, Dict, Discrete

    obs: dict[str, Any] = {
        agent: Box(-np.inf, np.inf, (size,), np.float32)
        for agent, size in zip(team.agents, team.obs_sizes, strict=True)
    }
    if team.discrete:
        actions: dict[str, Any] = {
            agent: Discrete(size) for agent, size in zip(team.agents, team.action_sizes, strict=True)
        }
        return Dict(obs), Dict(actions)
    boxes: dict[str, Any] = {
        agent: Box(team.action_low, team.action_high, (size,), np.float32)
        for agent, size in zip(team.agents, team.action_sizes, strict=True)
    }
    return Dict(obs), Dict(boxes)


def split_agents(team: TeamSpec, joint: NDArray[Any], sizes: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """[T, n, size] → one unpadded array [T, size_i] per agent; [T, n] → [T]."""
    if joint.ndim == 2:
        return {agent: joint[:, i] for i, agent in enumerate(team.agents)}
    return {agent: joint[:, i, : sizes[i]] for i, agent in enumerate(team.agents)}


def join_agents(team: TeamSpec, parts: Mapping[str, Any], size: int) -> NDArray[Any]:
    """One array [T, size_i] per agent → [T, n, size], padded with zeros; [T] → [T, n]."""
    arrays = [np.asarray(parts[agent]) for agent in team.agents]
    if arrays[0].ndim == 1:
        return np.stack(arrays, axis=1)
    arrays = [a.reshape(len(a), -1) for a in arrays]
    return np.stack([np.pad(a, ((0, 0), (0, size - a.shape[1]))) for a in arrays], axis=1)


def flat_observation(space: Any, value: Any) -> NDArray[Any]:
    """A single agent's observations [T, o]: a Box flattened, a Dict of Boxes flattened and joined in its own order."""
    if isinstance(value, dict):
        return np.concatenate([flat_observation(space[key], value[key]) for key in space], axis=1)
    array = np.asarray(value)
    return array.reshape(len(array), -1)


def flat_size(space: Any, where: str) -> int:
    """Size of what `flat_observation` returns. Raises `DatasetError` for spaces other than Box and Dict of Box."""
    from gymnasium.spaces import Box, Dict

    if isinstance(space, Dict):
        return sum(flat_size(part, where) for part in space.spaces.values())
    if not isinstance(space, Box):
        raise DatasetError(
            f"{where}: observations in a {type(space).__name__} space are not supported (Box, Dict of Box)"
        )
    return int(np.prod(space.shape))
