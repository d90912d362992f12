"""Qatten (Yang et al. 2020): the total is linear in the agents' values, with attention weights that read the state."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_core import Mixer


class Qatten(Mixer):
    """Q_tot = c(s) + Σ_h w_h(s) Σ_i λ_{i,h}(s) Q_i with λ_{·,h} = softmax_i(k_{i,h}(s) · q_h(s) / √d) and w_h ≥ 0.

    A query q_h reads the whole state through two layers, c and w through two layers each. The paper's key of agent i
    reads that agent's slice of the state; a zoo mixer is not told which slice that is, so each agent's key reads the
    whole state through weights of its own.
    """

    def __init__(self, agents: int, state_size: int, heads: int = 4, embed: int = 32, hidden: int = 64) -> None:
        super().__init__(agents, state_size)
        self.heads, self.embed = heads, embed
        self.to_queries = two_layers(state_size, hidden, heads * embed)
        self.to_keys = nn.Linear(state_size, agents * heads * embed, bias=False)
        self.to_head_weights = two_layers(state_size, hidden, heads)
        self.to_constant = two_layers(state_size, embed, 1)

    def attention(self, state: Tensor) -> Tensor:
        """λ [B, n, h]: how much each agent counts in each head; sums to one over agents. state: [B, s]."""
        queries = self.to_queries(state).unflatten(-1, (1, self.heads, self.embed))
        keys = self.to_keys(state).unflatten(-1, (self.agents, self.heads, self.embed))
        return ((keys * queries).sum(-1) / self.embed**0.5).softmax(-2)

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """w [B, 1, n] ≥ 0 and b [B, 1], with which the total is w · Q + b. state: [B, s]."""
        head_weights = self.to_head_weights(state).abs().unsqueeze(-2)
        w = (self.attention(state) * head_weights).sum(-1)
        return w.unsqueeze(-2), self.to_constant(state)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        """values [B, n], state [B, s] → total [B, 1]."""
        w, b = self.weights(state)
        return (w * values.unsqueeze(-2)).sum(-1) + b


def two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
