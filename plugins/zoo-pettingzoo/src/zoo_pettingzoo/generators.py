"""Keeping wrapped environments away from the global generators of `random` and `numpy.random`.

An environment should draw from a generator of its own, seeded by its `reset`. Many do not. Whatever one does, the
global states are put back after every call; and each copy of one that is seen to draw from them gets states of its own,
set by its reset seed, so that its episodes are functions of their seeds all the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def snapshot() -> tuple[Any, ...]:
    """Both global states; equal snapshots are equal states."""
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - read, to be put back
    return random.getstate(), (kind, keys.tobytes(), position, has_gauss, cached)


def restore(state: tuple[Any, ...]) -> None:
    """Put back what `snapshot` found."""
    own, (kind, keys, position, has_gauss, cached) = state
    random.setstate(own)
    np.random.set_state((kind, np.frombuffer(keys, np.uint32), position, has_gauss, cached))  # noqa: NPY002


def seeded(seed: int) -> tuple[Any, ...]:
    """The states that `random.seed` and `numpy.random.seed` set."""
    kind, keys, position, has_gauss, cached = np.random.RandomState(seed % 2**32).get_state()
    return random.Random(seed).getstate(), (kind, keys.tobytes(), position, has_gauss, cached)  # noqa: S311


@contextmanager
def undisturbed() -> Iterator[None]:
    """Puts the global states back, whatever the block drew."""
    before = snapshot()
    try:
        yield
    finally:
        restore(before)
