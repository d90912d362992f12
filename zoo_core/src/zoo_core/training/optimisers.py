"""Optimisers, clipping and schedules, per seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from zoo_core.algorithms import Adam, Clip
from zoo_core.errors import PluginError


class Optimiser:
    """Adam over named parameters. Elementwise, so a stacked parameter [S, …] is S independent optimisers."""

    def __init__(self, settings: Adam, parameters: Mapping[str, Tensor]) -> None:
        self.settings, self.parameters = settings, dict(parameters)
        self._adam = torch.optim.Adam(
            list(self.parameters.values()), lr=settings.lr, betas=settings.betas, eps=settings.eps, fused=True
        )

    def step(self, gradients: Sequence[Tensor], progress: float) -> None:
        """Apply gradients, in the order of the parameters. `progress` in [0, 1): how much of the phase is behind."""
        self._adam.param_groups[0]["lr"] = learning_rate(self.settings, progress)
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            # Fused Adam reads memory in order and ignores strides: a transposed gradient would move the wrong weights.
            same = gradient.stride() == parameter.stride()
            parameter.grad = gradient if same else torch.empty_like(parameter).copy_(gradient)
        self._adam.step()
        for parameter in self.parameters.values():
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """`<parameter>/<exp_avg|exp_avg_sq|step>` → tensor; empty before the first step."""
        return {
            f"{name}/{key}": value
            for name, parameter in self.parameters.items()
            for key, value in self._adam.state.get(parameter, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        self._adam.state.clear()
        for path, value in state.items():
            name, _, key = path.rpartition("/")
            parameter = self.parameters[name]
            # The step counter stays where fused Adam keeps it: beside its parameter.
            self._adam.state[parameter][key] = value.to(parameter.device).clone()


def learning_rate(settings: Adam, progress: float) -> float:
    """The rate at this point of the phase; cosine: lr · (1 + cos(π · progress)) / 2."""
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1.0 + math.cos(math.pi * progress))
    return settings.lr


def clip_gradients(
    gradients: Sequence[Tensor], clip: Clip, lead: int, step: str, modules: Sequence[int] = ()
) -> Tensor:
    """Scale gradients in place to at most the norm; returns the norms before, [] or [S] (of several: the largest).

    Norms are taken over everything but the `lead` seed axis and, per member, the parameters' own leading axis.
    `modules`: how many of the gradients, in their order, belong to each module.
    """
    if clip.per == "module":
        ends = list(itertools.accumulate(modules))
        parts = [gradients[end - size : end] for size, end in zip(modules, ends, strict=True) if size]
        whole = Clip(clip.norm)
        return torch.stack([clip_gradients(part, whole, lead, step) for part in parts]).amax(0)
    axes = lead + (clip.per == "member")
    if len({gradient.shape[:axes] for gradient in gradients}) != 1:
        raise PluginError(f"step {step!r} clips per member, but its parameters' leading axes differ in length")
    squares = torch.stack([g.square().flatten(axes).sum(-1) if g.dim() > axes else g.square() for g in gradients])
    norms = squares.sum(0).sqrt()
    scales = (clip.norm / (norms + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(scales.reshape(*scales.shape, *[1] * (gradient.dim() - axes)))
    return norms.amax(-1) if clip.per == "member" else norms
