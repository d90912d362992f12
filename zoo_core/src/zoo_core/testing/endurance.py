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
from zoo_core.testing.checks import NotApplicable, demand, few
from zoo_core.testing.subjects import learner
from zoo_core.training import Learner

ITERATIONS = 1000
WINDOW, WINDOWS = 160, 3
"""Memory is compared over the last windows of so many iterations, all in the second half: what a warm-up allocates,
and what happens between the two claims, comes before them."""

LEAST = {"tensors": 0.1, "bytes": 4.0, "objects": 0.75}
"""Growth per iteration that counts: a tensor in ten iterations, one number, three Python objects in four. What keeps
something of every update grows by more in every window; sound algorithms were seen to gain a Python object in two
iterations, late in a long session of tests."""

KEPT = {"tensors": "tensors", "bytes": "bytes of tensors", "objects": "Python objects"}

MEND = "guard logarithms, square roots and divisions, and clip gradients with Update(clip=Clip(…))"


class Footprint(NamedTuple):
    """What is alive: tensors, the bytes of their storages, and Python's allocated blocks."""

    tensors: int
    bytes: int
    objects: int


class Endurance:
    """One long run that two claims look at: whether it stays finite, half way; and at its end, what it has kept."""

    def __init__(self, entry: AlgorithmEntry, kind: str) -> None:
        self.entry, self.kind = entry, kind
        self._marks: list[Footprint] = []

    def long_training_stays_finite(self, entry: AlgorithmEntry) -> None:
        trouble = self._train_to(self._half)
        demand(not trouble, f"{trouble}: {MEND}")

    def memory_stays_flat(self, entry: AlgorithmEntry) -> None:
        if self._train_to(self._half):
            raise NotApplicable("the run diverged: see long_training_stays_finite")
        if self._learner.total < ITERATIONS:
            raise NotApplicable(f"it trains for fewer than {ITERATIONS} iterations, whatever its budget")
        trouble = self._train_to(self._learner.total)
        demand(not trouble, f"{trouble}: {MEND}")
        found = [f"{_growth(self._marks, name):,} {what}" for name, what in KEPT.items() if _always(self._marks, name)]
        demand(
            not found,
            f"{' and '.join(found)} more are alive after the last {WINDOW * WINDOWS} iterations than before: keep no "
            "loss, batch or metric in a list, dictionary or cache; what is logged is returned in Loss(value, metrics)",
        )

    @functools.cached_property
    def _learner(self) -> Learner:
        return learner(self.entry, self.kind, iterations=ITERATIONS)

    @property
    def _half(self) -> int:
        """Half of the run, or all of a short one."""
        total = self._learner.total
        return max(total // 2, min(total, ITERATIONS // 2))

    def _train_to(self, iteration: int) -> str:
        """Why it is not finite by then; empty if it is. Notes what is alive at the windows' edges."""
        trained = self._learner
        edges = {trained.total - WINDOW * k for k in range(WINDOWS + 1)}
        try:
            while trained.iteration < iteration:
                wild = [name for name, value in trained.step().items() if not bool(torch.isfinite(value).all())]
                if wild:
                    return f"{few('metric', wild)} became NaN or infinite in iteration {trained.iteration}"
                if trained.iteration in edges:
                    self._marks.append(footprint())
            trained.check_parameters()
        except TrainingDiverged as error:
            return str(error)
        return ""


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
