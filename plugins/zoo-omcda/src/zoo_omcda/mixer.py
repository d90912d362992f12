"""The constraint's mixers, n outputs for n agents (OMCDA Eqs. 14 and 16).

    Q^{c,i}(o, a) = Σ_j w^{c,i}_j(o) Q^c_j(o_j, a_j) + b^{c,i}(o)

The return's mixer (Eqs. 13, 15) is whichever linear one the user chose.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_core import Mixer, TeamSpec
from zoo_critics import joint_state_size


class ConstraintMixer(Mixer):
    """|w^c| (n × n) and b^c (n) from one hidden ReLU layer of the joint state."""

    def __init__(self, team: TeamSpec, hidden: int) -> None:
        super().__init__(team.n, joint_state_size(team), team.n)
        self.trunk = nn.Linear(self.state_size, hidden)
        self.to_weights = nn.Linear(hidden, team.n * team.n)
        self.to_bias = nn.Linear(hidden, team.n)
        per_agent = torch.arange(team.n).repeat_interleave(team.state_size)
        of_obs = torch.arange(team.n).repeat_interleave(torch.tensor(team.obs_sizes))
        owners = {"per_agent": per_agent, "concat_obs": of_obs}.get(team.state_kind)
        self._owners = None if owners is None else owners.tolist()

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """State [B, S] → w^c [B, n, n] ≥ 0 and b^c [B, n]."""
        features = torch.relu(self.trunk(state))
        return self.to_weights(features).abs().unflatten(-1, (self.agents, self.agents)), self.to_bias(features)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        return mixed(*self.weights(state), values)

    @torch.no_grad()
    def exchange(self, order: Sequence[int]) -> None:
        """Place i takes what place `order[i]` held: its total, its values' weights, its columns of the state."""
        index, n = torch.as_tensor(order, device=self.trunk.weight.device), self.agents
        for tensor in (self.to_weights.weight, self.to_weights.bias):
            square = tensor.view(n, n, *tensor.shape[1:])
            square.copy_(square[index][:, index].clone())
        for tensor in (self.to_bias.weight, self.to_bias.bias):
            tensor.copy_(tensor[index])
        if self._owners is not None:
            columns = [k for agent in order for k, owner in enumerate(self._owners) if owner == agent]
            self.trunk.weight.copy_(self.trunk.weight[:, columns])


class OwnConstraint(Mixer):
    """w^{c,i}_j = 1 if i = j else 0, b^c = 0: Eq. 11 for each agent alone. Nothing to learn."""

    def __init__(self, team: TeamSpec) -> None:
        super().__init__(team.n, joint_state_size(team), team.n)

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        own = torch.eye(self.agents, dtype=state.dtype, device=state.device)
        return own.expand(len(state), -1, -1), state.new_zeros(len(state), self.agents)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        return values


def mixed(weights: Tensor, bias: Tensor, values: Tensor) -> Tensor:
    """w [B, m, n], b [B, m], values [B, n] → w · values + b, [B, m]."""
    return torch.baddbmm(bias.unsqueeze(-1), weights, values.unsqueeze(-1)).squeeze(-1)
