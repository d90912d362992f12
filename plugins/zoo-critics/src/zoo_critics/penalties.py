"""The conservative penalty: which actions it evaluates, and what it makes of their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from zoo_critics.critic import JointCritic, Sweep
from zoo_critics.pieces import in_pieces, weighted_value, worth_cutting


class Candidates(NamedTuple):
    """Sampled actions of each agent and their log-densities. action [n, B, m, a], log_density [n, B, m]."""

    action: Tensor
    log_density: Tensor


def uniform_candidates(uniforms: Tensor, low: float, high: float, dims: Tensor) -> Candidates:
    """Uniform over the action box. uniforms [n, B, m, a] in [0, 1); dims [n, a] marks real action dimensions."""
    action = (low + (high - low) * uniforms) * dims[:, None, None]
    log_density = -dims.sum(-1) * math.log(high - low)
    return Candidates(action, log_density[:, None, None].expand(action.shape[:-1]))


def gaussian_candidates(
    policy: Tensor, normals: Tensor, std: float, low: float, high: float, dims: Tensor
) -> Candidates:
    """π(o) plus N(0, std²), clipped to the box; the density is that of the noise, as in the official code.

    policy [B, n, a], normals [n, B, m, a].
    """
    action = (policy.transpose(0, 1).unsqueeze(2) + std * normals).clamp(low, high) * dims[:, None, None]
    per_dim = -0.5 * normals.square() - math.log(std * math.sqrt(2 * math.pi))
    return Candidates(action, (per_dim * dims[:, None, None]).sum(-1))


def conservative_value(
    critic: JointCritic, sweeps: Sequence[Sweep], log_density: Sequence[Tensor], weights: Tensor, kind: str
) -> Tensor:
    """E_B Σ_g λ_g V_g for every head, with V_g = LSE_m(Q − log p) or, for `mean`, the average of Q over m.

    The candidates of a group are those of all sweeps together. log_density: [G, B, m] for each sweep; weights λ:
    [G, B] → [M].
    """
    sweep = Sweep.of(sweeps)
    evaluate = in_pieces if worth_cutting(sweep) else weighted_value
    return evaluate(sweep, critic.tail(), torch.cat(list(log_density)), weights, kind) / weights.shape[-1]
