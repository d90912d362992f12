"""Partial action replacement: some agents act by their policies, the others as logged."""

from __future__ import annotations

import torch
from torch import Tensor


def partial_replacement(logged: Tensor, policy: Tensor, replaced: Tensor) -> Tensor:
    """a'^(k) of SPaCQL, Algorithm 1 line 9: `policy` where an agent is replaced, `logged` elsewhere.

    logged, policy: [B, n, a]; replaced: bool [..., B, n] → [..., B, n, a].
    """
    return torch.where(replaced.unsqueeze(-1), policy, logged)


def uniform_subsets(uniforms: Tensor) -> Tensor:
    """For every k = 1..n one k-subset of the agents, uniform over all of them (Algorithm 1, line 7).

    uniforms: [n, B, n] in [0, 1); the k agents whose numbers are smallest in row k − 1 are in. Returns bool [n, B, n].
    """
    n = uniforms.shape[-1]
    rank = uniforms.argsort(-1).argsort(-1)
    size = torch.arange(1, n + 1, device=uniforms.device).view(n, 1, 1)
    return rank < size


def singletons(agents: int, batch: int, device: torch.device | None = None) -> Tensor:
    """Every agent replaced alone: bool [n, B, n] (ICQL-QS, Eq. 1)."""
    return torch.eye(agents, dtype=torch.bool, device=device).unsqueeze(1).expand(agents, batch, agents)
