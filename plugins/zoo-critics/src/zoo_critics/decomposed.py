"""Local values and critics of a team whose worth is their mix: what OMIGA, OMCDA, ICQ, BCQ-MA, CQL-MA, ComaDICE share.

    Q_tot(o, a) = Σ_i w_i(s) Q_i(o_i, a_i) + b(s),      V_tot(o) = Σ_i w_i(s) V_i(o_i) + b(s)       OMCDA Eq. 1

The whole family (OMIGA networks/network.py) has one set of weights for all agents, told apart by a one-hot id beside
the input, and a mixer of all agents' states side by side. Policies are in `policies`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import Algorithm, Batch, Mixer, TeamSpec, ZooError
from zoo_core.nn import StackedLinear

MixerFactory = Callable[..., Mixer]
"""`(agents, state_size, **options) -> Mixer`: what an algorithm's constructor receives."""


class AgentNet(nn.Module):
    """A ReLU perceptron for each agent: [..., n, inputs] → [..., n, outputs].

    With `share` all agents have one set of weights and a one-hot id beside the input. The id's weights in the first
    layer are a bias of the agent's own, and are kept as that (`ids`): nothing is concatenated. Without it every agent
    has weights of its own and no id. Initialised as `nn.Linear` on inputs and id: U(±1/√fan_in).
    """

    def __init__(self, team: TeamSpec, inputs: int, hidden: Sequence[int], outputs: int, share: bool = True) -> None:
        super().__init__()
        self.share, self.inputs = share, inputs
        sizes = [inputs, *hidden, outputs]
        if share:
            self.first: nn.Module = IdentifiedLinear(team.n, inputs, sizes[1])
            self.rest = nn.ModuleList(nn.Linear(i, o) for i, o in itertools.pairwise(sizes[1:]))
        else:
            self.first = StackedLinear(team.n, inputs, sizes[1])
            self.rest = nn.ModuleList(StackedLinear(team.n, i, o) for i, o in itertools.pairwise(sizes[1:]))

    def forward(self, x: Tensor) -> Tensor:
        """[..., n, inputs] → [..., n, outputs]."""
        if self.share:
            return self._after_first(self.first(x))
        rows = x.movedim(-2, 0)  # agents first
        out = self._after_first(self.first(rows.flatten(1, -2)))
        return out.view(*rows.shape[:-1], -1).movedim(0, -2)

    def of_candidates(self, seen: Tensor, varied: Tensor) -> Tensor:
        """Many second halves of the input beside one first half, of which the first layer's work is done once.

        seen [B, n, i], varied [B, n, m, j], i + j = inputs → [B, n, m, outputs].
        """
        width = seen.shape[-1]
        if self.share:
            first = self.first(seen).unsqueeze(-2) + varied @ self.first.weight[width:]
            return self._after_first(first)
        weight, bias = self.first.weight, self.first.bias  # [n, inputs, H], [n, 1, H]
        agents, rows, samples, _ = (varied := varied.transpose(0, 1)).shape
        own = torch.baddbmm(bias, seen.transpose(0, 1), weight[:, :width]).unsqueeze(2)
        first = own + torch.bmm(varied.flatten(1, 2), weight[:, width:]).view(agents, rows, samples, -1)
        return self._after_first(first.flatten(1, 2)).view(agents, rows, samples, -1).transpose(0, 1)

    def _after_first(self, x: Tensor) -> Tensor:
        """What follows the first layer's linear map x [..., n, H], which is overwritten: nothing else may hold it."""
        if not self.rest:
            return x
        rows = torch.relu_(x).flatten(0, -2) if self.share else torch.relu_(x)
        *hidden, last = self.rest
        for layer in hidden:
            rows = torch.relu_(layer(rows))
        out: Tensor = last(rows)
        return out.view(*x.shape[:-1], -1)

    @torch.no_grad()
    def exchange(self, order: Sequence[int]) -> None:
        """Place i takes what place `order[i]` held: its id, or its weights."""
        index = torch.as_tensor(order)
        own = [self.first.ids] if self.share else list(self.parameters())
        for tensor in own:
            tensor.copy_(tensor[index.to(tensor.device)])


class IdentifiedLinear(nn.Module):
    """x_i W + b + u_i for every agent i: a linear layer on the input and the agent's one-hot id.

    x [..., n, i'] with i' ≤ inputs uses the weights' first i' rows: what is left of the input is added by the caller.
    """

    def __init__(self, agents: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs + agents)
        self.weight = nn.Parameter(torch.empty(inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.ids = nn.Parameter(torch.empty(agents, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        part = x.shape[-1]
        weight = self.weight if part == len(self.weight) else self.weight[:part]
        return (x @ weight).add_(self.bias + self.ids)


class AgentValues(nn.Module):
    """V_i(o_i): obs [B, n, o] → [B, n]."""

    def __init__(self, team: TeamSpec, hidden: Sequence[int], share: bool = True) -> None:
        super().__init__()
        self.net = AgentNet(team, team.obs_size, hidden, 1, share)

    def forward(self, obs: Tensor) -> Tensor:
        value: Tensor = self.net(obs)
        return value.squeeze(-1)


class AgentCritics(nn.Module):
    """Q_i(o_i, a_i): obs [B, n, o], action [B, n, a] (discrete: [B, n]) → [B, n].

    A continuous action stands beside the observation; for discrete actions there is one output for each.
    """

    def __init__(self, team: TeamSpec, hidden: Sequence[int], share: bool = True) -> None:
        super().__init__()
        inputs = team.obs_size + (0 if team.discrete else team.action_size)
        self.net = AgentNet(team, inputs, hidden, team.action_size if team.discrete else 1, share)
        if team.discrete:
            self.available = AvailableActions(team)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        if not action.is_floating_point():
            return self.of_all_actions(obs).gather(-1, action.unsqueeze(-1)).squeeze(-1)
        q: Tensor = self.net(torch.cat((obs, action), -1))
        return q.squeeze(-1)

    def of_all_actions(self, obs: Tensor) -> Tensor:
        """Discrete: obs [B, n, o] → the values of all actions, [B, n, A], unavailable ones too."""
        q: Tensor = self.net(obs)
        return q

    def best(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """Discrete: the available action of the highest value, [B, n]. Of a mix with weights w_i ≥ 0 it is the best."""
        return masked(self.of_all_actions(obs), self.available(mask)).argmax(-1)

    def of_candidates(self, obs: Tensor, candidates: Tensor) -> Tensor:
        """Continuous: m actions for each agent and row: obs [B, n, o], candidates [B, n, m, a] → [B, n, m]."""
        return self.net.of_candidates(obs, candidates).squeeze(-1)


# --- which actions there are -------------------------------------------------------------------------------------


def own_dims(team: TeamSpec) -> Tensor:
    """Which action dimensions, or discrete actions, an agent has: bool [n, a]; the rest is padding."""
    return torch.arange(team.action_size) < torch.tensor(team.action_sizes).unsqueeze(-1)


class AvailableActions(nn.Module):
    """Which discrete actions there are: mask [B, n, A] or None → bool [B, n, A] or [n, A]. Padding never is."""

    own: Tensor

    def __init__(self, team: TeamSpec) -> None:
        super().__init__()
        self.register_buffer("own", own_dims(team), persistent=False)

    def forward(self, mask: Tensor | None) -> Tensor:
        return self.own if mask is None else self.own & mask

    @torch.no_grad()
    def exchange(self, order: Sequence[int]) -> None:
        """Place i takes which actions place `order[i]` has."""
        self.own.copy_(self.own[torch.as_tensor(order, device=self.own.device)])


def masked(values: Tensor, available: Tensor) -> Tensor:
    """Values or logits with the lowest finite number where nothing is available: −∞ would make NaN of a row of them."""
    return values.masked_fill(~available, torch.finfo(values.dtype).min)


# --- the mixer and its state -------------------------------------------------------------------------------------


def mixer_of(mixer: MixerFactory | None, team: TeamSpec) -> Mixer:
    """The chosen mixer for this team and its `joint_state`, with one total."""
    if mixer is None:
        raise ZooError(
            "this algorithm mixes its agents' values: build it with a mixer, or declare mixer=… in its entry"
        )
    return mixer(team.n, joint_state_size(team))


def joint_state_size(team: TeamSpec) -> int:
    """S: the width of `joint_state`."""
    return team.state_size * (team.n if team.state_kind == "per_agent" else 1)


def joint_state(batch: Batch) -> Tensor:
    """What the mixer sees, [B, S]: the state, or all agents' states side by side."""
    return _flat(batch.state)


def joint_next_state(batch: Batch) -> Tensor:
    """What the mixer sees one step on, [B, S]."""
    return _flat(batch.next_state)


def credit(mixer: Mixer, state: Tensor) -> tuple[Tensor, Tensor]:
    """w(s) [B, n] ≥ 0 and b(s) [B] of a linear mixer with one total."""
    weights, bias = mixer.weights(state)
    return weights.squeeze(-2), bias.squeeze(-1)


def _flat(state: Tensor | None) -> Tensor:
    if state is None:
        raise ZooError("a mixer needs the state: declare 'state' in the algorithm entry's `needs`")
    return state.flatten(1)


# --- agents in another order -------------------------------------------------------------------------------------


@torch.no_grad()
def exchange_agents(algorithm: Algorithm, order: Sequence[int]) -> None:
    """`Algorithm.relabel` for an algorithm of these modules: each that holds something of an agent exchanges it.

    Mixers are left as they are. What the algorithm itself keeps for every agent, it exchanges itself.
    """
    for module in algorithm.modules():
        exchange = getattr(module, "exchange", None)
        if callable(exchange):
            exchange(order)
    if algorithm.statistics is not None:
        of_agents = {name: value for name, value in vars(algorithm.statistics).items() if isinstance(value, Tensor)}
        moved: dict[str, Any] = {
            name: value[torch.as_tensor(order, device=value.device)] for name, value in of_agents.items()
        }
        algorithm.statistics = replace(algorithm.statistics, **moved)
