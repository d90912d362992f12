"""Iterations recorded once and replayed: on a GPU one launch instead of thousands.

A recorded iteration reads its batches and noise from buffers that stay where they are, changes parameters and
optimisers in place, and leaves its metrics in buffers too. `cuda_graph` records it as a CUDA graph; `plainly` calls it
again each time, which is how everything but the graph itself is tested without a GPU.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo_core.algorithms import Assign, Phase, Polyak
from zoo_core.training.drawing import acting_in

if TYPE_CHECKING:
    from zoo_core.training.learner import Learner

Tensors = Mapping[str, Tensor]
Recorder = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes a function on fixed tensors, may call it several times, and gives one that does the same again."""

WARM_UP = 3
"""Calls before capture: the first ones allocate workspaces and choose kernels, which a capture must not."""
MOST_RECORDINGS = 8
"""Iterations of more shapes than this, such as batches of whole episodes of many lengths, run plainly."""
TRIED = 4
"""Iterations of each kind that are tried: one is recorded, the others replay it on other batches."""
TOLERANCE, ROUNDING = 0.01, 5e-7
"""How far a recorded step may end from a plain one: of the way it has gone, as rounding may differ and Adam's first
steps go as far along small gradients as along large ones, and of the weights' size, four units in the last place."""


def plainly(run: Callable[[], None]) -> Callable[[], None]:
    """No recording: call it once to warm up, then again each time."""
    run()
    return run


def cuda_graph(run: Callable[[], None]) -> Callable[[], None]:
    """A CUDA graph of `run`. Raises `RuntimeError` if it waits for the GPU or copies from the host."""
    side: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                run()
    finally:  # what failed half way is put back once it has ended
        torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    replay: Callable[[], None] = graph.replay
    return replay


class Recording:
    """One function of named tensors, recorded for their shapes."""

    def __init__(
        self, body: Callable[[Tensors], Tensors], inputs: Tensors, changed: Sequence[Tensor], record: Recorder
    ) -> None:
        """`changed`: what `body` changes; warming up leaves it as it was."""
        self._inputs = {name: tensor.clone() for name, tensor in inputs.items()}
        self._outputs: Tensors = {}

        def run() -> None:
            self._outputs = body(self._inputs)

        before = [tensor.detach().clone() for tensor in changed]
        try:
            self._replay = record(run)
        finally:
            with torch.no_grad():
                for tensor, value in zip(changed, before, strict=True):
                    tensor.copy_(value)

    def __call__(self, inputs: Tensors) -> dict[str, Tensor]:
        """What `body` would return."""
        for name, tensor in inputs.items():
            self._inputs[name].copy_(tensor)
        self._replay()
        return {name: tensor.clone() for name, tensor in self._outputs.items()}


class Recordings:
    """A recording for each kind of iteration: the steps that act in it and the shapes they act on."""

    def __init__(self, record: Recorder, refused: Callable[[Any, str], None] | None = None) -> None:
        """`refused(kind, why)` hears of a kind that cannot be recorded or replayed, which runs plainly from then on;
        without it the error is raised."""
        self._record, self._refused = record, refused
        self._made: dict[Any, Recording | None] = {}

    def __call__(
        self, kind: Any, body: Callable[[Tensors], Tensors], inputs: Tensors, changed: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        key = kind, tuple((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items())
        if key in self._made or len(self._made) < MOST_RECORDINGS:
            try:
                if key not in self._made:
                    self._made[key] = Recording(body, inputs, changed, self._record)
                recording = self._made[key]
                if recording is not None:
                    return recording(inputs)
            except RuntimeError as error:  # a graph that CUDA will not launch has changed nothing
                if self._refused is None:
                    raise
                told = any(made is None for (other, _), made in self._made.items() if other == kind)
                self._made[key] = None
                if not told:  # once, of however many shapes
                    self._refused(kind, _first_line(error))
        return dict(body(inputs))


def alike(phase: Phase, length: int) -> list[list[int]]:
    """For every set of steps that some iteration of a phase takes, the first ones that take it, `TRIED` at most.

    The first is the least common multiple of some of the steps' `every`: nothing else makes another set act.
    """
    firsts = {1}
    for every in {step.every for step in phase.steps if not isinstance(step, Assign)}:
        firsts |= {math.lcm(first, every) for first in firsts}
    found = []
    for first in sorted(first for first in firsts if first <= length):
        same = (n for n in range(first, length + 1, first) if acting_in(phase, n) == acting_in(phase, first))
        found.append(list(itertools.islice(same, TRIED)))
    return found


def fault(make: Callable[[], Learner], record: Recorder) -> str:
    """Why recorded iterations cannot stand for plain ones here, or an empty text: both are tried and compared.

    An algorithm need not fit: a loss that reads a value back to the host, or makes a tensor there, cannot be captured.
    Every phase is tried, and in it every set of steps that some iteration takes, be it the 1,000th alone; a phase
    begins with the weights that the trial of those before it left.
    """
    plain, recorded = make(), make()
    recorded.replay_with(record)
    begun = 0
    while begun < plain.total:
        phase, _, length = plain.phase_at(begun)
        for numbers in alike(phase, length):
            found = _fault_in(phase, [begun + number - 1 for number in numbers], plain, recorded)
            if found:
                return f"{found} (phase {phase.name!r}, iteration {numbers[0]})"
        begun += length
    return ""


def _fault_in(phase: Phase, iterations: Sequence[int], plain: Learner, recorded: Learner) -> str:
    """The same of these iterations, which take the same steps. Both learners end where the plain one does."""
    start = _states(plain)
    try:
        for iteration in iterations:
            for learner in (plain, recorded):
                learner.iteration = iteration
                learner.step()
        wanted, found = _states(plain), _states(recorded)
    except RuntimeError as error:  # what CUDA says of a capture that cannot be
        return _first_line(error)
    _, number, _ = plain.phase_at(iterations[0])
    for label, names in _written(plain, phase, number).items():
        change, apart, size = (_norm(a, b, names) for a, b in ((start, wanted), (found, wanted), (wanted, None)))
        if not apart <= TOLERANCE * change + ROUNDING * size:
            return f"after {len(iterations)} iterations {label} lies {apart:.3g} apart, having come {change:.3g}"
    recorded.load_state(wanted, recorded.iteration)
    return ""


def _written(learner: Learner, phase: Phase, number: int) -> dict[str, set[str]]:
    """What each step of an iteration writes, and what none does: a small step must not hide behind a large one."""
    networks = learner.networks
    found: dict[str, set[str]] = {}
    for _, step in acting_in(phase, number):
        label = step.target if isinstance(step, Polyak) else step.name
        found[f"what {label!r} learns"] = networks.written_by(step)
    rest = set(networks.tensors()) - {name for names in found.values() for name in names}
    return {**found, "what no step writes": rest}


def _states(learner: Learner) -> list[dict[str, Tensor]]:
    return [learner.state(index) for index in range(len(learner.seeds))]


def _norm(first: Sequence[Tensors], second: Sequence[Tensors] | None, names: Iterable[str]) -> float:
    """The 2-norm over these weights of all seeds, or of the difference of two states."""
    total = 0.0
    for index, state in enumerate(first):
        for name in names:
            value = state[f"model/{name}"].double()
            if second is not None:
                other = second[index][f"model/{name}"].double()
                value = torch.where(value == other, 0.0, value - other)  # of equal infinities, as in masks, too
            else:
                value = value.nan_to_num(0.0, 0.0, 0.0)
            total += float(value.square().sum())
    return math.sqrt(total)


def _first_line(error: Exception) -> str:
    """An error's type and the first line of what it says; CUDA's go on for pages."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
