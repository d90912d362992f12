"""Random numbers for policies that sample as they act."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def normal_rows(shape: tuple[int, ...], generator: torch.Generator | None, like: Tensor) -> Tensor:
    """Standard normal numbers [E, …], one row for each copy of the environment; zeros if there is no generator.

    Rows are independent, so episodes are, and no row depends on how many there are. `like` gives dtype and device.
    """
    if generator is None:
        return like.new_zeros(shape)
    # torch draws in blocks of 16, and a last block that is not full in another way.
    size = math.prod(shape[1:])
    drawn = torch.randn(shape[0], -(-size // 16) * 16, generator=generator, device=generator.device)
    return drawn[:, :size].reshape(shape).to(like)
