"""Q(s, a_1 … a_n): an ensemble of centralised critics that shares the first layer's work between joint actions.

The joint actions an update evaluates differ little: the penalty changes one agent's action at a time, targets keep the
state. The first layer is linear, so its work splits into a part the candidates share and a small product for what
changes. `Sweep` holds the two; nothing is repeated along the candidate axis before the first activation.

Batch normalisation of the inputs is, given a forward pass's statistics, one affine map per feature. It is folded into
the first layer, so that it costs no pass over the candidates and every path below serves it. The official code's
running statistics are never read, for its critics and targets stay in training mode; none are kept here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo_core.nn import Norm, StackedMLP, compilable

BATCH_NORM_EPS = 1e-5


class Tail(NamedTuple):
    """Everything after the first layer's linear map, for M heads. Norms: scale and shift of both layers, or nothing."""

    second_weight: Tensor
    second_bias: Tensor
    last_weight: Tensor
    last_bias: Tensor
    norms: tuple[Tensor, ...] = ()

    def __call__(self, pre: Tensor) -> Tensor:
        """Pre-activations of the first layer [M, N, H] → Q [M, N]."""
        hidden = torch.relu(self._normalise(pre, 0))
        hidden = torch.baddbmm(self.second_bias, hidden, self.second_weight)
        hidden = self._normalise(hidden, 1).relu_()
        return torch.baddbmm(self.last_bias, hidden, self.last_weight).squeeze(-1)

    def of_heads(self, heads: slice) -> Tail:
        return Tail(*(p[heads] for p in self[:4]), tuple(p[heads] for p in self.norms))

    def _normalise(self, hidden: Tensor, layer: int) -> Tensor:
        if not self.norms:
            return hidden
        scale, shift = self.norms[2 * layer : 2 * layer + 2]
        return nn.functional.layer_norm(hidden, hidden.shape[-1:]) * scale + shift


class Sweep(NamedTuple):
    """Joint actions that share most of their first layer: M heads, G groups, B rows, m candidates of c numbers each.

    rest: [M, 1 or G, B, H], the first layer of all that the candidates of a row share, bias included;
    action: [G, B, m, c], what is added to that input; weight: [M, G, c, H], the first layer's columns for it.
    """

    rest: Tensor
    action: Tensor
    weight: Tensor

    @classmethod
    def of(cls, sweeps: Sequence[Sweep]) -> Sweep:
        """Several sweeps as one, their groups one after the other."""
        if len(sweeps) == 1:
            return sweeps[0]
        rest = [sweep.rest.expand(-1, len(sweep.action), -1, -1) for sweep in sweeps]
        _, action, weight = zip(*sweeps, strict=True)
        return cls(torch.cat(rest, 1), torch.cat(action), torch.cat(weight, 1))

    def of_heads(self, heads: slice) -> Sweep:
        return Sweep(self.rest[heads], self.action, self.weight[heads])

    def first_layer(self) -> Tensor:
        """Pre-activations [M, G, B, m, H]."""
        changed = self.action.flatten(1, 2) @ self.weight
        return self.rest.unsqueeze(-2) + changed.unflatten(-2, self.action.shape[1:3])

    def values(self, tail: Tail) -> Tensor:
        """Q of every candidate, [M, G, B, m]."""
        pre = self.first_layer()
        return tail(pre.flatten(1, -2)).unflatten(1, pre.shape[1:-1])


class JointCritic(nn.Module):
    """M independent heads with two hidden layers on [state, joint action]."""

    def __init__(self, heads: int, state_size: int, agents: int, action_size: int, hidden: int, norm: Norm) -> None:
        super().__init__()
        self.state_size, self.agents, self.action_size = state_size, agents, action_size
        inputs = state_size + agents * action_size
        self.net = StackedMLP(heads, inputs, (hidden, hidden), 1, norm="none" if norm == "batch" else norm)
        self.batch_norm = norm == "batch"
        if self.batch_norm:
            self.input_scale = nn.Parameter(torch.ones(heads, inputs, 1))
            self.input_shift = nn.Parameter(torch.zeros(heads, 1, inputs))

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """state [B, s], P joint actions for each row [P, B, n, a] → [M, P, B], in one forward pass."""
        return self.values(self.joint(state, action.movedim(0, 1))).squeeze(1).movedim(-1, 1)

    def joint(self, state: Tensor, action: Tensor, heads: slice = slice(None)) -> Sweep:
        """One group: all agents' actions change. state [B, s], action [B, m, n, a]."""
        action = action.flatten(-2)
        moments = Moments.of(state).beside(Moments.of(action)) if self.batch_norm else None
        weight, bias = self._first_layer(moments, heads)
        rest = torch.baddbmm(bias, state.expand(len(bias), *state.shape), weight[:, : self.state_size])
        return Sweep(rest.unsqueeze(1), action.unsqueeze(0), weight[:, self.state_size :].unsqueeze(1))

    def counterfactual(self, state: Tensor, action: Tensor, candidates: Tensor, heads: slice = slice(None)) -> Sweep:
        """n groups: group i changes agent i's action and keeps a_{-i}. action [B, n, a], candidates [n, B, m, a]."""
        n, a = self.agents, self.action_size
        moments = None
        if self.batch_norm:  # of n·B·m rows, in which an agent's action is a candidate in one group and logged in n − 1
            own = Moments(*(torch.stack(part).flatten() for part in zip(*map(Moments.of, candidates), strict=True)))
            moments = Moments.of(state).beside(Moments.of(action.flatten(1)).mixed(own, 1 / n))
        weight, bias = self._first_layer(moments, heads)
        joint = torch.cat((state, action.flatten(1)), -1)
        logged = torch.baddbmm(bias, joint.expand(len(bias), *joint.shape), weight)
        change = candidates - action.transpose(0, 1).unsqueeze(2)  # the layer is linear in it
        return Sweep(logged.unsqueeze(1), change, weight[:, self.state_size :].unflatten(1, (n, a)))

    def values(self, sweep: Sweep, heads: slice = slice(None)) -> Tensor:
        """[M, G, B, m]. `heads` must be those the sweep was made for."""
        tail = self.tail(heads)
        if torch.is_grad_enabled() or sweep.rest.device.type != "cpu":
            return sweep.values(tail)
        # One head's activations stay in a processor's cache where those of ten do not.
        each = (slice(j, j + 1) for j in range(len(sweep.rest)))
        return torch.cat([_values_of_head(*sweep.of_heads(one), *tail.of_heads(one)) for one in each])

    def tail(self, heads: slice = slice(None)) -> Tail:
        """The parameters after the first layer's linear map."""
        second, last, norms = self.net.layers[1], self.net.last, ()
        if not isinstance(self.net.norms[0], nn.Identity):
            norms = tuple(p for norm in self.net.norms for p in (norm.weight, norm.bias))
        return Tail(second.weight, second.bias, last.weight, last.bias, norms).of_heads(heads)

    @torch.no_grad()
    def relabel(self, state_columns: Tensor, order: Sequence[int]) -> None:
        """Rearrange the first layer's inputs: state by `state_columns` [s], action i from agent `order[i]`."""
        action_columns = torch.arange(self.agents * self.action_size).view(self.agents, -1)[torch.as_tensor(order)]
        columns = torch.cat((state_columns, self.state_size + action_columns.flatten()))
        weight = self.net.layers[0].weight  # [M, i, H]
        columns = columns.to(weight.device)
        weight.copy_(weight[:, columns])
        if self.batch_norm:
            self.input_scale.copy_(self.input_scale[:, columns])
            self.input_shift.copy_(self.input_shift[:, :, columns])

    def _first_layer(self, moments: Moments | None, heads: slice) -> tuple[Tensor, Tensor]:
        """Weight [M, i, H] and bias [M, 1, H], input normalisation folded in: W(γ(x − μ)/σ + β) + b is linear in x."""
        layer = self.net.layers[0]
        weight, bias = layer.weight[heads], layer.bias[heads]
        if moments is None:
            return weight, bias
        scale = self.input_scale[heads] * torch.rsqrt(moments.var + BATCH_NORM_EPS).unsqueeze(-1)
        shift = self.input_shift[heads] - (moments.mean.unsqueeze(-1) * scale).transpose(1, 2)
        return scale * weight, bias + shift @ weight


@compilable
def _values_of_head(rest: Tensor, action: Tensor, weight: Tensor, *tail: Tensor | tuple[Tensor, ...]) -> Tensor:
    return Sweep(rest, action, weight).values(Tail(*tail))


class Moments(NamedTuple):
    """Mean and biased variance of each input feature over the rows of one forward pass."""

    mean: Tensor
    var: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Moments:
        """Over all axes but the last."""
        rows = rows.flatten(0, -2)
        mean = rows.mean(0)
        return cls(mean, (rows - mean).square().mean(0))  # `var` takes ten times as long down columns

    def beside(self, other: Moments) -> Moments:
        """Of the two sets of features concatenated."""
        return Moments(torch.cat((self.mean, other.mean), -1), torch.cat((self.var, other.var), -1))

    def mixed(self, other: Moments, share: float) -> Moments:
        """Of the same features over both sets of rows, `share` of them from `other`."""
        mean = (1 - share) * self.mean + share * other.mean
        spread = (1 - share) * (self.var + (self.mean - mean).square())
        return Moments(mean, spread + share * (other.var + (other.mean - mean).square()))


def disagreement(q: Tensor, floor: float = 0.0) -> Tensor:
    """u: the ensemble's standard deviation (SPaCQL Eq. 7, biased), never below `floor`. q [M, ...] → [...]."""
    return q.std(0, unbiased=False).clamp(min=floor)
