"""Claims about long training, tested on one run of a thousand tiny iterations: finite numbers, memory that is flat."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import sys
from typing import NamedTuple

import torch
from torch import Tensor

from zoo_core.entries import AlgorithmEntry
from zoo_core.errors import TrainingDiverged
from zoo_core.testing.checks import NotApplicable, demand
from zoo_core.testing.subjects import learner

ITERATIONS = 1000
WINDOW, WINDOWS = 250, 3
"""Memory is compared over the last windows of so many iterations: what a warm-up allocates comes before them."""

LEAST = {"tensors": 0.1, "bytes": 4.0, "objects": 0.25}
"""Growth per iteration that counts: a tensor in ten iterations, one number, a Python object in four. A run that keeps
nothing grows by none of them; one that keeps something of every update grows by more in every window."""


class Footprint(NamedTuple):
    """What is alive: tensors, the bytes of their storages, and Python's allocated blocks."""

    tensors: int
    bytes: int
    objects: int


class Endurance:
    """One long run, made when first asked for, that several claims look at."""

    def __init__(self, entry: AlgorithmEntry, kind: str) -> None:
        self.entry, self.kind = entry, kind

    def long_training_stays_finite(self, entry: AlgorithmEntry) -> None:
        trouble, _ = self._outcome
        demand(
            not trouble,
            f"{trouble}: guard logarithms, square roots and divisions, and clip gradients with Update(clip=Clip(…))",
        )

    def memory_stays_flat(self, entry: AlgorithmEntry) -> None:
        trouble, marks = self._outcome
        if trouble:
            raise NotApplicable("the run diverged: see long_training_stays_finite")
        if len(marks) <= WINDOWS:
            raise NotApplicable(f"it trains for fewer than {ITERATIONS} iterations, whatever its budget")
        grown = {name: _growth(marks, name) for name in LEAST}
        found = [
            f"{grown['tensors']:,} tensors" if _always(marks, "tensors") else "",
            f"{grown['bytes']:,} bytes of tensors" if _always(marks, "bytes") else "",
            f"{grown['objects']:,} Python objects" if _always(marks, "objects") else "",
        ]
        demand(
            not any(found),
            f"{' and '.join(filter(None, found))} more are alive after the last {WINDOW * WINDOWS} iterations than "
            "before: keep no loss, batch or metric in a list, dictionary or cache; what is logged is returned in "
            "Loss(value, metrics)",
        )

    @functools.cached_property
    def _outcome(self) -> tuple[str, list[Footprint]]:
        """Why it is not finite, if it is not, and what was alive at the windows' edges."""
        trained = learner(self.entry, self.kind, iterations=ITERATIONS)
        edges = {trained.total - WINDOW * k for k in range(WINDOWS + 1)}
        marks: list[Footprint] = []
        try:
            while not trained.finished:
                wild = [name for name, value in trained.step().items() if not bool(torch.isfinite(value).all())]
                if wild:
                    return f"{wild} became NaN or infinite in iteration {trained.iteration}", marks
                if trained.iteration in edges:
                    marks.append(footprint())
            trained.check_parameters()
        except TrainingDiverged as error:
            return str(error), marks
        return "", marks


def footprint() -> Footprint:
    """What is alive now, once Python has collected what nobody refers to."""
    gc.collect()
    objects = sys.getallocatedblocks()
    tensors, storages = 0, {}
    for found in gc.get_objects():
        if issubclass(type(found), Tensor):
            tensors += 1
            with contextlib.suppress(RuntimeError, NotImplementedError):  # tensors without a storage of their own
                storage = found.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
    return Footprint(tensors, sum(storages.values()), objects)


def _growth(marks: list[Footprint], name: str) -> int:
    return int(getattr(marks[-1], name) - getattr(marks[0], name))


def _always(marks: list[Footprint], name: str) -> bool:
    """Whether something grew by what counts in every window."""
    steps = (getattr(b, name) - getattr(a, name) for a, b in itertools.pairwise(marks))
    return all(step >= LEAST[name] * WINDOW for step in steps)
