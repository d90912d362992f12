"""The team's deterministic policies: one network per agent, no parameters shared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_core import TeamSpec
from zoo_core.nn import Norm, StackedMLP
from zoo_critics.decomposed import own_dims


class TeamActor(nn.Module):
    """π_i(o_i) for all agents: obs [B, n, o] → joint action [B, n, a] within the team's bounds.

    Two hidden layers, tanh, last weights from U(±0.003) (CFCQL utils/networks.py). Padded action dimensions are 0.
    """

    dims: Tensor

    def __init__(self, team: TeamSpec, hidden: int, norm: Norm) -> None:
        super().__init__()
        self.net = StackedMLP(team.n, team.obs_size, (hidden, hidden), team.action_size, norm=norm, last_init=3e-3)
        self.centre = (team.action_high + team.action_low) / 2
        self.reach = (team.action_high - team.action_low) / 2
        self.register_buffer("dims", own_dims(team).float(), persistent=False)

    def forward(self, obs: Tensor) -> Tensor:
        raw = torch.tanh(self.net(obs.transpose(0, 1))).transpose(0, 1)
        return (self.centre + self.reach * raw) * self.dims

    def clamp(self, action: Tensor) -> Tensor:
        """Actions back into their bounds; padded dimensions back to 0. `action`: [..., n, a]."""
        return action.clamp(self.centre - self.reach, self.centre + self.reach) * self.dims

    def to_unit(self, action: Tensor) -> Tensor:
        """Actions scaled from the team's bounds to (−1, 1). `action`: [..., n, a]."""
        return (action - self.centre) / self.reach * self.dims
