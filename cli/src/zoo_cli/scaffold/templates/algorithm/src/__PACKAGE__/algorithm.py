"""Advantage-weighted cloning for a team: implicit Q-learning with a joint critic and decentralised actors.

Three losses, in the order of one iteration. o and a are the observations and actions of all n agents, Q' the slowly
moving copy of Q, L_τ the expectile loss |τ − 1(u < 0)| u²:

    value    min_V  E L_τ(Q'(o, a) − V(o))                     how well the data's better actions do from here
    critic   min_Q  E (r + γ V(o') − Q(o, a))²
    actors   max_π  E w Σ_i log π_i(a_i | o_i),                w = exp(β A / rms(A)), A = Q'(o, a) − V(o)

Every agent clones its own part of joint actions that did better than expected. No action outside the data is ever
valued, and agent i acts on its own observation alone. Dividing by the advantage's root mean square (Wang et al. 2018)
makes β independent of the size of the rewards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    Batch,
    Loss,
    Mixer,
    Noise,
    Phase,
    Polyak,
    Rows,
    Statistics,
    TeamSpec,
    Update,
    setting,
)
from zoo_core.nn import StackedMLP, expectile_loss, target_copy

IQL = "Kostrikov et al. 2022"
OURS = "our choice"


@dataclass(frozen=True)
class Settings(AlgorithmConfig):
    iterations: int = setting(10_000, "Gradient steps of each loss.", source=OURS, at_least=1)
    batch_size: int = setting(256, "Rows in a batch.", source=IQL, at_least=1)
    hidden: int = setting(128, "Width of every hidden layer.", source=OURS, at_least=1)
    lr: float = setting(1e-3, "Adam's step size, for all networks.", source=OURS, at_least=0.0)
    discount: float = setting(0.99, "γ: what the next step's value counts.", source=IQL, at_least=0.0, at_most=1.0)
    expectile: float = setting(0.7, "τ: 0.5 averages over the data's actions.", source=IQL, at_least=0.5, at_most=1.0)
    beta: float = setting(3.0, "β: how much better actions are preferred.", source=IQL, at_least=0.0)
    most_weight: float = setting(100.0, "Largest weight of a row.", source=IQL, at_least=1.0)
    target_rate: float = setting(0.005, "Step of the target critic.", source=IQL, at_least=0.0, at_most=1.0)


class TeamValue(nn.Module):
    """x [B, n, i] → values [B]: each agent's part through a network of its own, their sum through a common one.

    A sum over agents, and no concatenation, so that exchanging two agents with their networks changes nothing.
    """

    def __init__(self, agents: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.parts = StackedMLP(agents, inputs, (hidden,), hidden)
        self.whole = StackedMLP(1, hidden, (hidden,), 1)

    def forward(self, x: Tensor) -> Tensor:
        team = self.parts(x.transpose(0, 1)).sum(0)  # [B, hidden]
        value: Tensor = self.whole(team)[0, :, 0]
        return value


class __CLASS__(Algorithm):
    Config = Settings
    config: Settings
    own: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: Settings,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        n, o, a, hidden = team.n, team.obs_size, team.action_size, config.hidden
        self.value = TeamValue(n, o, hidden)
        self.critic = TeamValue(n, o + a, hidden)
        self.target_critic = target_copy(self.critic)
        self.actors = StackedMLP(n, o, (hidden, hidden), a)
        # [n, a]: which action dimensions (or actions) each agent has; the rest is padding.
        own = torch.arange(a) < torch.tensor(team.action_sizes)[:, None]
        self.register_buffer("own", own, persistent=False)

    def phases(self) -> tuple[Phase, ...]:
        adam = Adam(self.config.lr)
        value = Update("value", self.value_loss, learns=("value",), optimizer=adam)
        critic = Update("critic", self.critic_loss, learns=("critic",), optimizer=adam)
        actors = Update("actor", self.actor_loss, learns=("actors",), optimizer=adam)
        target = Polyak("critic", "target_critic", self.config.target_rate)
        return (Phase("train", Rows(self.config.batch_size), steps=(value, critic, actors, target)),)

    def value_loss(self, batch: Batch, noise: Noise) -> Loss:
        with torch.no_grad():
            q = self.q(self.target_critic, batch)
        value = self.value(batch.obs)
        return Loss(expectile_loss(q - value, self.config.expectile).mean(), {"value": value.mean()})

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        with torch.no_grad():  # after a terminated step nothing follows; a truncated one would have gone on
            target = batch.team_reward + self.config.discount * batch.continues * self.value(batch.next_obs)
        q = self.q(self.critic, batch)
        return Loss((q - target).square().mean(), {"q": q.mean()})

    def actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        with torch.no_grad():
            advantage = self.q(self.target_critic, batch) - self.value(batch.obs)
            scaled = advantage / advantage.square().mean().sqrt().clamp(min=1e-6)
            weight = (self.config.beta * scaled).exp().clamp(max=self.config.most_weight)
        return Loss((weight * self.unlikelihood(batch)).mean(), {"weight": weight.mean()})

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: None, generator: torch.Generator | None
    ) -> tuple[Tensor, None]:
        if self.team.discrete:
            return self.logits(obs, mask).argmax(-1), None
        return self.actions(obs), None

    def q(self, critic: TeamValue, batch: Batch) -> Tensor:
        """Q(o, a) of the batch's joint actions, [B]."""
        action = batch.action
        if self.team.discrete:
            action = nn.functional.one_hot(action, self.team.action_size).to(batch.obs.dtype)
        value: Tensor = critic(torch.cat([batch.obs, action], dim=-1))
        return value

    def unlikelihood(self, batch: Batch) -> Tensor:
        """−Σ_i log π_i(a_i | o_i), [B]; for continuous actions that of a normal policy, which is the squared error."""
        if self.team.discrete:
            log_policy = torch.log_softmax(self.logits(batch.obs, batch.action_mask), dim=-1)
            return -log_policy.gather(-1, batch.action[..., None]).sum((-1, -2))
        return (self.actions(batch.obs) - batch.action * self.own).square().sum((-1, -2))

    def actions(self, obs: Tensor) -> Tensor:
        """obs [B, n, o] → actions [B, n, a] within the team's bounds, zero where an agent has no such dimension."""
        low, high = self.team.action_low, self.team.action_high
        return (low + 0.5 * (high - low) * (torch.tanh(self.heads(obs)) + 1.0)) * self.own

    def logits(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """obs [B, n, o], mask [B, n, A] → logits [B, n, A]; unavailable actions have probability zero."""
        heads, available = self.heads(obs), self.own if mask is None else self.own & mask
        return heads.masked_fill(~available, torch.finfo(heads.dtype).min)

    def heads(self, obs: Tensor) -> Tensor:
        """Every agent's own network on its own observation: [B, n, o] → [B, n, a]."""
        out: Tensor = self.actors(obs.transpose(0, 1)).transpose(0, 1)
        return out
