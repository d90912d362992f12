"""How a run computes: device, compilation, threads, precision, graph. Part of the run, fixed when it resumes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from zoo_core.errors import TrainingDiverged, UsageError
from zoo_core.nn import compiling
from zoo_core.training.allocation import keep_freed_memory
from zoo_core.training.learner import Learner
from zoo_core.training.replay import Recorder, cuda_graph, fault

COMPILERS = ("c++", "g++", "clang++", "cl")
REPAID_AFTER_SECONDS = 90.0
"""Compiling the critic losses takes 10 to 60 seconds and saves a third to a half: shorter runs stay eager."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Device `cpu` or `cuda`; precision `high`, or `medium`, which lets CPUs multiply in bfloat16; `graph`: whether
    iterations are recorded as CUDA graphs and replayed."""

    device: str = "cpu"
    compile: bool = False
    threads: int = 1
    precision: str = "high"
    graph: bool = False

    def as_json(self) -> dict[str, Any]:
        """Runs begun before there were graphs do not name them, and still resume."""
        return {name: value for name, value in asdict(self).items() if name != "graph" or value}


@contextmanager
def computing(modes: Modes) -> Iterator[None]:
    """Compute in these modes within this block; torch's settings are then put back."""
    keep_freed_memory()
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(modes.threads)
    torch.set_float32_matmul_precision(modes.precision)
    try:
        with compiling(modes.compile):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def choose_device(wanted: str) -> str:
    """`auto` takes a GPU if there is one. Raises `UsageError` for a device that is not there."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no GPU here (`zoo doctor` shows what it finds); use --device cpu")
    return wanted


def choose_compile(wanted: str, device: str, learner: Callable[[], Learner], note: Callable[[str], None]) -> bool:
    """Whether to compile. `auto`: where a compiler is found, works, and the run is long enough to repay it.

    The length is estimated by timing an iteration of `learner()`, which is then thrown away.
    """
    if wanted != "auto":
        return wanted == "on"
    if device == "cpu" and not any(shutil.which(name) for name in COMPILERS):
        return False
    probe = learner()
    if len(probe.seeds) > 1:
        return False  # vmap over a compiled function is not supported
    try:
        seconds = _seconds_per_iteration(probe) * probe.total
    except TrainingDiverged:
        return False  # the run itself will say so, with the iteration it happened in
    if seconds < REPAID_AFTER_SECONDS:
        return False
    try:
        torch.compile(torch.sin, dynamic=False)(torch.ones(8, device=device))
    except Exception as error:
        # Whatever is wrong with this machine's toolchain, training works without it.
        note(f"not compiled: the compiler does not work here ({type(error).__name__}); `zoo doctor` says more")
        return False
    note(f"compiled: the run would take about {seconds / 60:.0f} minutes without (--compile off to prevent)")
    return True


def choose_graph(
    wanted: str,
    modes: Modes,
    learner: Callable[[], Learner],
    note: Callable[[str], None],
    record: Recorder = cuda_graph,
) -> bool:
    """Whether to record iterations as CUDA graphs: on a GPU, unless compilation is `off` or a trial of it fails."""
    if modes.device != "cuda" or wanted == "off":
        return False
    with computing(modes):
        try:
            found = fault(learner, record)
        except TrainingDiverged as error:  # a later phase may need the weights of a longer one before it
            found = f"in their trial {error}"
    if found:
        note(f"iterations are not recorded as CUDA graphs but run one kernel at a time: {found}")
    return not found


def _seconds_per_iteration(probe: Learner) -> float:
    """The fastest of the last phase's last iterations, of up to ten or as many as fit into three seconds."""
    times: list[float] = []
    probe.iteration = max(0, probe.total - 11)
    with compiling(False):
        if probe.total > 1:
            probe.step()  # not timed: the first also imports and allocates
        while not probe.finished and (not times or sum(times) < 3.0):
            start = time.perf_counter()
            probe.step()
            times.append(time.perf_counter() - start)
    return min(times)
