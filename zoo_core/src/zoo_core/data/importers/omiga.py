"""The `.hdf5` files of OMIGA (Wang et al. 2023): multi-agent MuJoCo, rolled out by HAPPO policies.

One file holds `s` and `o` [N, n, o], `a` [N, n, a], one reward a row in `r`, and `d`. Episodes lie one after another,
each with *one row more than it has steps*: the row where `d` is set is the observation that the last step led to; its
action and reward are placeholders. Time limits are marked like terminations, and actions are what the Gaussian policies
drew, beyond their bounds [-1, 1].
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.importers import ImportOptions, Reading
from zoo_core.data.importers.detection import existing_file
from zoo_core.data.importers.joint import ROWS_AT_ONCE, Episodes, JointGroups, Sizes, episodes_of, pieces, team_of
from zoo_core.data.importers.source_hash import SourceHashes
from zoo_core.errors import DatasetError, ZooError

_KEYS = ("s", "o", "a", "r", "d")
_CACHE = 64 << 20
"""Bytes of h5py's cache for an array stored in compressed chunks; its default of 1 MB would unpack a chunk again for
every part of it."""


def read(source: str, options: ImportOptions) -> Reading:
    """Start reading the file `source`.

    Raises:
        DatasetError: no HDF5 file, a damaged one, keys that are missing or no numbers, shapes that disagree, another
            team than the environment's, or episodes that do not fit the time limit.
    """
    path = existing_file(source)
    with _opened(path) as file, _named(path):
        arrays = _arrays(file, path)
        sizes = _sizes(arrays, path)
        done = _done(arrays["d"], path)
        same = _state_is_obs(arrays)
    team, convention = team_of(sizes, options, str(path), state_is_obs=same)
    starts, lengths, ended = _split(done)
    real = lengths > 0
    episodes = episodes_of(lengths[real], ended[real], team, options, str(path))
    _require_terminal_rows(episodes, path)
    reading = Reading(
        team=team,
        groups=iter(()),
        total=int(episodes.lengths.sum()),
        source={"kind": "imported", "format": "omiga", "file": path.name, "env": team.env},
        convention=convention,
    )
    reading.notes["rows"] = (
        f"{len(done):,} rows: {reading.total:,} steps and {int(real.sum()):,} terminal rows, of which only the "
        "observation counts; one such row an episode is the layout's"
    )
    if not real.all():
        reading.repairs.append(f"{int((~real).sum()):,} episodes of no step left out")
    episodes.describe(reading)
    reading.groups = _groups(path, starts[real], episodes, options, reading)
    return reading


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The open file."""
    try:
        import h5py
    except ImportError as error:
        raise DatasetError(f'reading HDF5 files needs h5py: pip install "zoo-core[hdf5]" ({error})') from error
    with _named(path):
        file = h5py.File(path, "r", rdcc_nbytes=_CACHE)
    try:
        yield file
    finally:
        file.close()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """h5py raises errors of many kinds for a damaged file; all become one that names it."""
    try:
        yield
    except (ZooError, MemoryError):
        raise
    except PermissionError:
        raise DatasetError(f"{path}: not readable by this user") from None
    except Exception as error:
        raise DatasetError(
            f"{path}: damaged, cut short or no HDF5 file ({error}); was it downloaded to its end?"
        ) from error


def _arrays(file: Any, path: Path) -> dict[str, Any]:
    """The five arrays, numeric and of one length."""
    import h5py

    missing = [key for key in _KEYS if not isinstance(file.get(key), h5py.Dataset)]
    if missing:
        raise DatasetError(
            f"{path}: no array {', '.join(missing)}; this layout has {', '.join(_KEYS)}, the file holds {_held(file)}"
        )
    arrays = {key: file[key] for key in _KEYS}
    for key, array in arrays.items():
        if array.dtype.kind not in "fiub" or not array.shape:
            raise DatasetError(f"{path}: {key} is no array of real numbers; the file holds {_held(file)}")
        if len(array) != len(arrays["o"]):
            raise DatasetError(f"{path}: arrays of unequal lengths; the file holds {_held(file)}")
    if len(arrays["o"]) == 0:
        raise DatasetError(f"{path}: its arrays are empty; the file holds {_held(file)}")
    return arrays


def _held(file: Any) -> str:
    """`s float64 [10, 2, 5], …`: what an HDF5 file has at its top."""
    import h5py

    held = [
        f"{key} {item.dtype} {list(item.shape or ())}" if isinstance(item, h5py.Dataset) else f"{key}/ (a group)"
        for key in file
        if (item := file.get(key)) is not None
    ]
    return ", ".join(held[:12]) + (" …" if len(held) > 12 else "") if held else "nothing"


def _sizes(arrays: dict[str, Any], path: Path) -> Sizes:
    """Sizes of the team. Raises `DatasetError` where the arrays' shapes disagree."""
    shapes = {key: tuple(array.shape) for key, array in arrays.items()}
    if any(len(shapes[key]) != 3 for key in "soa") or len({shapes[key][1] for key in "soa"}) != 1:
        raise DatasetError(
            f"{path}: s, o and a must be [rows, agents, size] with equal numbers of agents; "
            f"found {', '.join(f'{key} {list(shapes[key])}' for key in 'soa')}"
        )
    n = shapes["o"][1]
    for key in "rd":
        per_row = int(np.prod(shapes[key][1:]))
        if per_row not in (1, n):
            raise DatasetError(
                f"{path}: {key} has shape {list(shapes[key])} where one number a row, or one for each of {n} agents, "
                "is expected"
            )
    return Sizes(n, shapes["o"][2], shapes["a"][2], shapes["s"][2])


def _done(d: Any, path: Path) -> NDArray[np.bool_]:
    """[N]: the row is an episode's terminal row."""
    done = np.empty(len(d), dtype=bool)
    for first in range(0, len(d), ROWS_AT_ONCE):
        values = np.asarray(d[first : first + ROWS_AT_ONCE]).reshape(-1, int(np.prod(d.shape[1:])))
        if not np.isin(values, (0, 1)).all() or (values != values[:, :1]).any():
            wrong = ~np.isin(values, (0, 1)).all(1) | (values != values[:, :1]).any(1)
            row = int(np.argmax(wrong))
            raise DatasetError(
                f"{path}: d, row {first + row}: {values[row].tolist()}; it must be 0 or 1, and the same for all agents"
            )
        done[first : first + len(values)] = values[:, 0]
    return done


def _state_is_obs(arrays: dict[str, Any]) -> bool:
    """Whether states are observations, told from the first rows; only an inferred team asks."""
    return arrays["s"].shape == arrays["o"].shape and np.array_equal(arrays["s"][:256], arrays["o"][:256])


def _split(done: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """First row, steps and whether `d` is set at the end, of each episode; rows after the last `d` are one more."""
    last = np.flatnonzero(done)
    if not len(last) or last[-1] != len(done) - 1:
        last = np.append(last, len(done) - 1)
    starts = np.concatenate([[0], last[:-1] + 1])
    return starts, last - starts, done[last]


def _require_terminal_rows(episodes: Episodes, path: Path) -> None:
    """Refuse a file whose longest episodes are all one row short: it seems to lack the terminal rows."""
    short = int((episodes.lengths == episodes.limit - 1).sum())
    if short > 1 and not episodes.at_limit.any():
        raise DatasetError(
            f"{path}: {short:,} episodes have {episodes.limit} rows and none has {episodes.limit + 1}: the file seems "
            f"to lack the terminal row that this layout has after an episode's {episodes.limit} steps. "
            f"--episode-length {episodes.limit - 1} reads it all the same, each episode one step shorter"
        )


def _groups(
    path: Path, starts: NDArray[np.int64], episodes: Episodes, options: ImportOptions, reading: Reading
) -> Iterator[dict[str, Any]]:
    """Episodes in groups; the notes, repairs and source of `reading` are completed at the end."""
    joint = JointGroups(reading.team, options, reading)
    hashes, done = SourceHashes([path]), 0
    with _opened(path) as file:
        for part in pieces(episodes.lengths, ROWS_AT_ONCE):
            lengths, first = episodes.lengths[part], starts[part]
            base = int(first[0])
            with _named(path):
                block = {key: np.asarray(file[key][base : int(first[-1] + lengths[-1]) + 1]) for key in "soar"}
            rows = first[:, None] - base + np.minimum(np.arange(lengths.max() + 1), lengths[:, None])
            reward = block["r"].reshape(len(block["r"]), -1)
            yield joint.group(
                obs=block["o"][rows],
                state=block["s"][rows],
                action=block["a"][rows[:, :-1]],
                reward=reward[rows[:, :-1]].squeeze(-1) if reward.shape[1] == 1 else reward[rows[:, :-1]],
                lengths=lengths,
                terminated=episodes.terminated[part],
                where=[f"{path}: the episode that begins at row {row}" for row in first],
            )
            done += int(lengths.sum())
            hashes.advance(done / reading.total)
    joint.describe()
    reading.source["sha256"] = hashes.finish()[path.name]
