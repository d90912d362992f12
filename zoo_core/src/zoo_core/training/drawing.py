"""What an iteration sees: its batches and its noise, drawn by generators named by (seed, phase, iteration)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from zoo_core.algorithms import Assign, Draw, IterationStep, Phase, Polyak, Rows, Update, WholeEpisodes, Windows
from zoo_core.batch import Batch
from zoo_core.errors import PluginError
from zoo_core.seeding import generator
from zoo_core.training.networks import stack_batches

Acting = Sequence[tuple[int, IterationStep]]
"""The steps of one iteration, each with its position in the phase."""


def acting_in(phase: Phase, number: int) -> Acting:
    """The steps of iteration `number` of a phase, counted from 1."""
    steps = enumerate(phase.steps)
    return [(position, step) for position, step in steps if isinstance(step, Assign) or number % step.every == 0]


class Sampler(Protocol):
    """Draws one batch; which rows is a function of the generator alone."""

    def sample(self, generator: torch.Generator, /) -> Batch: ...


SamplerFactory = Callable[[Rows | Windows | WholeEpisodes], Sampler]


class Drawing:
    """Draws for S seeds; what belongs to several is [S, …]."""

    def __init__(self, seeds: Sequence[int], samplers: SamplerFactory, device: torch.device) -> None:
        self.seeds, self.device = seeds, device
        self._factory = samplers
        self._samplers: dict[str, Sampler] = {}

    def batch(self, phase: Phase, number: int, index: int) -> Batch:
        """One of an iteration's batches."""
        sampler = self._samplers.get(phase.name)
        if sampler is None:
            sampler = self._samplers[phase.name] = self._factory(phase.data)
        # Indices are drawn where the data lies: to copy them there would wait for the device.
        sources = [generator(seed, phase.name, number, "batch", index, device=self.device) for seed in self.seeds]
        return stack_batches([sampler.sample(source) for source in sources]).to(self.device)

    def noise(self, draws: Mapping[str, Draw], phase: Phase, number: int, position: int) -> dict[str, Tensor]:
        """The noise of the step at `position`, in declared order."""
        if not draws:
            return {}
        per_seed = []
        for seed in self.seeds:
            source = generator(seed, phase.name, number, "noise", position, device=self.device)
            per_seed.append({name: draw_noise(draw, source) for name, draw in draws.items()})
        if len(per_seed) == 1:
            return per_seed[0]
        return {name: torch.stack([noise[name] for noise in per_seed]) for name in draws}


class Drawn:
    """The batches and the noise of one iteration, drawn when a step asks for them, each once."""

    def __init__(self, drawing: Drawing, phase: Phase, number: int) -> None:
        self._drawing, self._phase, self._number = drawing, phase, number
        self._batches: dict[int, Batch] = {}
        self._noise: dict[int, Mapping[str, Tensor]] = {}

    def batch(self, wanted: int | tuple[int, ...]) -> Any:
        """The batch or batches a step asks for."""
        if isinstance(wanted, tuple):
            return tuple(self.batch(index) for index in wanted)
        if wanted not in self._batches:
            self._batches[wanted] = self._drawing.batch(self._phase, self._number, wanted)
        return self._batches[wanted]

    def noise(self, position: int, step: Update | Assign) -> Mapping[str, Tensor]:
        if position not in self._noise:
            self._noise[position] = self._drawing.noise(step.noise, self._phase, self._number, position)
        return self._noise[position]

    def tensors(self, acting: Acting) -> dict[str, Tensor]:
        """Everything these steps will ask for, by name."""
        for position, step in acting:
            if not isinstance(step, Polyak):
                self.batch(step.batch)
                self.noise(position, step)
        batches = {f"batch/{i}/{name}": t for i, batch in self._batches.items() for name, t in batch.present()}
        return batches | {f"noise/{i}/{name}": t for i, noise in self._noise.items() for name, t in noise.items()}

    def reading(self, tensors: Mapping[str, Tensor]) -> Drawn:
        """The same, read from tensors of those names."""
        read = Drawn(self._drawing, self._phase, self._number)
        for i, batch in self._batches.items():
            read._batches[i] = Batch(**{name: tensors[f"batch/{i}/{name}"] for name, _ in batch.present()})
        read._noise = {i: {name: tensors[f"noise/{i}/{name}"] for name in n} for i, n in self._noise.items()}
        return read


def draw_noise(draw: Draw, source: torch.Generator) -> Tensor:
    """The numbers one `Draw` asks for, on the generator's device."""
    if draw.kind == "normal":
        return torch.randn(draw.shape, generator=source, device=source.device)
    if draw.kind == "uniform":
        return torch.rand(draw.shape, generator=source, device=source.device)
    raise PluginError(f"a Draw is 'normal' or 'uniform', not {draw.kind!r}")
