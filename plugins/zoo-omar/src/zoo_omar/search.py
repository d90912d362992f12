"""The cross-entropy search for an action that a critic values more than the policy's (OMAR, Section 3.2).

A normal distribution over the action box starts wide at its centre; in every round actions are drawn from it, valued,
and it moves to where values are high. It works in actions scaled to (−1, 1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from zoo_omar.config import OMARConfig

Value = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Scaled actions [n, B, m, a] → the actions themselves [n, B, m, a] and their values [n, B, m]."""


def best_action(value: Value, normals: Tensor, config: OMARConfig) -> tuple[Tensor, Tensor]:
    """The best action found and its value: normals [rounds, n, B, m, a] → [n, B, a], [n, B].

    The best of the last round, which with elites chooses among those of the round before too, or of all rounds.
    """
    c, kept = config, (torch.empty(0), torch.empty(0), torch.empty(0))
    mean, deviation = torch.zeros_like(normals[0, :, :, :1]), torch.full_like(normals[0, :, :, :1], c.search_start)
    for number, drawn in enumerate(normals):
        unit = torch.addcmul(mean, deviation, drawn).clamp(-1.0, 1.0)
        action, q = value(unit)
        if c.search == "softmax":
            mean, deviation = soft_moments(unit, q, c.search_temperature)
        pool = (unit, action, q)
        if number and (c.search == "elites" or c.search_keep == "all"):
            pool = tuple(torch.cat(pair, 2) for pair in zip(pool, kept, strict=True))
        kept = best_of(*pool, k=c.search_elites if c.search == "elites" else 1)
        if c.search == "elites":
            mean, deviation = kept[0].mean(2, keepdim=True), kept[0].std(2, keepdim=True)
        deviation = deviation.clamp(min=c.search_floor)
    _, action, q = kept
    return action[:, :, 0], q[:, :, 0]


def soft_moments(unit: Tensor, q: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Mean of actions [n, B, m, a] weighted by softmax of q / temperature, and their deviation from it: [n, B, 1, a].

    Every sample counts alike in the deviation: weighted as the mean is, it would vanish once one sample has all weight.
    """
    weight = ((q - q.amax(2, keepdim=True)) / temperature).exp()  # softmax itself is slow over so few
    weight = (weight / weight.sum(2, keepdim=True)).unsqueeze(-1)
    mean = (weight * unit).sum(2, keepdim=True)
    return mean, (unit - mean).square().mean(2, keepdim=True).sqrt()


def best_of(unit: Tensor, action: Tensor, q: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k of m samples with the highest values, best first: [n, B, m, a], [n, B, m, a], [n, B, m]."""
    q, index = q.max(2, keepdim=True) if k == 1 else q.topk(k, dim=2)  # topk takes several times as long for one
    index = index.unsqueeze(-1).expand(*index.shape, unit.shape[-1])
    return unit.gather(2, index), action.gather(2, index), q
