"""exp z, for any z."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def steady_exp(z: Tensor, limit: float) -> Tensor:
    """exp z up to `limit`, beyond it its tangent there: finite for any z, convex, with a gradient everywhere.

    Clamping z instead would take the gradient away where Q exceeds V most, and leave the linear term of Eq. 25 alone:
    V would fall for ever.
    """
    tangent = math.exp(limit) * (1.0 + z - limit)
    return torch.where(z <= limit, z.clamp(max=limit).exp(), tangent)
