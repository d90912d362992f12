"""Networks with a leading member axis: the heads of an ensemble, or agents that share no parameters.

One batched matrix product per layer serves every member, and clipping per member (`Clip(per="member")`) reads the
leading axis of each parameter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["none", "layer", "batch"]


class StackedLinear(nn.Module):
    """M independent linear layers: x [M, B, i] → [M, B, o]. Initialised as `nn.Linear`: U(±1/√i)."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class StackedLayerNorm(nn.Module):
    """Layer normalisation (Ba et al. 2016) with one affine map per member."""

    def __init__(self, members: int, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, features))
        self.bias = nn.Parameter(torch.zeros(members, 1, features))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], eps=self.eps) * self.weight + self.bias


class StackedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) with one set of statistics per member.

    In training it normalises by the batch's own mean and (biased) variance and moves the running ones by `momentum`;
    in evaluation it uses the running ones.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, members: int, features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(members, 1, features))
        self.bias = nn.Parameter(torch.zeros(members, 1, features))
        self.register_buffer("running_mean", torch.zeros(members, 1, features))
        self.register_buffer("running_var", torch.ones(members, 1, features))
        self.eps, self.momentum = eps, momentum

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            mean = x.mean(-2, keepdim=True)
            centred = x - mean
            var = centred.square().mean(-2, keepdim=True)  # `var` itself takes ten times as long down columns
            with torch.no_grad():
                rows, keep = x.shape[-2], 1.0 - self.momentum
                # Not lerp_, which cannot be mapped over seeds at speed.
                self.running_mean.mul_(keep).add_(mean, alpha=self.momentum)
                self.running_var.mul_(keep).add_(var, alpha=self.momentum * rows / max(rows - 1, 1))
        else:
            centred, var = x - self.running_mean, self.running_var
        return torch.addcmul(self.bias, centred, torch.rsqrt(var + self.eps) * self.weight)


class StackedMLP(nn.Module):
    """M independent perceptrons with ReLU: x [M, B, i] (or [B, i], shown to every member) → [M, B, o].

    `norm` normalises the input (`batch`, as the CFCQL family's official code does) or every hidden layer (`layer`).
    """

    def __init__(
        self,
        members: int,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        *,
        norm: Norm = "none",
        last_init: float | None = None,
    ) -> None:
        """`last_init`: initialise the last layer's weights from U(±last_init) instead."""
        super().__init__()
        self.members = members
        sizes = [inputs, *hidden]
        self.input_norm = StackedBatchNorm(members, inputs) if norm == "batch" else nn.Identity()
        self.layers = nn.ModuleList(StackedLinear(members, i, o) for i, o in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(StackedLayerNorm(members, o) if norm == "layer" else nn.Identity() for o in hidden)
        self.last = StackedLinear(members, sizes[-1], outputs)
        if last_init is not None:
            nn.init.uniform_(self.last.weight, -last_init, last_init)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 2:
            x = x.expand(self.members, *x.shape)
        x = self.input_norm(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = norm(layer(x)).relu_()
        out: Tensor = self.last(x)
        return out
