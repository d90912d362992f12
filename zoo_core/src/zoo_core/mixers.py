"""The contract of a mixer: per-agent values and a state to a team value."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class Mixer(nn.Module):
    """`mix(values [B, n], state [B, s]) -> total [B, m]`, m = `outputs`.

    A *linear* mixer is `total = w(state) · values + b(state)` and also gives w and b; a *monotone* one never
    decreases in any value.
    """

    def __init__(self, agents: int, state_size: int, outputs: int = 1) -> None:
        super().__init__()
        self.agents, self.state_size, self.outputs = agents, state_size, outputs

    @abstractmethod
    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        """values [B, n], state [B, s] → total [B, m]."""

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """w [B, m, n] ≥ 0 and b [B, m] of a linear mixer."""
        raise NotImplementedError(f"{type(self).__name__} is not linear: it has no weights(state)")

    def forward(self, values: Tensor, state: Tensor) -> Tensor:
        return self.mix(values, state)
