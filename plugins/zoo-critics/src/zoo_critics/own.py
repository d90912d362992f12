"""Q_i(o_i, a_i): decentralised critics, one for each agent on its own observation and action, no parameters shared.

What OMAR, MA-TD3+BC and multi-agent IQL learn instead of `JointCritic`. Every tensor's leading axis counts the agents:
one batched product serves them all, and clipping per member is clipping per agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import TeamSpec
from zoo_core.nn import Norm, StackedMLP
from zoo_critics.critic import BATCH_NORM_EPS, Moments, Sweep, Tail
from zoo_critics.decomposed import own_dims
from zoo_critics.penalties import Candidates
from zoo_critics.pieces import PIECE_BYTES, in_pieces, weighted_value, worth_cutting

ALL = slice(None)


class OwnCritics(nn.Module):
    """`heads` critics for each of n agents, with two hidden layers.

    Continuous actions are inputs beside the observation; for discrete actions there is one output for each.
    """

    def __init__(self, team: TeamSpec, hidden: int, norm: Norm = "none", heads: int = 2) -> None:
        super().__init__()
        self.obs_size = team.obs_size
        inputs = team.obs_size + (0 if team.discrete else team.action_size)
        outputs = team.action_size if team.discrete else 1
        self.nets = nn.ModuleList(
            StackedMLP(team.n, inputs, (hidden, hidden), outputs, norm=norm) for _ in range(heads)
        )

    def forward(self, obs: Tensor, action: Tensor, heads: slice = ALL) -> Tensor:
        """Q of every agent at one action each: obs [B, n, o], action [B, n, a] (discrete: [B, n]) → [h, n, B]."""
        if not action.is_floating_point():
            q = self.of_all_actions(obs, heads)
            return q.gather(-1, action.T[None, ..., None].expand(len(q), -1, -1, 1)).squeeze(-1)
        rows = torch.cat((obs, action), -1).transpose(0, 1)
        return torch.stack([net(rows).squeeze(-1) for net in self._members(heads)])

    def of_all_actions(self, obs: Tensor, heads: slice = ALL) -> Tensor:
        """Discrete: Q of every action, obs [B, n, o] → [h, n, B, A]."""
        return torch.stack([net(obs.transpose(0, 1)) for net in self._members(heads)])

    # --- many continuous actions of each agent at one observation ------------------------------------------------

    def of_candidates(self, obs: Tensor, candidates: Tensor, heads: slice = ALL) -> Tensor:
        """Q of m actions for each agent and row: obs [B, n, o], candidates [n, B, m, a] → [h, n, B, m]."""
        values = []
        for sweep, tail in zip(self.sweeps(obs, candidates, heads), self.tails(heads), strict=True):
            values.append(sweep.values(tail).squeeze(1) if torch.is_grad_enabled() else _values(sweep, tail))
        return torch.stack(values, 1)

    def conservative_value(self, obs: Tensor, groups: Sequence[Candidates]) -> Tensor:
        """E_B LSE_m(Q − log p) over the candidates of all groups, for each head and agent: [h, n].

        Each group is a forward pass of its own to batch normalisation.
        """
        values = []
        by_group = [self.sweeps(obs, group.action) for group in groups]
        weights = obs.new_ones(1, len(obs))
        for i, (tail, *sweeps) in enumerate(zip(self.tails(), *by_group, strict=True)):
            sweep = Sweep.of(sweeps)
            log_density = torch.stack([group.log_density[i] for group in groups])
            evaluate = in_pieces if worth_cutting(sweep) else weighted_value
            values.append(evaluate(sweep, tail, log_density, weights, "lse") / len(obs))
        return torch.stack(values, 1)

    def sweeps(self, obs: Tensor, candidates: Tensor, heads: slice = ALL) -> list[Sweep]:
        """Each agent's m actions at its observations: obs [B, n, o], candidates [n, B, m, a]. Layer one sees o once."""
        nets = self._members(heads)
        weight = torch.stack([net.layers[0].weight for net in nets], 1)  # [n, h, i, H]
        bias = torch.stack([net.layers[0].bias for net in nets], 1)  # [n, h, 1, H]
        norms = [net.input_norm for net in nets]
        if not isinstance(norms[0], nn.Identity):  # W(γ(x − μ)/σ + β) + b is linear in x
            moments = _moments(obs, candidates)
            scale = torch.cat([norm.weight for norm in norms], 1) * torch.rsqrt(moments.var + BATCH_NORM_EPS)
            shift = torch.cat([norm.bias for norm in norms], 1) - moments.mean * scale  # [n, h, i]
            bias = bias + shift.unsqueeze(2) @ weight
            weight = scale.unsqueeze(-1) * weight
        found = []
        for own, of_obs, constant, action in zip(
            weight.unbind(), obs.unbind(1), bias.unbind(), candidates, strict=True
        ):
            rest = torch.baddbmm(constant, of_obs.expand(len(own), *of_obs.shape), own[:, : self.obs_size])
            found.append(Sweep(rest.unsqueeze(1), action.unsqueeze(0), own[:, self.obs_size :].unsqueeze(1)))
        return found

    def tails(self, heads: slice = ALL) -> list[Tail]:
        """Each agent's parameters after the first layer's linear map."""
        nets = self._members(heads)

        def of_agents(*modules: nn.Module) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            weight, bias = ([getattr(module, name) for module in modules] for name in ("weight", "bias"))
            return torch.stack(weight, 1).unbind(), torch.stack(bias, 1).unbind()

        parts = [*of_agents(*(net.layers[1] for net in nets)), *of_agents(*(net.last for net in nets))]
        if not isinstance(nets[0].norms[0], nn.Identity):
            parts += [part for layer in range(2) for part in of_agents(*(net.norms[layer] for net in nets))]
        return [Tail(*own[:4], own[4:]) for own in zip(*parts, strict=True)]

    def _members(self, heads: slice) -> list[Any]:
        return list(self.nets)[heads]


def _values(sweep: Sweep, tail: Tail) -> Tensor:
    """`Sweep.values` of one group without a gradient, [h, B, m]: head by head and piece by piece, in the cache."""
    rest, action, weight = sweep
    if sweep.rest.device.type != "cpu" or tail.norms:
        return sweep.values(tail).squeeze(1)
    rows = max(1, PIECE_BYTES // (action.shape[2] * rest.shape[-1] * 4))
    heads = []
    for j in range(len(rest)):
        second, bias, last, shift = (p[j] for p in tail[:4])
        pieces = []
        for part, own in zip(rest[j, 0].split(rows), action[0].split(rows), strict=True):
            hidden = (own @ weight[j, 0]).add_(part.unsqueeze(1)).relu_().flatten(0, 1)
            hidden = torch.addmm(bias, hidden, second).relu_()
            pieces.append((torch.mv(hidden, last[:, 0]) + shift[0]).view(own.shape[:2]))
        heads.append(torch.cat(pieces))
    return torch.stack(heads)


def _moments(obs: Tensor, candidates: Tensor) -> Moments:
    """Of each agent's inputs, [n, 1, i]: obs [B, n, o], candidates [n, B, m, a]."""
    seen = Moments(*(part.view(obs.shape[1], -1) for part in Moments.of(obs.flatten(1))))
    tried = Moments(*map(torch.stack, zip(*map(Moments.of, candidates), strict=True)))
    return Moments(*(part.unsqueeze(1) for part in seen.beside(tried)))


class TeamChooser(nn.Module):
    """π_i(· | o_i) over discrete actions: one network per agent, two hidden layers, logits."""

    own: Tensor

    def __init__(self, team: TeamSpec, hidden: int, norm: Norm = "none") -> None:
        super().__init__()
        self.net = StackedMLP(team.n, team.obs_size, (hidden, hidden), team.action_size, norm=norm)
        self.register_buffer("own", own_dims(team), persistent=False)

    def available(self, mask: Tensor | None) -> Tensor:
        """Which actions there are: mask [B, n, A] or None → bool [B, n, A] or [n, A]. Padding never is."""
        return self.own if mask is None else self.own & mask

    def forward(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """obs [B, n, o] → log-probabilities [B, n, A]; those of unavailable actions are the lowest finite number."""
        logits = self.net(obs.transpose(0, 1)).transpose(0, 1)
        lowest = torch.finfo(logits.dtype).min
        logits = logits.masked_fill(~self.available(mask), lowest)
        return torch.log_softmax(logits, -1)
