"""The networks of one seed, or of several seeds stacked on a leading axis, behind one face.

Authors write losses for one seed. With one seed they are called as they are. With S > 1 every parameter and buffer of
the S algorithms is stacked to [S, …], and `torch.func.vmap` maps the loss over that axis: seeds never interact, so the
gradient of the sum of their losses is each seed's own gradient.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core.algorithms import Algorithm, Assign, IterationStep, Loss, Polyak
from zoo_core.batch import Batch
from zoo_core.errors import PluginError

Method = Callable[[Any, Mapping[str, Tensor]], Any]
"""A loss or an assignment: a method of an algorithm, `(batch, noise) -> Loss` or `-> new buffer values`."""


class Networks:
    """The live tensors of S algorithms of one class and config, by qualified name.

    Attributes:
        algorithms: one per seed. With S > 1 their own tensors go stale while training: see `publish`.
        parameters, buffers: name → tensor; [S, …] if `stacked`.
    """

    def __init__(self, algorithms: Sequence[Algorithm]) -> None:
        self.algorithms = tuple(algorithms)
        self.stacked = len(self.algorithms) > 1
        first = self.algorithms[0]
        self.parameters: dict[str, Tensor] = dict(first.named_parameters())
        self.buffers: dict[str, Tensor] = dict(first.named_buffers())
        self._names = {id(tensor): name for name, tensor in self.tensors().items()}
        if self.stacked:
            self._caller = _Caller(first)
            sources = [dict([*a.named_parameters(), *a.named_buffers()]) for a in self.algorithms]
            for kind in (self.parameters, self.buffers):
                for name, tensor in kind.items():
                    stack = torch.stack([source[name].detach() for source in sources])
                    kind[name] = stack.requires_grad_(tensor.requires_grad)

    @property
    def lead(self) -> int:
        """How many leading axes a tensor has beyond what the author wrote: 1 if stacked."""
        return int(self.stacked)

    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer."""
        return {**self.parameters, **self.buffers}

    # --- names --------------------------------------------------------------------------------------------------

    def resolve(self, attribute: str, step: str) -> list[str]:
        """Qualified names of the parameters behind an attribute of the algorithm: a module's, or the one itself.

        A module may have none: some mixers have nothing to learn.
        """
        found = self._attribute(attribute, step)
        parameters = list(found.parameters()) if isinstance(found, nn.Module) else [found]
        names = [self._names.get(id(p), "") for p in parameters]
        if not all(name in self.parameters for name in names):
            raise PluginError(f"step {step!r}: {attribute!r} is neither a parameter nor a module")
        return names

    def resolve_buffers(self, attribute: str, step: str) -> list[str]:
        """Qualified names of the buffers behind an attribute: a module's, or the one itself; may be empty."""
        found = self._attribute(attribute, step)
        buffers = list(found.buffers()) if isinstance(found, nn.Module) else [found]
        return [name for b in buffers if (name := self._names.get(id(b), "")) in self.buffers]

    def written_by(self, step: IterationStep) -> set[str]:
        """Qualified names of the parameters and buffers that a step may change."""
        if isinstance(step, Assign):
            return set(step.writes)
        if isinstance(step, Polyak):
            return set(self.resolve(step.target, "polyak"))
        found = (self.resolve(name, step.name) + self.resolve_buffers(name, step.name) for name in step.learns)
        return {name for names in found for name in names}

    def _attribute(self, attribute: str, step: str) -> Any:
        found: Any = self.algorithms[0]
        for part in attribute.split("."):
            found = getattr(found, part, None)
            if found is None:
                name = type(self.algorithms[0]).__name__
                raise PluginError(f"step {step!r}: {name} has no attribute {attribute!r}")
        return found

    # --- calling ------------------------------------------------------------------------------------------------

    def loss(self, method: Method, learns: Sequence[str], batch: Any, noise: Mapping[str, Tensor]) -> Loss:
        """The loss, [] or [S], with a graph to the parameters called `learns` and to no other."""
        if self.stacked:
            tensors = {n: t if n in learns else t.detach() for n, t in self.tensors().items()}
            return self._mapped(method, tensors, batch, noise)  # type: ignore[no-any-return]
        with _only(self.parameters, learns):
            return method(batch, noise)  # type: ignore[no-any-return]

    @torch.no_grad()
    def compute(self, method: Method, batch: Any, noise: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What an assignment computes, without gradients."""
        if self.stacked:
            return self._mapped(method, self.tensors(), batch, noise)  # type: ignore[no-any-return]
        return method(batch, noise)  # type: ignore[no-any-return]

    def _mapped(self, method: Method, tensors: Mapping[str, Tensor], batch: Any, noise: Mapping[str, Tensor]) -> Any:
        def one_seed(tensors: dict[str, Tensor], fields: Any, noise: dict[str, Tensor]) -> Any:
            named = {f"algorithm.{name}": tensor for name, tensor in tensors.items()}
            batch = _from_fields(fields)
            return torch.func.functional_call(self._caller, named, (method, batch, noise))

        return torch.func.vmap(one_seed)(dict(tensors), _to_fields(batch), dict(noise))

    def train(self, mode: bool) -> None:
        """Put every algorithm in training or evaluation mode."""
        for algorithm in self.algorithms:
            if algorithm.training != mode:
                algorithm.train(mode)

    # --- one seed's tensors -------------------------------------------------------------------------------------

    def seed_slice(self, tensor: Tensor, index: int) -> Tensor:
        """One seed's part of a live tensor (a view)."""
        return tensor[index] if self.stacked else tensor

    @torch.no_grad()
    def publish(self, index: int) -> Algorithm:
        """The algorithm of one seed, its own tensors brought up to date."""
        algorithm = self.algorithms[index]
        if self.stacked:
            live = self.tensors()
            for name, tensor in [*algorithm.named_parameters(), *algorithm.named_buffers()]:
                tensor.copy_(live[name][index])
        return algorithm


class _Caller(nn.Module):
    """Gives `functional_call` a forward that runs any method of the algorithm."""

    def __init__(self, algorithm: Algorithm) -> None:
        super().__init__()
        self.algorithm = algorithm

    def forward(self, method: Method, batch: Any, noise: Mapping[str, Tensor]) -> Any:
        result = method(batch, noise)
        if isinstance(result, Loss):
            return Loss(result.value, {k: torch.as_tensor(v).detach() for k, v in result.metrics.items()})
        return dict(result)


@contextmanager
def _only(parameters: Mapping[str, Tensor], learns: Sequence[str]) -> Iterator[None]:
    """Within this block only the parameters called `learns` ask for gradients.

    `torch.autograd.grad` alone would skip the others too, but a compiled function computes the gradients of every
    input that asks for one.
    """
    keep = set(learns)
    others = [p for name, p in parameters.items() if p.requires_grad and name not in keep]
    for parameter in others:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)


def stack_batches(batches: Sequence[Batch]) -> Batch:
    """One batch per seed → fields [S, B, …]; the batch itself if there is one seed."""
    if len(batches) == 1:
        return batches[0]
    return Batch(**{name: torch.stack([getattr(b, name) for b in batches]) for name, _ in batches[0].present()})


def _to_fields(batch: Any) -> Any:
    """Batches as dictionaries, which vmap can map over."""
    if isinstance(batch, tuple):
        return tuple(_to_fields(b) for b in batch)
    return dict(batch.present())


def _from_fields(fields: Any) -> Any:
    if isinstance(fields, tuple):
        return tuple(_from_fields(f) for f in fields)
    known = {f.name for f in dataclasses.fields(Batch)}
    return Batch(**{name: tensor for name, tensor in fields.items() if name in known})
