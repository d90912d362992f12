"""Where episodes end in files that keep no index of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_core.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Ends:
    """M episodes: their lengths [M], whether each terminated [M] (else it was truncated), and how this was decided."""

    lengths: NDArray[np.int64]
    terminated: NDArray[np.bool_]
    notes: Mapping[str, str]


def find_ends(done: NDArray[np.bool_], episode_length: int | None, *, timeouts_are_terminal: bool = False) -> Ends:
    """Split steps into episodes.

    An episode ends at every done and after `episode_length` steps. A done on an episode's last possible step is a time
    limit unless `timeouts_are_terminal`; an earlier one is a termination. Published files come with and without dones
    at the time limit; both give the same episodes.

    Args:
        done: [N], true where all agents are done.
        episode_length: the time limit; None if unknown, then dones must tell.
    """
    total, at = len(done), np.flatnonzero(done) + 1
    if episode_length is None:
        if not len(at):
            raise DatasetError("no dones are set and the episode length is not known; say --episode-length")
        spans = np.unique(np.diff(np.concatenate([[0], at])))
        episode_length = int(spans[0]) if len(spans) == 1 else None
        known = f"{episode_length}, found: all dones are that far apart" if episode_length else "unknown"
    else:
        known = str(episode_length)
    bounds = np.unique(np.concatenate([[0], at, [total]]))
    lengths = np.concatenate([_cut(int(span), episode_length) for span in np.diff(bounds)])
    last = np.cumsum(lengths) - 1
    at_limit = lengths == episode_length if episode_length else np.zeros(len(lengths), dtype=bool)
    ended_done = done[last]
    terminated = ended_done & ~at_limit | (at_limit & timeouts_are_terminal)
    return Ends(lengths, terminated, _notes(known, lengths, at_limit, ended_done, timeouts_are_terminal))


def _cut(span: int, length: int | None) -> NDArray[np.int64]:
    """Lengths of the episodes in `span` steps without a done before the last."""
    if length is None or span <= length:
        return np.array([span], dtype=np.int64)
    whole, rest = divmod(span, length)
    return np.array([length] * whole + [rest] * (rest > 0), dtype=np.int64)


def _notes(
    known: str,
    lengths: NDArray[np.int64],
    at_limit: NDArray[np.bool_],
    ended_done: NDArray[np.bool_],
    timeouts_are_terminal: bool,
) -> dict[str, str]:
    at_end, early = int((ended_done & at_limit).sum()), int((ended_done & ~at_limit).sum())
    cut = int((~ended_done & ~at_limit).sum())
    found = f"{at_end:,} of {len(lengths):,} episodes have a done at the time limit, {early:,} an earlier one"
    meaning = "terminated (--timeouts-are-terminal)" if timeouts_are_terminal else "truncated"
    notes = {
        "episode_length": f"{known} (--episode-length changes it)",
        "dones_found": found,
        "dones_assumed": f"an episode that ends at the time limit is {meaning}, one that ends earlier with a done "
        "terminated" + ("" if timeouts_are_terminal else "; --timeouts-are-terminal changes the former"),
    }
    if cut:
        notes["cut"] = f"{cut:,} episodes end before the time limit without a done (the end of the file); truncated"
    return notes
