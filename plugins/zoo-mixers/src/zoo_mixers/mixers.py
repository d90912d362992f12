"""The three mixers. Each maps values [B, n] and a state [B, s] to totals [B, m]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_core import Mixer


class Linear(Mixer):
    """OMCDA Eq. 1: Q_tot(o, a) = Σ_i w_i(o) Q_i(o_i, a_i) + b(o), w_i ≥ 0, for each of m totals.

    One ReLU layer of `hidden` units reads the state; its two heads give |w| (m × n) and b (m). OMCDA's return mixer
    has m = 1 (Eqs. 13, 15). Its constraint mixer (Eqs. 14, 16) is the same form with m = n, and stands in `zoo-omcda`.
    """

    def __init__(self, agents: int, state_size: int, outputs: int = 1, hidden: int = 64) -> None:
        super().__init__(agents, state_size, outputs)
        self.trunk = nn.Linear(state_size, hidden)
        self.to_weights = nn.Linear(hidden, outputs * agents)
        self.to_bias = nn.Linear(hidden, outputs)

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.relu(self.trunk(state))
        return self.to_weights(features).abs().unflatten(-1, (self.outputs, self.agents)), self.to_bias(features)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        w, b = self.weights(state)
        return (w * values.unsqueeze(-2)).sum(-1) + b


class VDN(Mixer):
    """Sunehag et al. 2018: the sum of the values, that is w = 1 and b = 0."""

    def __init__(self, agents: int, state_size: int) -> None:
        super().__init__(agents, state_size)

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        return state.new_ones(*state.shape[:-1], 1, self.agents), state.new_zeros(*state.shape[:-1], 1)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        return values.sum(-1, keepdim=True)


class QMIX(Mixer):
    """Rashid et al. 2018: Q_tot = |W₂(s)| ELU(|W₁(s)| Q + b₁(s)) + b₂(s).

    W₁ (n × embed) and W₂ (embed × 1) come from hypernetworks with one hidden layer of `hypernet` units, as the
    authors' later code has them; b₁ is linear in the state and b₂ a two-layer network of it.
    """

    def __init__(self, agents: int, state_size: int, embed: int = 32, hypernet: int = 64) -> None:
        super().__init__(agents, state_size)
        self.embed = embed
        self.hyper_w1 = nn.Sequential(nn.Linear(state_size, hypernet), nn.ReLU(), nn.Linear(hypernet, agents * embed))
        self.hyper_w2 = nn.Sequential(nn.Linear(state_size, hypernet), nn.ReLU(), nn.Linear(hypernet, embed))
        self.hyper_b1 = nn.Linear(state_size, embed)
        self.hyper_b2 = nn.Sequential(nn.Linear(state_size, embed), nn.ReLU(), nn.Linear(embed, 1))

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        w1 = self.hyper_w1(state).abs().unflatten(-1, (self.agents, self.embed))
        w2 = self.hyper_w2(state).abs()
        hidden = nn.functional.elu((values.unsqueeze(-1) * w1).sum(-2) + self.hyper_b1(state))
        return (hidden * w2).sum(-1, keepdim=True) + self.hyper_b2(state)
