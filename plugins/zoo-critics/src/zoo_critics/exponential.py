"""exp z, for any z: weights of cloning and losses of values have exponents as large as values are wrong."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def steady_exp(z: Tensor, limit: float) -> Tensor:
    """exp z up to `limit`, beyond it its tangent there: finite for any z, convex, with a gradient everywhere.

    Clamping z instead would take the gradient away where Q exceeds V most, and leave alone the term that pushes V down
    (OMIGA's and OMCDA's Eq. 25): V would fall for ever.
    """
    tangent = math.exp(limit) * (1.0 + z - limit)
    return torch.where(z <= limit, z.clamp(max=limit).exp(), tangent)
