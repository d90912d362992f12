"""Optimisers, clipping and schedules, per seed."""

from __future__ import annotations

import functools
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
        """Raises `ValueError` for numbers that Adam cannot have."""
        if not settings.lr >= 0.0:
            raise ValueError(f"no learning rate: {settings.lr}; it is at least 0")
        if not all(0.0 <= beta < 1.0 for beta in settings.betas):
            raise ValueError(f"Adam's betas lie in [0, 1), not {settings.betas}")
        if not settings.eps >= 0.0:
            raise ValueError(f"Adam's eps is at least 0, not {settings.eps}")
        self.settings, self.parameters = settings, dict(parameters)
        self._live = [parameter.detach() for parameter in self.parameters.values()]
        self._mean, self._square = ([torch.zeros_like(p) for p in self._live] for _ in range(2))
        device = self._live[0].device
        self._steps = torch.zeros((), device=device)
        self._fused = has_fused_adam(device.type)  # asked here, for it reads a value, which a recorded step must not
        self._rate = _rate(settings.lr, device)

    def schedule(self, progress: float) -> None:
        """The rate of the steps that follow. `progress` in [0, 1): how much of the phase is behind."""
        rate = learning_rate(self.settings, progress)
        self._rate = self._rate.fill_(rate) if isinstance(self._rate, Tensor) else rate

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Apply gradients, in the order of the parameters."""
        self._steps.add_(1.0)
        if not self._fused:
            self._plain_step(gradients)
            return
        # Fused Adam reads memory in order and ignores strides: a transposed gradient would move the wrong weights.
        ordered = [
            gradient if gradient.stride() == live.stride() else torch.empty_like(live).copy_(gradient)
            for live, gradient in zip(self._live, gradients, strict=True)
        ]
        _fused_adam(self._live, ordered, self._mean, self._square, self._steps, self._rate, self.settings)

    def _plain_step(self, gradients: Sequence[Tensor]) -> None:
        """The same in public operations: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − lr · m̂ / (√v̂ + ε)."""
        beta1, beta2 = self.settings.betas
        first, second = (_bias_correction(beta, self._steps) for beta in (beta1, beta2))
        for live, gradient, mean, square in zip(self._live, gradients, self._mean, self._square, strict=True):
            mean.mul_(beta1).add_(gradient, alpha=1.0 - beta1)
            square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
            live.sub_(mean / first * self._rate / ((square / second).sqrt() + self.settings.eps))

    def state(self) -> dict[str, Tensor]:
        """`<parameter>/<exp_avg|exp_avg_sq|step>` → tensor; empty before the first step."""
        found: dict[str, Tensor] = {}
        if not self._steps.item():
            return found
        for name, mean, square in zip(self.parameters, self._mean, self._square, strict=True):
            found |= {f"{name}/exp_avg": mean, f"{name}/exp_avg_sq": square, f"{name}/step": self._steps}
        return found

    def tensors(self) -> list[Tensor]:
        """What a step changes beside the parameters."""
        return [*self._mean, *self._square, self._steps]

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave, in place."""
        if not state:
            for tensor in self.tensors():
                tensor.zero_()
            return
        for name, mean, square in zip(self.parameters, self._mean, self._square, strict=True):
            mean.copy_(state[f"{name}/exp_avg"])
            square.copy_(state[f"{name}/exp_avg_sq"])
            self._steps.copy_(state[f"{name}/step"])


@functools.cache
def has_fused_adam(device: str) -> bool:
    """Whether this torch has Adam's fused kernel on a kind of device, as it is called here. It is no public name: other
    versions may lack it or take other arguments, and then public operations do the same, slower.
    """
    one = torch.ones(1, device=device)
    live, mean, square = (torch.zeros_like(one) for _ in range(3))
    try:
        _fused_adam([live], [one], [mean], [square], one[0].clone(), _rate(0.5, one.device), Adam(0.5))
    except (AttributeError, TypeError, RuntimeError):
        return False
    return abs(float(live) + 0.5) < 1e-3


def _fused_adam(
    live: list[Tensor],
    gradients: list[Tensor],
    mean: list[Tensor],
    square: list[Tensor],
    steps: Tensor,
    rate: float | Tensor,
    settings: Adam,
) -> None:
    """The kernel of `torch.optim.Adam(fused=True)` without its bookkeeping, which takes four times as long."""
    torch._fused_adam_(
        live,
        gradients,
        mean,
        square,
        [],
        [steps] * len(live),
        lr=rate,
        beta1=settings.betas[0],
        beta2=settings.betas[1],
        eps=settings.eps,
        weight_decay=0.0,
        amsgrad=False,
        maximize=False,
    )


def _rate(rate: float, device: torch.device) -> float | Tensor:
    """On a GPU the rate lies there too, so that a recorded step reads the present one."""
    return rate if device.type == "cpu" else torch.tensor(rate, device=device)


def _bias_correction(beta: float, steps: Tensor) -> Tensor:
    """1 − βᵗ, exact to the last places where β is close to 1."""
    return -torch.expm1(steps * (math.log(beta) if beta else -math.inf))


def learning_rate(settings: Adam, progress: float) -> float:
    """The rate at this point of the phase; cosine: lr · (1 + cos(π · progress)) / 2."""
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1.0 + math.cos(math.pi * progress))
    return settings.lr


def clip_gradients(
    gradients: Sequence[Tensor], clip: Clip, lead: int, step: str, modules: Sequence[int] = ()
) -> tuple[list[Tensor], Tensor]:
    """Gradients scaled to at most the norm, and the norms before, [] or [S] (of several: the largest).

    Not in place: two parameters that are added have one gradient between them.
    Norms are taken over everything but the `lead` seed axis and, per member, the parameters' own leading axis.
    `modules`: how many of the gradients, in their order, belong to each module.
    """
    if clip.per == "module":
        ends = list(itertools.accumulate(modules))
        parts = [gradients[end - size : end] for size, end in zip(modules, ends, strict=True) if size]
        whole = Clip(clip.norm)
        clipped = [clip_gradients(part, whole, lead, step) for part in parts]
        return [g for part, _ in clipped for g in part], torch.stack([norm for _, norm in clipped]).amax(0)
    axes = lead + (clip.per == "member")
    if len({gradient.shape[:axes] for gradient in gradients}) != 1:
        raise PluginError(f"step {step!r} clips per member, but its parameters' leading axes differ in length")
    each = [_norm(gradient, axes) for gradient in gradients]
    norms = torch.linalg.vector_norm(torch.stack(each), dim=0)
    scales = (clip.norm / (norms + 1e-6)).clamp(max=1.0)
    factors = [scales.view(*scales.shape, *[1] * (g.dim() - axes)) for g in gradients]
    return list(torch._foreach_mul(list(gradients), factors)), norms.amax(-1) if clip.per == "member" else norms


def _norm(gradient: Tensor, axes: int) -> Tensor:
    """2-norms over all but the first `axes` axes."""
    rest = tuple(range(axes, gradient.dim()))
    return torch.linalg.vector_norm(gradient, dim=rest) if rest else gradient.abs()
