"""The cross-entropy search of OMAR (Pan et al. 2022, Section 3.2) with elites, over all agents and rows at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Value = Callable[[Tensor], Tensor]
"""Actions scaled to (−1, 1), [B, n, m, a] → their values [B, n, m]."""


def best_action(value: Value, normals: Tensor, elites: int, start: float) -> tuple[Tensor, Tensor]:
    """The best action found, in (−1, 1), and its value: normals [rounds, B, n, m, a] → [B, n, a], [B, n].

    Every round draws from a normal distribution, first N(0, start²), and fits it to the best of what it and the round
    before have seen.
    """
    mean, deviation = torch.zeros_like(normals[0, :, :, :1]), torch.full_like(normals[0, :, :, :1], start)
    kept: tuple[Tensor, Tensor] | None = None
    for drawn in normals:
        unit = (mean + deviation * drawn).clamp(-1.0, 1.0)
        q = value(unit)
        if kept is not None:
            unit, q = torch.cat((unit, kept[0]), 2), torch.cat((q, kept[1]), 2)
        q, index = q.topk(elites, dim=2)
        unit = unit.gather(2, index.unsqueeze(-1).expand(*index.shape, unit.shape[-1]))
        mean, deviation, kept = unit.mean(2, keepdim=True), unit.std(2, keepdim=True), (unit, q)
    assert kept is not None
    return kept[0][:, :, 0], kept[1][:, :, 0]
