"""Policies of a decomposed team, one set of weights for all agents or one each: normal within bounds or categorical.

Their densities are what weighted cloning, KL divergences and entropies are made of; `decomposed` has the critics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from zoo_core import TeamSpec, ZooError
from zoo_critics.decomposed import AgentNet, AvailableActions, masked, own_dims

LOG_STD = (-5.0, 2.0)
"""Bounds of a normal's log-deviation (OMIGA networks/network.py)."""

DISTRIBUTIONS = ("tanh-normal", "clipped-normal")
"""What `policy_of` can make of continuous actions."""


def policy_of(
    team: TeamSpec,
    hidden: Sequence[int],
    share: bool = True,
    edge: float = 1e-6,
    distribution: str = "tanh-normal",
) -> NormalPolicy | CategoricalPolicy:
    """The stochastic policy that fits the team's actions; `distribution` and `edge` concern continuous ones.

    edge: see `TanhNormalPolicy`, which alone has one. A name that is not in `DISTRIBUTIONS` is a ZooError.
    """
    if distribution not in DISTRIBUTIONS:
        raise ZooError(f"there is no distribution {distribution!r}: choose one of {', '.join(DISTRIBUTIONS)}")
    if team.discrete:
        return CategoricalPolicy(team, hidden, share)
    if distribution == "clipped-normal":
        return ClippedNormalPolicy(team, hidden, share)
    return TanhNormalPolicy(team, hidden, share, edge)


class NormalPolicy(nn.Module):
    """Base: N(μ_i(o_i), σ_i(o_i)²), brought into the team's bounds by what a subclass says (`bound`).

    μ and log σ are two heads of one network, clamped wherever they are used. Padded action dimensions are 0 and have
    no density.
    """

    MEAN: ClassVar[tuple[float, float]]
    """Bounds of μ."""
    dims: Tensor

    def __init__(self, team: TeamSpec, hidden: Sequence[int], share: bool = True) -> None:
        super().__init__()
        self.net = AgentNet(team, team.obs_size, hidden, 2 * team.action_size, share)
        self.centre = (team.action_high + team.action_low) / 2
        self.reach = (team.action_high - team.action_low) / 2
        self.register_buffer("dims", own_dims(team).float(), persistent=False)

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """obs [B, n, o] → μ and log σ of the normal, [B, n, a] each. Padded dimensions: μ = 0, σ = 1."""
        mean, log_std = self.net(obs).chunk(2, -1)
        return mean.clamp(*self.MEAN) * self.dims, log_std.clamp(*LOG_STD) * self.dims

    def log_density(self, obs: Tensor, action: Tensor) -> Tensor:
        """log π_i(a_i | o_i), over each agent's own dimensions: obs [B, n, o], action [B, n, a] → [B, n]."""
        return self.log_density_of(*self(obs), action)

    def log_density_of(self, mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
        """The same of what `forward` gave: all [..., n, a] → [..., n]."""
        raise NotImplementedError

    def sample(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Actions in the team's bounds: obs [B, n, o], standard normals [..., B, n, a] → [..., B, n, a]."""
        return self.sample_of(*self(obs), noise)

    def sample_of(self, mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
        """The same of what `forward` gave."""
        return self.bound(mean + log_std.exp() * noise)

    def mode(self, obs: Tensor) -> Tensor:
        """μ brought into the team's bounds: obs [B, n, o] → [B, n, a]. What scores are taken of."""
        return self.bound(self(obs)[0])

    def bound(self, raw: Tensor) -> Tensor:
        """From the normal's outcomes to the team's bounds: [..., n, a]."""
        raise NotImplementedError

    def unit(self, action: Tensor) -> Tensor:
        """Actions in the team's bounds → in [−1, 1]."""
        return (action - self.centre) / self.reach

    def from_unit(self, unit: Tensor) -> Tensor:
        """Actions in [−1, 1] → in the team's bounds, padded dimensions 0."""
        return (self.centre + self.reach * unit) * self.dims

    @torch.no_grad()
    def exchange(self, order: Sequence[int]) -> None:
        """Place i takes which dimensions place `order[i]` has; its network exchanges the rest."""
        self.dims.copy_(self.dims[torch.as_tensor(order, device=self.dims.device)])


class TanhNormalPolicy(NormalPolicy):
    """π_i(· | o_i) = tanh(N(μ_i, σ_i²)), scaled to the team's bounds."""

    MEAN = (-9.0, 9.0)  # before tanh (OMIGA networks/network.py)

    def __init__(self, team: TeamSpec, hidden: Sequence[int], share: bool = True, edge: float = 1e-6) -> None:
        """`edge`: logged actions, in (−1, 1), are taken to be at most 1 − edge in size: tanh does not reach its bounds.

        Where data was clipped to them, a small edge puts all those actions far out, and they pull the mean along.
        """
        super().__init__(team, hidden, share)
        self.edge = edge

    def log_density_of(self, mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
        raw = torch.atanh(self.unit(action).clamp(self.edge - 1.0, 1.0 - self.edge))
        return self.log_density_of_raw(mean, log_std, raw)

    def log_density_of_raw(self, mean: Tensor, log_std: Tensor, raw: Tensor) -> Tensor:
        """log π_i of the action `bound(raw)`, exact however far out: near the bounds the way back has no precision."""
        per_dim = normal_log_density(raw, mean, log_std) - log_tanh_slope(raw) - math.log(self.reach)
        return (per_dim * self.dims).sum(-1)

    def sample_with_density(self, mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of what `forward` gave and their log-densities: normals [..., B, n, a] → the same, [..., B, n].

        The densities are those of what was drawn before tanh: beyond some 7 there is no way back from the action.
        """
        raw = mean + log_std.exp() * noise
        return self.bound(raw), self.log_density_of_raw(mean, log_std, raw)

    def bound(self, raw: Tensor) -> Tensor:
        return self.from_unit(torch.tanh(raw))


class ClippedNormalPolicy(NormalPolicy):
    """π_i(· | o_i) = clip(N(μ_i, σ_i²), −1, 1), scaled to the team's bounds: how actions are made that leave them.

    All that falls beyond a bound lies on it, so an action there has a probability, and only one inside has a density:

        log π(a) = log N(a; μ, σ²) inside,   log Φ((−1 − μ) / σ) at −1,   log Φ((μ − 1) / σ) at 1

    each dimension by itself; the log-density adds them up.
    """

    MEAN = (-3.0, 3.0)  # in units of half the bounds' width: how far beyond them the mean lies is hardly to be told
    ON_BOUND = 1e-5
    """Actions this near to a bound, in the same units, are on it: what rounding may do to them."""

    def log_density_of(self, mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
        unit, inverse = self.unit(action), (-log_std).exp()
        inside = normal_log_density(unit.clamp(-1.0, 1.0), mean, log_std) - math.log(self.reach)
        beyond = log_normal_cdf((unit.sign() * mean - 1.0) * inverse)  # by symmetry, one for both sides
        per_dim = torch.where(unit.abs() >= 1.0 - self.ON_BOUND, beyond, inside)
        return (per_dim * self.dims).sum(-1)

    def bound(self, raw: Tensor) -> Tensor:
        return self.from_unit(raw.clamp(-1.0, 1.0))


class CategoricalPolicy(nn.Module):
    """π_i(· | o_i) over discrete actions. Unavailable actions, and padding, have no probability."""

    def __init__(self, team: TeamSpec, hidden: Sequence[int], share: bool = True) -> None:
        super().__init__()
        self.net = AgentNet(team, team.obs_size, hidden, team.action_size, share)
        self.available = AvailableActions(team)

    def forward(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """obs [B, n, o] → log-probabilities [B, n, A]; those of unavailable actions are the lowest finite number."""
        return torch.log_softmax(masked(self.net(obs), self.available(mask)), -1)

    def log_density(self, obs: Tensor, action: Tensor, mask: Tensor | None) -> Tensor:
        """log π_i(a_i | o_i) among the available actions: obs [B, n, o], action [B, n] → [B, n]."""
        log_policy: Tensor = self(obs, mask)
        return log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)

    def mode(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """The most likely available action: obs [B, n, o] → [B, n]."""
        log_policy: Tensor = self(obs, mask)
        return log_policy.argmax(-1)


def normal_log_density(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(x; mean, exp(log_std)²), elementwise."""
    return -0.5 * ((x - mean) * (-log_std).exp()).square() - log_std - 0.5 * math.log(2 * math.pi)


def log_normal_cdf(z: Tensor) -> Tensor:
    """log Φ(z), elementwise, with gradients that stay finite: `torch.special.log_ndtr`, which knows no vmap as yet.

    Φ(z) = erfc(t) / 2 with t = −z / √2; far out erfc(t) = exp(−t²) erfcx(t), of which the logarithm is exact.
    """
    t = z * -math.sqrt(0.5)
    out = t.clamp(min=0.5)
    far = torch.log(0.5 * torch.special.erfcx(out)) - out.square()
    near = torch.log1p(-0.5 * torch.special.erfc(-t.clamp(max=1.0)))
    return torch.where(t > 0.75, far, near)


def log_tanh_slope(raw: Tensor) -> Tensor:
    """log(1 − tanh² u) = 2 (log 2 − u − softplus(−2u)), elementwise, without cancellation at large |u|."""
    return 2.0 * (math.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))
