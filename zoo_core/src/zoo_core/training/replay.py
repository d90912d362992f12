"""Iterations recorded once and replayed: on a GPU one launch instead of thousands.

A recorded iteration reads its batches and noise from buffers that stay where they are, changes parameters and
optimisers in place, and leaves its metrics in buffers too. `cuda_graph` records it as a CUDA graph; `plainly` calls it
again each time, which is how everything but the graph itself is tested without a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

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
TOLERANCE = 0.01
"""How far a recorded learner may end from a plain one, of the way that training has gone."""


def plainly(run: Callable[[], None]) -> Callable[[], None]:
    """No recording: call it once to warm up, then again each time."""
    run()
    return run


def cuda_graph(run: Callable[[], None]) -> Callable[[], None]:
    """A CUDA graph of `run`. Raises `RuntimeError` if it waits for the GPU or copies from the host."""
    side: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            run()
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

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._made: dict[Any, Recording] = {}

    def __call__(
        self, kind: Any, body: Callable[[Tensors], Tensors], inputs: Tensors, changed: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        key = kind, tuple((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items())
        if key not in self._made:
            if len(self._made) == MOST_RECORDINGS:
                return dict(body(inputs))
            self._made[key] = Recording(body, inputs, changed, self._record)
        return self._made[key](inputs)


def fault(make: Callable[[], Learner], record: Recorder) -> str:
    """Why recorded iterations cannot stand for plain ones here, or an empty text: both are tried and compared.

    An algorithm need not fit: a loss that reads a value back to the host, or makes a tensor there, cannot be captured.
    """
    plain, recorded = make(), make()
    recorded.replay_with(record)
    seeds = range(len(plain.seeds))
    start = [plain.state(index) for index in seeds]
    try:
        for _ in range(min(TRIED, plain.total)):
            plain.step()
            recorded.step()
        wanted, found = ([learner.state(index) for index in seeds] for learner in (plain, recorded))
    except RuntimeError as error:  # what CUDA says of a capture that cannot be
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    change, apart = _distance(start, wanted), _distance(found, wanted)
    # Rounding may differ, and Adam's first steps go as far along small gradients as along large ones.
    if apart <= TOLERANCE * change:
        return ""
    return f"after {TRIED} iterations they lie {apart:.3g} apart, having come {change:.3g}"


def _distance(first: Sequence[Tensors], second: Sequence[Tensors]) -> float:
    """Between the weights of these states."""
    pairs = [
        (one[name], state[name])
        for one, state in zip(first, second, strict=True)
        for name in one
        if name.startswith("model/")
    ]
    return math.sqrt(sum(float((a.double() - b.double()).square().sum()) for a, b in pairs))
