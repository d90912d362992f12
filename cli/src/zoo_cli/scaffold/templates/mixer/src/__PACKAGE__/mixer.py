"""Shares of credit: Q_tot(s, q) = n · Σ_i c_i(s) q_i + b(s), where c = softmax(W s) and b is a small network.

The shares are positive and sum to one, so the total never falls when an agent's value rises (it is monotone), and with
equal shares it is the plain sum of the values (VDN, Sunehag et al. 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_core import Mixer


class __CLASS__(Mixer):
    def __init__(self, agents: int, state_size: int, hidden: int = 32) -> None:
        super().__init__(agents, state_size)
        self.shares = nn.Linear(state_size, agents)
        self.offset = nn.Sequential(nn.Linear(state_size, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """state [B, s] → w [B, 1, n] ≥ 0 and b [B, 1]: what the trait "linear" promises."""
        credit = self.agents * torch.softmax(self.shares(state), dim=-1)
        return credit.unsqueeze(-2), self.offset(state)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        """values [B, n], state [B, s] → total [B, 1]."""
        w, b = self.weights(state)
        return (w * values.unsqueeze(-2)).sum(-1) + b
