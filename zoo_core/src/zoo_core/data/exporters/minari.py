"""Export to Minari: what `minari.load_dataset` reads, and our own importer reads back equal to the last bit."""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from zoo_core.data.build import Progress
from zoo_core.data.dataset import Dataset
from zoo_core.data.minari_spaces import CARD_KEY, minari_root, require_id, require_minari, spaces, split_agents
from zoo_core.data.views import episodes as episodes_of
from zoo_core.errors import DatasetError

_EPISODES_AT_ONCE = 250


def export_minari(
    dataset: Dataset,
    dataset_id: str,
    *,
    episodes: int | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write `dataset` as the local Minari dataset `dataset_id` and return its folder.

    Minari stores one group per episode: allow about 10 ms for each.

    Args:
        episodes: only the first so many.
        replace: replace an existing Minari dataset of this id.
        progress: told `(done, total)` episodes.

    Raises:
        DatasetError: Minari is not installed, the id is malformed, or it exists and `replace` is false.
    """
    require_id(dataset_id)
    folder = minari_root() / dataset_id
    target = folder / "data"
    if target.exists() and not replace:
        raise DatasetError(
            f"the Minari dataset {dataset_id!r} exists ({folder}); nothing was overwritten (--force does)"
        )
    total = min(episodes or dataset.num_episodes, dataset.num_episodes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    try:
        _write(dataset, dataset_id, staging / "data", total, progress)
        folder.mkdir(exist_ok=True)
        if target.exists():
            target.rename(staging / "replaced")
        (staging / "data").rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def _write(dataset: Dataset, dataset_id: str, data: Path, total: int, progress: Progress | None) -> None:
    minari = require_minari()
    from minari.dataset.minari_storage import MinariStorage

    observation_space, action_space = spaces(dataset.team)
    storage = MinariStorage.new(data, observation_space=observation_space, action_space=action_space)
    done, remaining = 0, episodes_of(dataset)
    while done < total:
        group = list(itertools.islice(remaining, min(_EPISODES_AT_ONCE, total - done)))
        storage.update_episodes([_buffer(dataset, done + i, episode) for i, episode in enumerate(group)])
        done += len(group)
        if progress:
            progress(done, total)
    reference = dataset.team.reference
    scores = {"ref_min_score": reference.random, "ref_max_score": reference.expert} if reference else {}
    storage.update_metadata(
        {
            "dataset_id": dataset_id,
            "minari_version": minari.__version__,
            "description": f"{dataset.name}: {dataset.card.convention}",
            CARD_KEY: json.dumps(dataset.card.as_json()),
            **scores,
        }
    )


def _buffer(dataset: Dataset, index: int, episode: dict[str, Any]) -> Any:
    from minari.data_collector import EpisodeBuffer

    team, rewards = dataset.team, episode["rewards"]
    infos = {"agent_rewards": np.concatenate([np.zeros_like(rewards[:1]), rewards])}
    if "states" in episode:
        infos["state"] = episode["states"]
    if "action_masks" in episode:
        infos["action_mask"] = episode["action_masks"]
    return EpisodeBuffer(
        id=index,
        observations=split_agents(team, episode["observations"], team.obs_sizes),
        actions=split_agents(team, episode["actions"], team.action_sizes),
        rewards=rewards.mean(axis=1, dtype=np.float64),
        terminations=episode["terminals"],
        truncations=episode["timeouts"],
        infos=infos,
    )
