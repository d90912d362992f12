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

PIECE_BYTES = 1024 * 1024
"""Activations of one layer in one piece, for a second-level cache of 2 MB: smaller pieces cost more calls, larger ones
leave the cache."""


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
    """`weighted_value`, in pieces of one head and `rows` rows (0: as many as fit). No gradient to log p and λ."""
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
        cuts = [slice(start, start + rows) for start in range(0, batch, rows)]
        data = [(action[:, cut], log_density[:, cut], weights[:, cut]) for cut in cuts]
        for j in range(heads):
            head = slice(j, j + 1)
            of_head, total = [p[head] for p in parameters], [value[j], *(g[head] for g in gradients)]
            for cut, given in zip(cuts, data, strict=True):
                piece, (of_rest, *found) = _value_and_gradient(kind, *given, rest[head, :, cut], *of_head)
                rest_gradient[head, :, cut] = of_rest
                torch._foreach_add_(total, [piece, *found])
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
    """`weighted_value` of one piece of one head; its gradient with respect to rest, first-layer columns and tail."""
    if len(parameters) > 6:
        return _by_autograd(kind, action, log_density, weights, *parameters)
    return _by_hand(kind, action, log_density, weights, *parameters)


def _by_autograd(
    kind: str, action: Tensor, log_density: Tensor, weights: Tensor, *parameters: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """For any network."""

    def value(*parameters: Tensor) -> Tensor:
        rest, weight, *tail = parameters
        sweep = Sweep(rest, action, weight)
        return weighted_value(sweep, Tail(*tail[:4], tuple(tail[4:])), log_density, weights, kind).sum()

    gradients, found = torch.func.grad_and_value(value, argnums=tuple(range(len(parameters))))(*parameters)
    return found, gradients


def _by_hand(
    kind: str,
    action: Tensor,
    log_density: Tensor,
    weights: Tensor,
    rest: Tensor,
    weight: Tensor,
    second_weight: Tensor,
    second_bias: Tensor,
    last_weight: Tensor,
    last_bias: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """For networks without normalisation after the first layer: fewest passes over the activations, reused in place."""
    groups, rows, samples, _ = action.shape
    width = rest.shape[-1]
    own, w1, w2, w3 = action.flatten(1, 2), weight[0], second_weight[0], last_weight[0, :, 0]
    # Forward: two hidden layers h1, h2 [G·R·m, H] and Q.
    h1 = torch.bmm(own, w1).view(groups, rows, samples, width)
    h1 = h1.add_(rest[0].unsqueeze(2)).relu_().view(-1, width)
    h2 = torch.addmm(second_bias[0], h1, w2).relu_()
    q = torch.addmv(last_bias[0, 0], h2, w3).view(groups, rows, samples)
    value, dq = _reduce(kind, q, log_density, weights)
    # Backward: d2, d1 are the gradients before each relu.
    dw3 = torch.mv(h2.T, dq)
    d2 = _through_relu(torch.outer(dq, w3), h2)
    d1 = _through_relu(torch.mm(d2, w2.T), h1).view(groups, rows * samples, width)
    drest = d1.view(groups, rows, samples, width).sum(2)
    if rest.shape[1] < groups:  # one for all groups
        drest = drest.sum(0, keepdim=True)
    dw1 = torch.bmm(own.transpose(1, 2), d1)
    db2 = torch.mv(d2.T, torch.ones_like(dq))
    gradients = drest, dw1, torch.mm(h1.T, d2), db2.unsqueeze(0), dw3.unsqueeze(1), dq.sum().view(1, 1)
    return value, tuple(g.unsqueeze(0) for g in gradients)


def _reduce(kind: str, q: Tensor, log_density: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted sum over groups and rows, and its gradient with respect to Q (flat). q: [V·G, R, m]."""
    groups = len(weights)
    if kind == "mean":
        share = weights / (q.numel() / weights.numel())
        dq = share.repeat(len(q) // groups, 1).unsqueeze(-1).expand_as(q)
        return (dq * q).sum(), dq.reshape(-1)
    corrected = (q - log_density).unflatten(0, (-1, groups))  # [V, G, R, m]
    largest = corrected.amax((0, -1), keepdim=True)
    terms = torch.exp(corrected - largest)
    total = terms.sum((0, -1), keepdim=True)
    soft_maximum = (largest + total.log()).view(weights.shape)
    return (weights * soft_maximum).sum(), (terms * (weights.unsqueeze(-1) / total)).flatten()


def _through_relu(gradient: Tensor, output: Tensor) -> Tensor:
    """The gradient before a relu, given the relu's output; written over the gradient."""
    return torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)


def _row_bytes(sweep: Sweep) -> int:
    """One layer's activations for one row of one head."""
    groups, _, candidates, _ = sweep.action.shape
    return groups * candidates * sweep.rest.shape[-1] * 4
