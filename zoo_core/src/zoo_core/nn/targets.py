"""Target networks and elementary losses."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def target_copy(module: Module) -> Module:
    """A frozen copy, to be moved by a `Polyak` step."""
    return copy.deepcopy(module).requires_grad_(False)


def expectile_loss(error: Tensor, tau: float) -> Tensor:
    """|τ − 1(u < 0)| u², elementwise (Newey & Powell 1987; IQL, Kostrikov et al. 2022, Eq. 5)."""
    weight = (tau - (error < 0).float()).abs()
    return weight * error.square()
