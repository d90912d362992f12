"""The `.npz` files of ComaDICE (Bui et al. 2025): the same multi-agent MuJoCo data, an episode to a row.

`obs`, `states` [E, T+1, n, o], `actions` [E, T+1, n, a] (the last of them a placeholder), `rewards`, `dones`, `actives`
[E, T]; `actives` marks an episode's steps, which come first. The format's own loader divides actions by four before it
uses them; in the file they are as the behaviour policies drew them.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.importers import ImportOptions, Reading
from zoo_core.data.importers.detection import existing_file
from zoo_core.data.importers.joint import NPY_ERRORS, ROWS_AT_ONCE, Episodes, JointGroups, Sizes, episodes_of, team_of
from zoo_core.data.importers.source_hash import SourceHashes
from zoo_core.errors import DatasetError, ZooError

_KEYS = ("states", "obs", "actions", "rewards", "dones", "actives")


def read(source: str, options: ImportOptions) -> Reading:
    """Start reading the file `source`.

    Raises:
        DatasetError: no `.npz` archive, a damaged one, arrays that are missing or no numbers, shapes that disagree,
            another team than the environment's, or steps that are no episodes.
    """
    path = existing_file(source)
    with _opened(path) as archive, ExitStack() as streams:
        arrays = {key: streams.enter_context(stream) for key, stream in _streams(archive, path).items()}
        sizes = _sizes(arrays, path)
        lengths, ended = _ends(arrays["actives"], arrays["dones"], path)
        same = arrays["states"].shape == arrays["obs"].shape and np.array_equal(
            arrays["states"].take(1), arrays["obs"].take(1)
        )
    team, convention = team_of(sizes, options, str(path), state_is_obs=same)
    real = lengths > 0
    episodes = episodes_of(lengths[real], ended[real], team, options, str(path))
    reading = Reading(
        team=team,
        groups=iter(()),
        total=int(lengths.sum()),
        source={"kind": "imported", "format": "comadice", "file": path.name, "env": team.env},
        convention=convention,
    )
    episodes.describe(reading)
    reading.notes["action_scale"] = (
        f"stored actions times {options.action_scale:g}; the format's own loader divides by 4, so a file that keeps "
        "them divided needs --action-scale 4"
    )
    if not real.all():
        reading.repairs.append(f"{int((~real).sum()):,} episodes without an active step left out")
    reading.groups = _groups(path, real, episodes, options, reading)
    return reading


class NpyStream:
    """One array of an `.npz` archive, read from its first entry to its last without holding it in memory."""

    def __init__(self, archive: zipfile.ZipFile, member: str, where: str) -> None:
        self._where = where
        self._file = archive.open(member)
        self.shape, self.dtype = self._header()
        self._left = self.shape[0] if self.shape else 0

    def __enter__(self) -> NpyStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, count: int) -> NDArray[Any]:
        """The next `count` entries, or what is left. Reading the last ones checks the archive's own checksum."""
        count = min(count, self._left)
        size = count * math.prod(self.shape[1:]) * self.dtype.itemsize
        data = self._file.read(size)
        self._left -= count
        if len(data) < size or (self._left == 0 and self._file.read(1)):
            raise DatasetError(f"{self._where}: its content is not as long as its header says; the file is damaged")
        return np.frombuffer(data, dtype=self.dtype).reshape(count, *self.shape[1:])

    def _header(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type. Raises `DatasetError` for anything but plain numbers in row order."""
        try:
            version = np.lib.format.read_magic(self._file)
            parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, by_column, dtype = parse(self._file)
        except NPY_ERRORS as error:
            raise DatasetError(f"{self._where}: not an array of numpy's ({error})") from error
        if dtype.kind not in "fiub":
            kind = "objects" if dtype.hasobject else str(dtype)
            raise DatasetError(f"{self._where}: an array of {kind}; only numbers are read, nothing is unpickled")
        if by_column and len(shape) > 1:
            raise DatasetError(
                f"{self._where}: stored column by column; save np.ascontiguousarray of it, so that it can be read in "
                "pieces"
            )
        return shape, dtype


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The open archive; whatever reading it raises becomes an error that names it."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except ZooError:
        raise
    except PermissionError:
        raise DatasetError(f"{path}: not readable by this user") from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DatasetError(
            f"{path}: damaged, cut short or no .npz archive ({error}); was it downloaded to its end?"
        ) from error


def _streams(archive: zipfile.ZipFile, path: Path) -> dict[str, NpyStream]:
    """The six arrays, opened at their first entries."""
    held = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    missing = [key for key in _KEYS if key not in held]
    if missing:
        shapes = [_described(archive, key, path) for key in sorted(held)]
        smac = " (avails: it is of the battle environments, whose actions are discrete)" if "avails" in held else ""
        raise DatasetError(
            f"{path}: no array {', '.join(missing)}; this layout has {', '.join(_KEYS)}, the file holds "
            f"{', '.join(shapes) or 'nothing'}{smac}"
        )
    return {key: NpyStream(archive, f"{key}.npy", f"{path}: {key}") for key in _KEYS}


def _described(archive: zipfile.ZipFile, key: str, path: Path) -> str:
    try:
        with NpyStream(archive, f"{key}.npy", f"{path}: {key}") as stream:
            return f"{key} {stream.dtype} {list(stream.shape)}"
    except DatasetError:
        return f"{key} (no numbers)"


def _sizes(arrays: dict[str, NpyStream], path: Path) -> Sizes:
    """Sizes of the team. Raises `DatasetError` where the arrays' shapes disagree."""
    shapes = {key: array.shape for key, array in arrays.items()}
    obs, actives = shapes["obs"], shapes["actives"]
    fits = (
        len(actives) >= 2
        and all(size >= 1 for shape in shapes.values() for size in shape[1:])
        and all(len(shapes[key]) == 4 for key in ("obs", "states", "actions"))
        and obs[:2] == (actives[0], actives[1] + 1)
        and shapes["states"][:3] == obs[:3]
        and shapes["actions"][:3] in (obs[:3], (obs[0], obs[1] - 1, obs[2]))
        and all(
            shapes[key][:2] == actives[:2] and math.prod(shapes[key][2:]) in (1, obs[2])
            for key in ("rewards", "dones", "actives")
        )
    )
    if not fits:
        raise DatasetError(
            f"{path}: shapes that disagree: {', '.join(f'{key} {list(shapes[key])}' for key in _KEYS)}; expected are "
            "obs, states, actions [episodes, steps + 1, agents, size] and rewards, dones, actives [episodes, steps]"
        )
    return Sizes(obs[2], obs[3], shapes["actions"][3], shapes["states"][3])


def _ends(actives: NpyStream, dones: NpyStream, path: Path) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Steps [E] of each episode and whether done is set on its last.

    Raises:
        DatasetError: active steps behind an inactive one, a done before an episode's last step, other values than 0, 1.
    """
    lengths, ended = [], []
    count = max(1, ROWS_AT_ONCE // actives.shape[1])
    for first in range(0, len(actives), count):
        active, done = (_flags(stream, count, path) for stream in (actives, dones))
        steps = active.sum(axis=1)
        at = np.arange(active.shape[1])
        last = at == steps[:, None] - 1
        for wrong, what in (
            (active != (at < steps[:, None]), "is inactive, and later ones are active"),
            (done & active & ~last, "is done, and the episode goes on"),
        ):
            if wrong.any():
                episode, step = (int(i) for i in np.argwhere(wrong)[0])
                raise DatasetError(f"{path}: episode {first + episode}, step {step} {what}")
        lengths.append(steps)
        ended.append((done & last).any(axis=1))
    if not lengths:
        raise DatasetError(f"{path}: its arrays are empty")
    return np.concatenate(lengths).astype(np.int64), np.concatenate(ended)


def _flags(stream: NpyStream, count: int, path: Path) -> NDArray[np.bool_]:
    """The next entries as [E, T] bool; those of several agents must agree."""
    values = stream.take(count)
    values = values.reshape(*values.shape[:2], -1)
    if not np.isin(values, (0, 1)).all() or (values != values[..., :1]).any():
        raise DatasetError(f"{path}: dones and actives must be 0 or 1, and the same for all agents")
    return np.asarray(values[..., 0].astype(bool))


def _groups(
    path: Path, real: NDArray[np.bool_], episodes: Episodes, options: ImportOptions, reading: Reading
) -> Iterator[dict[str, Any]]:
    """Episodes in groups; the notes, repairs and source of `reading` are completed at the end."""
    joint = JointGroups(reading.team, options, reading)
    hashes, done, written = SourceHashes([path]), 0, 0
    with _opened(path) as archive, ExitStack() as streams:
        arrays = {key: streams.enter_context(stream) for key, stream in _streams(archive, path).items()}
        count = max(1, ROWS_AT_ONCE // arrays["obs"].shape[1])
        for first in range(0, len(real), count):
            keep = real[first : first + count]
            block = {key: arrays[key].take(count)[keep] for key in ("states", "obs", "actions", "rewards")}
            if not keep.any():
                continue
            part = slice(written, written + int(keep.sum()))
            lengths, written = episodes.lengths[part], part.stop
            longest = int(lengths.max())
            reward = block["rewards"].reshape(*block["rewards"].shape[:2], -1)[:, :longest]
            yield joint.group(
                obs=block["obs"][:, : longest + 1],
                state=block["states"][:, : longest + 1],
                action=block["actions"][:, :longest],
                reward=reward[..., 0] if reward.shape[-1] == 1 else reward,
                lengths=lengths,
                terminated=episodes.terminated[part],
                where=[f"{path}: episode {first + int(i)}" for i in np.flatnonzero(keep)],
            )
            done += int(lengths.sum())
            hashes.advance(done / reading.total)
    joint.describe()
    reading.source["sha256"] = hashes.finish()[path.name]
