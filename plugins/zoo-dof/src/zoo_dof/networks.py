"""Networks that guess the noise in an agent's own data: one for each agent, or one that all agents share.

Data is [B, n, …]. A network has M = n members, or M = 1 when it is shared: agents are then further rows of it. Every
parameter's leading axis counts the members.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo_core.nn import StackedLinear, StackedMLP

SMALLEST_DEVIATION = 1e-4

GROUPS = 8
"""Groups of channels that the U-net normalises together."""


def sinusoid(level: Tensor, size: int) -> Tensor:
    """Sines and cosines of a level of noise, [*] → [*, size] (Vaswani et al. 2017), size even and at least 4."""
    half = size // 2
    rates = torch.exp(-math.log(10_000.0) / (half - 1) * torch.arange(half, device=level.device))
    angle = level.unsqueeze(-1).float() * rates
    return torch.cat((angle.sin(), angle.cos()), -1)


class StackedConv(nn.Module):
    """M independent convolutions along time: x [B, M, i, T] → [B, M, o, T']."""

    def __init__(
        self, members: int, inputs: int, outputs: int, kernel: int, *, stride: int = 1, transposed: bool = False
    ) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs * kernel)
        channels = (inputs, outputs) if transposed else (outputs, inputs)
        self.weight = nn.Parameter(torch.empty(members, *channels, kernel).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound))
        self.stride, self.padding, self.transposed = stride, (kernel - 1) // 2, transposed

    def forward(self, x: Tensor) -> Tensor:
        members = len(self.bias)
        convolve = functional.conv_transpose1d if self.transposed else functional.conv1d
        out = convolve(
            x.flatten(1, 2),
            self.weight.flatten(0, 1),
            self.bias.flatten(),
            stride=self.stride,
            padding=self.padding,
            groups=members,
        )
        return out.unflatten(1, (members, -1))


class ConvBlock(nn.Module):
    """Convolution, group normalisation, Mish: x [B, M, i, T] → [B, M, o, T]."""

    def __init__(self, members: int, inputs: int, outputs: int, kernel: int = 5) -> None:
        super().__init__()
        self.conv = StackedConv(members, inputs, outputs, kernel)
        self.scale = nn.Parameter(torch.ones(members, outputs))
        self.shift = nn.Parameter(torch.zeros(members, outputs))
        self.groups = math.gcd(GROUPS, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        members = x.shape[1]
        found = functional.group_norm(
            x.flatten(1, 2), members * self.groups, self.scale.flatten(), self.shift.flatten()
        )
        return functional.mish(found).view(x.shape)


class ResidualBlock(nn.Module):
    """Two blocks with the condition added between them, beside a 1 × 1 convolution. Condition: [B, M, c]."""

    def __init__(self, members: int, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first, self.second = ConvBlock(members, inputs, outputs), ConvBlock(members, outputs, outputs)
        self.condition = StackedLinear(members, condition, outputs)
        self.beside = StackedConv(members, inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift = self.condition(functional.mish(condition).transpose(0, 1)).transpose(0, 1)
        found: Tensor = self.second(self.first(x) + shift.unsqueeze(-1)) + self.beside(x)
        return found


class TemporalUNet(nn.Module):
    """A U-net along time (Janner et al. 2022; Ajay et al. 2023): x [B, M, T, f] → [B, M, T, f].

    `widths` are the channels of its levels; between two of them time is halved, so T must be divisible by
    2^(levels − 1).
    """

    def __init__(self, members: int, features: int, widths: Sequence[int], condition: int) -> None:
        super().__init__()
        sizes = [features, *widths]
        self.down, self.shorter = nn.ModuleList(), nn.ModuleList()
        for i, o in itertools.pairwise(sizes):
            self.down.append(_pair(members, i, o, condition))
        for width in widths[:-1]:
            self.shorter.append(StackedConv(members, width, width, 3, stride=2))
        self.middle = _pair(members, widths[-1], widths[-1], condition)
        self.up, self.longer = nn.ModuleList(), nn.ModuleList()
        for o, i in reversed(list(itertools.pairwise(widths))):
            self.up.append(_pair(members, 2 * i, o, condition))
            self.longer.append(StackedConv(members, o, o, 4, stride=2, transposed=True))
        self.last = nn.Sequential(
            ConvBlock(members, widths[0], widths[0]), StackedConv(members, widths[0], features, 1)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        x = x.transpose(2, 3)
        kept = []
        for level, pair in enumerate(self.down):
            x = _through(pair, x, condition)
            kept.append(x)
            if level < len(self.shorter):
                x = self.shorter[level](x)
        x = _through(self.middle, x, condition)
        for pair, longer in zip(self.up, self.longer, strict=True):
            x = longer(_through(pair, torch.cat((x, kept.pop()), 2), condition))
        found: Tensor = self.last(x).transpose(2, 3)
        return found


class FlatNet(nn.Module):
    """A perceptron of the whole plan: x [B, M, T, f] → [B, M, T, f]. The condition is a further input."""

    def __init__(self, members: int, horizon: int, features: int, hidden: Sequence[int], condition: int) -> None:
        super().__init__()
        size = horizon * features
        self.net = StackedMLP(members, size + condition, hidden, size)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        rows = torch.cat((x.flatten(2), condition), -1).transpose(0, 1)
        found: Tensor = self.net(rows).transpose(0, 1).reshape(x.shape)
        return found


def _pair(members: int, inputs: int, outputs: int, condition: int) -> nn.ModuleList:
    """Two residual blocks, one after the other."""
    return nn.ModuleList(
        (ResidualBlock(members, inputs, outputs, condition), ResidualBlock(members, outputs, outputs, condition))
    )


def _through(blocks: nn.ModuleList, x: Tensor, condition: Tensor) -> Tensor:
    for block in blocks:
        x = block(x, condition)
    return x


class Denoiser(nn.Module):
    """ε_i(x_i, t, y_i): every agent's guess at the noise in its own plan, at a level t and for a label y_i.

    The label is what the plan shall bring. Where it is not to be heeded, a learned embedding that stands for none takes
    its place, which is not the embedding of any label.
    """

    def __init__(self, members: int, net: nn.Module, embedding: int) -> None:
        """`net(x, condition)` with a condition of size 2 · `embedding`."""
        super().__init__()
        self.members, self.net, self.embedding = members, net, embedding
        self.level = StackedMLP(members, embedding, (4 * embedding,), embedding)
        self.label = StackedMLP(members, 1, (4 * embedding,), embedding)
        self.none = nn.Parameter(torch.randn(members, embedding))

    def forward(self, noisy: Tensor, level: Tensor, label: Tensor, heed: Tensor) -> Tensor:
        """noisy [B, n, T, f], level [B], label [B, n], heed [B, n] bool → the noise [B, n, T, f]."""
        level = level.unsqueeze(-1).expand_as(label)
        if self.members == 1:  # agents are further rows
            level, label, heed, x = (v.flatten(0, 1).unsqueeze(1) for v in (level, label, heed, noisy))
        else:
            x = noisy
        of_level = _each(self.level, sinusoid(level, self.embedding))
        of_label = torch.where(heed.unsqueeze(-1), _each(self.label, label.unsqueeze(-1)), self.none)
        found: Tensor = self.net(x, torch.cat((of_level, of_label), -1)).reshape(noisy.shape)
        return found


class Standard(nn.Module):
    """Observations with every feature of every agent shifted and scaled by its mean and deviation in the data."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        # A feature that never varies is only shifted.
        self.register_buffer("scale", torch.where(deviation > SMALLEST_DEVIATION, deviation, 1.0))

    def forward(self, obs: Tensor) -> Tensor:
        """obs [..., n, o] → the same shape."""
        return (obs - self.mean) / self.scale


def _each(net: StackedMLP, x: Tensor) -> Tensor:
    """Every member's own rows: [B, M, i] → [B, M, o]."""
    found: Tensor = net(x.transpose(0, 1)).transpose(0, 1)
    return found
