"""Policies of a decomposed team, one set of weights for all agents or one each: tanh-normal or categorical.

Their densities are what weighted cloning, KL divergences and entropies are made of; `decomposed` has the critics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_core import TeamSpec
from zoo_critics.decomposed import AgentNet

MEAN = (-9.0, 9.0)
"""Bounds of a tanh-normal's mean, before tanh (OMIGA networks/network.py)."""

LOG_STD = (-5.0, 2.0)
"""Bounds of its log-deviation (the same)."""


def policy_of(
    team: TeamSpec, hidden: Sequence[int], share: bool = True, edge: float = 1e-6
) -> TanhNormalPolicy | CategoricalPolicy:
    """The stochastic policy that fits the team's actions; `edge`: see `TanhNormalPolicy`."""
    return CategoricalPolicy(team, hidden, share) if team.discrete else TanhNormalPolicy(team, hidden, share, edge)


class TanhNormalPolicy(nn.Module):
    """π_i(· | o_i) = tanh(N(μ_i, σ_i²)), scaled to the team's bounds; μ and log σ from two heads of one network.

    Both are clamped wherever they are used. Padded action dimensions are 0 and have no density.
    """

    dims: Tensor

    def __init__(self, team: TeamSpec, hidden: Sequence[int], share: bool = True, edge: float = 1e-6) -> None:
        """`edge`: logged actions, in (−1, 1), are taken to be at most 1 − edge in size: tanh does not reach its bounds.

        Where data was clipped to them, a small edge puts all those actions far out, and they pull the mean along.
        """
        super().__init__()
        self.net = AgentNet(team, team.obs_size, hidden, 2 * team.action_size, share)
        self.edge = edge
        self.centre = (team.action_high + team.action_low) / 2
        self.reach = (team.action_high - team.action_low) / 2
        dims = torch.arange(team.action_size) < torch.tensor(team.action_sizes).unsqueeze(-1)
        self.register_buffer("dims", dims.float(), persistent=False)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """obs [B, n, o] → mean and log-deviation before tanh, [B, n, a] each. Padded dimensions: μ = 0, σ = 1."""
        mean, log_std = self.net(obs).chunk(2, -1)
        return mean.clamp(*MEAN) * self.dims, log_std.clamp(*LOG_STD) * self.dims

    def log_density(self, obs: Tensor, action: Tensor) -> Tensor:
        """log π_i(a_i | o_i), over each agent's own dimensions: obs [B, n, o], action [B, n, a] → [B, n]."""
        return self.log_density_of(*self(obs), action)

    def log_density_of(self, mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
        """The same of what `forward` gave: all [..., n, a] → [..., n]."""
        unit = ((action - self.centre) / self.reach).clamp(self.edge - 1.0, 1.0 - self.edge)
        raw = torch.atanh(unit)
        per_dim = normal_log_density(raw, mean, log_std) - log_tanh_slope(raw) - math.log(self.reach)
        return (per_dim * self.dims).sum(-1)

    def sample(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Actions in the team's bounds: obs [B, n, o], standard normals [..., B, n, a] → [..., B, n, a]."""
        return self.sample_of(*self(obs), noise)

    def sample_of(self, mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
        """The same of what `forward` gave."""
        return self.bound(mean + log_std.exp() * noise)

    def mode(self, obs: Tensor) -> Tensor:
        """tanh μ in the team's bounds: obs [B, n, o] → [B, n, a]. What scores are taken of."""
        return self.bound(self(obs)[0])

    def bound(self, raw: Tensor) -> Tensor:
        """From before tanh to the team's bounds: [..., n, a]."""
        return (self.centre + self.reach * torch.tanh(raw)) * self.dims

    @torch.no_grad()
    def exchange(self, order: Sequence[int]) -> None:
        """Place i takes which dimensions place `order[i]` has; its network exchanges the rest."""
        self.dims.copy_(self.dims[torch.as_tensor(order, device=self.dims.device)])


class CategoricalPolicy(nn.Module):
    """π_i(· | o_i) over discrete actions. Unavailable actions, and padding, have no probability."""

    own: Tensor

    def __init__(self, team: TeamSpec, hidden: Sequence[int], share: bool = True) -> None:
        super().__init__()
        self.net = AgentNet(team, team.obs_size, hidden, team.action_size, share)
        own = torch.arange(team.action_size) < torch.tensor(team.action_sizes).unsqueeze(-1)
        self.register_buffer("own", own, persistent=False)

    def available(self, mask: Tensor | None) -> Tensor:
        """Which actions there are: mask [B, n, A] or None → bool [B, n, A] or [n, A]. Padding never is."""
        return self.own if mask is None else self.own & mask

    def forward(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """obs [B, n, o] → log-probabilities [B, n, A]; those of unavailable actions are the lowest finite number."""
        logits = self.net(obs)
        logits = logits.masked_fill(~self.available(mask), torch.finfo(logits.dtype).min)
        return torch.log_softmax(logits, -1)

    def log_density(self, obs: Tensor, action: Tensor, mask: Tensor | None) -> Tensor:
        """log π_i(a_i | o_i) among the available actions: obs [B, n, o], action [B, n] → [B, n]."""
        log_policy: Tensor = self(obs, mask)
        return log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)

    def mode(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """The most likely available action: obs [B, n, o] → [B, n]."""
        log_policy: Tensor = self(obs, mask)
        return log_policy.argmax(-1)

    @torch.no_grad()
    def exchange(self, order: Sequence[int]) -> None:
        """Place i takes which actions place `order[i]` has; its network exchanges the rest."""
        self.own.copy_(self.own[torch.as_tensor(order, device=self.own.device)])


def normal_log_density(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(x; mean, exp(log_std)²), elementwise."""
    return -0.5 * ((x - mean) * (-log_std).exp()).square() - log_std - 0.5 * math.log(2 * math.pi)


def log_tanh_slope(raw: Tensor) -> Tensor:
    """log(1 − tanh² u) = 2 (log 2 − u − softplus(−2u)), elementwise, without cancellation at large |u|."""
    return 2.0 * (math.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))
