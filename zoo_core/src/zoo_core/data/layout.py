"""Which arrays a dataset holds and how one of them lies on disk.

Each array is one safetensors file, `<name>.safetensors`, with a header of fixed size: rows can be appended while a
dataset is built, without holding it in memory, and the header is a function of the array's type and shape alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from zoo_core.errors import DatasetCorrupt
from zoo_core.team import TeamSpec

HEADER_SIZE = 512
"""Bytes before the first number: the length word and the padded JSON header of the safetensors format."""

_CODES = {"float32": "F32", "int64": "I64", "bool": "BOOL"}

ROW_ARRAYS = ("obs", "state", "action_mask")
"""Arrays with T + 1 rows an episode; `episode_starts` has M + 1 rows, all others T an episode."""


@dataclass(frozen=True, slots=True)
class ArrayRecord:
    """One array: its type, its shape and the SHA-256 of its bytes (C order, little endian, without the header)."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str = ""

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def layout(team: TeamSpec, transitions: int, episodes: int, *, action_mask: bool = False) -> dict[str, ArrayRecord]:
    """The arrays of a dataset of N `transitions` in M `episodes`, in the order in which they are written."""
    n, rows = team.n, transitions + episodes
    arrays = {"obs": ArrayRecord("float32", (rows, n, team.obs_size))}
    if team.state_kind == "stored":
        arrays["state"] = ArrayRecord("float32", (rows, team.state_size))
    elif team.state_kind == "per_agent":
        arrays["state"] = ArrayRecord("float32", (rows, n, team.state_size))
    if action_mask:
        arrays["action_mask"] = ArrayRecord("bool", (rows, n, team.action_size))
    if team.discrete:
        arrays["action"] = ArrayRecord("int64", (transitions, n))
    else:
        arrays["action"] = ArrayRecord("float32", (transitions, n, team.action_size))
    arrays["reward"] = ArrayRecord("float32", (transitions, n))
    arrays["terminated"] = ArrayRecord("bool", (transitions,))
    arrays["truncated"] = ArrayRecord("bool", (transitions,))
    arrays["episode_starts"] = ArrayRecord("int64", (episodes + 1,))
    return arrays


def array_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def header(name: str, record: ArrayRecord) -> bytes:
    """The first `HEADER_SIZE` bytes of an array's file."""
    description = {
        name: {"dtype": _CODES[record.dtype], "shape": list(record.shape), "data_offsets": [0, record.nbytes]}
    }
    text = json.dumps(description, separators=(",", ":")).encode()
    return struct.pack("<Q", HEADER_SIZE - 8) + text.ljust(HEADER_SIZE - 8)


class ArrayAppender:
    """Writes one array row by row and hashes it on the way."""

    def __init__(self, folder: Path, name: str, dtype: str, row_shape: tuple[int, ...]) -> None:
        self.name, self.dtype, self.row_shape = name, dtype, row_shape
        self.rows = 0
        self._sha = hashlib.sha256()
        self._file = array_path(folder, name).open("wb")
        self._file.write(bytes(HEADER_SIZE))

    def append(self, values: NDArray[Any]) -> None:
        """`values`: [k, *row_shape] of the array's own type."""
        data = np.ascontiguousarray(values).data.cast("B") if values.size else b""
        self._sha.update(data)
        self._file.write(data)
        self.rows += len(values)

    def finish(self) -> ArrayRecord:
        """Write the header, force everything to disk and return the record for the card."""
        record = ArrayRecord(self.dtype, (self.rows, *self.row_shape), self._sha.hexdigest())
        self._file.seek(0)
        self._file.write(header(self.name, record))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return record

    def abandon(self) -> None:
        self._file.close()


def check_header(folder: Path, name: str, record: ArrayRecord) -> None:
    """Raise `DatasetCorrupt` unless the file is there, whole, and begins as its record says."""
    path = array_path(folder, name)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(HEADER_SIZE)
    except FileNotFoundError:
        raise DatasetCorrupt(f"{folder}: the file {path.name} is missing; build or import the dataset again") from None
    expected = HEADER_SIZE + record.nbytes
    if size != expected:
        raise DatasetCorrupt(
            f"{path}: {size} bytes where the card says {expected}; the file is truncated or was changed. "
            "Build or import the dataset again"
        )
    if start != header(name, record):
        raise DatasetCorrupt(
            f"{path}: its header is not the one of {record.dtype} {list(record.shape)}, which the card "
            "says; build or import the dataset again"
        )


def hash_array(folder: Path, name: str) -> str:
    """SHA-256 of an array's bytes, read from disk."""
    with array_path(folder, name).open("rb") as file:
        file.seek(HEADER_SIZE)
        return hashlib.file_digest(file, "sha256").hexdigest()


def map_array(folder: Path, name: str) -> Tensor:
    """The array as a memory-mapped tensor: nothing is read until it is used."""
    with safe_open(array_path(folder, name), framework="pt") as file:
        tensor: torch.Tensor = file.get_tensor(name)
    return tensor
