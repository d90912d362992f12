"""The penalty's sum over tens of thousands of candidates, cut into pieces that stay in the processor's cache.

`weighted_value` is the mathematics. Evaluated for all heads and rows at once it writes and reads each activation from
main memory many times over, which on a CPU costs more than its arithmetic. `in_pieces` evaluates it one head and a few
rows at a time, takes each piece's gradient at once, and keeps no activation: the sum's gradient with respect to every
parameter is complete when its value is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from zoo_core.nn import compilable
from zoo_critics.critic import Sweep, Tail

PIECE_BYTES = 512 * 1024
"""Activations of one layer in one piece: several such tensors fit a core's second-level cache of 2 MB."""


def weighted_value(sweep: Sweep, tail: Tail, log_density: Tensor, weights: Tensor, kind: str) -> Tensor:
    """Σ_B Σ_g λ_g V_g for every head: V_g = LSE(Q − log p) (`lse`) or the mean of Q (`mean`) over g's candidates, [M].

    `weights` λ [G, B]; the sweep has V·G groups, those of V kinds of candidates one after the other; log_density
    [V·G, B, m].
    """
    value = sweep.values(tail)  # [M, V·G, B, m]
    if kind == "lse":
        value = value - log_density
    value = value.unflatten(1, (-1, len(weights))).movedim(1, -2).flatten(-2)  # [M, G, B, V·m]
    value = torch.logsumexp(value, -1) if kind == "lse" else value.mean(-1)
    return (weights * value).sum((1, 2))


def worth_cutting(sweep: Sweep) -> bool:
    """Whether the activations outgrow the cache of a CPU; a GPU takes everything at once."""
    return sweep.rest.device.type == "cpu" and _row_bytes(sweep) * sweep.rest.shape[2] * len(sweep.rest) > PIECE_BYTES


def in_pieces(sweep: Sweep, tail: Tail, log_density: Tensor, weights: Tensor, kind: str, rows: int = 0) -> Tensor:
    """`weighted_value`, in pieces of one head and `rows` rows (0: as many as fit). Log-density and λ get no gradient."""
    if not rows:
        rows = 1 << max(0, (PIECE_BYTES // _row_bytes(sweep)).bit_length() - 1)
    rest, action, weight = sweep
    data = action, log_density, weights
    value: Tensor = _Pieces.apply(kind, rows, *data, rest, weight, *tail[:4], *tail.norms)[0]
    return value


class _Pieces(torch.autograd.Function):
    """Value and gradients in one sweep over the pieces; the gradients are outputs until `backward` scales them."""

    @staticmethod
    def forward(kind: str, rows: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        action, log_density, weights, rest, *parameters = tensors
        heads, batch = len(rest), rest.shape[2]
        value, rest_gradient = rest.new_zeros(heads), torch.empty_like(rest)
        gradients = [torch.zeros_like(p) for p in parameters]
        for j in range(heads):
            of_head = [p[j : j + 1] for p in parameters]
            for start in range(0, batch, rows):
                cut = slice(start, start + rows)
                data = action[:, cut], log_density[:, cut], weights[:, cut]
                piece, (of_rest, *found) = _value_and_gradient(kind, *data, rest[j : j + 1, :, cut], *of_head)
                value[j] += piece
                rest_gradient[j : j + 1, :, cut] = of_rest
                for total, gradient in zip(gradients, found, strict=True):
                    total[j : j + 1] += gradient
        return value, rest_gradient, *gradients

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, *gradients = output
        ctx.mark_non_differentiable(*gradients)
        ctx.save_for_backward(*gradients)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: None) -> tuple[Tensor | None, ...]:
        scaled = [g * upstream.view(-1, *[1] * (g.dim() - 1)) for g in ctx.saved_tensors]
        return None, None, None, None, None, *scaled

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Several seeds: one after the other, so that each has the cache to itself."""
        outputs = []
        for seed in range(info.batch_size):
            one = [a if d is None else a.select(d, seed) for a, d in zip(args, in_dims, strict=True)]
            outputs.append(_Pieces.apply(*one))
        stacked = tuple(torch.stack(parts) for parts in zip(*outputs, strict=True))
        return stacked, (0,) * len(stacked)


@compilable
def _value_and_gradient(
    kind: str, action: Tensor, log_density: Tensor, weights: Tensor, *parameters: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Value of one piece, and its gradient with respect to `parameters`: rest, first-layer columns, tail."""

    def value(*parameters: Tensor) -> Tensor:
        rest, weight, *tail = parameters
        return weighted_value(
            Sweep(rest, action, weight), Tail(*tail[:4], tuple(tail[4:])), log_density, weights, kind
        ).sum()

    gradients, found = torch.func.grad_and_value(value, argnums=tuple(range(len(parameters))))(*parameters)
    return found, gradients


def _row_bytes(sweep: Sweep) -> int:
    """One layer's activations for one row of one head."""
    groups, _, candidates, _ = sweep.action.shape
    return groups * candidates * sweep.rest.shape[-1] * 4
