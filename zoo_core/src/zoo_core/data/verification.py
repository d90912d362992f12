"""Full verification: every hash, and every number that the hashes vouch for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from zoo_core.data.card import Card
from zoo_core.data.layout import hash_array, map_array
from zoo_core.data.validation import require_actions_allowed, require_ends, require_finite
from zoo_core.errors import DatasetCorrupt

_CHUNK = 65_536
"""Rows looked at together: small enough to stay in the cache, large enough to leave Python out of it."""


def verify_folder(folder: Path, card: Card) -> None:
    """Hash every array and check its content. Headers and sizes were checked before.

    Raises:
        DatasetCorrupt: an array does not match its hash, or the episode index is not one.
        DatasetError: NaN, infinity, actions out of bounds or misplaced ends in arrays whose hashes do match.
    """
    for name, record in card.arrays.items():
        if hash_array(folder, name) != record.sha256:
            raise DatasetCorrupt(
                f"{folder}: array {name!r} does not match its SHA-256; the file was changed or damaged. "
                "Build or import the dataset again (--force replaces it)"
            )
    starts = map_array(folder, "episode_starts").numpy()
    lengths = np.diff(starts)
    if starts[0] != 0 or starts[-1] != card.transitions or lengths.min() < 1:
        raise DatasetCorrupt(f"{folder}: array 'episode_starts' is not an index of {card.episodes} episodes")
    if card.lengths != {"min": int(lengths.min()), "max": int(lengths.max())}:
        raise DatasetCorrupt(f"{folder}: the card's episode lengths are not those of array 'episode_starts'")
    for name in ("obs", "state", "action", "reward"):
        if name in card.arrays:
            values = map_array(folder, name)
            for first in range(0, len(values), _CHUNK):
                chunk = values[first : first + _CHUNK]
                if not torch.isfinite(chunk).all():
                    require_finite(name, chunk.numpy(), first)
    terminated, truncated = (map_array(folder, name).numpy() for name in ("terminated", "truncated"))
    require_ends(terminated, truncated, lengths)
    _verify_actions(folder, card, starts)


def _verify_actions(folder: Path, card: Card, starts: np.ndarray) -> None:
    action = map_array(folder, "action").numpy()
    mask = map_array(folder, "action_mask").numpy() if "action_mask" in card.arrays else None
    for first in range(0, len(action), _CHUNK):
        last = min(first + _CHUNK, len(action))
        steps = np.arange(first, last)
        rows = steps + np.searchsorted(starts, steps, side="right") - 1
        require_actions_allowed(card.team, action[first:last], None if mask is None else mask[rows], first)
