"""IQL: implicit Q-learning (Kostrikov, Nair & Levine, ICLR 2022; code: ikostrikov/implicit_q_learning), one per agent.

Decentralised, as OMAR's paper builds its baselines: agent i learns V_i(o_i), critics Q_{i,1}, Q_{i,2} and a policy, all
from its own observations, actions and rewards. No action outside the data is ever valued. With L_τ the expectile loss
|τ − 1(u < 0)| u² and A_i = min_h Q̄_{i,h}(o_i, a_i) − V_i(o_i), one iteration descends in this order

    L_V = Σ_i E L_τ(A_i)                                                                            Eq. 5
    L_π = −Σ_i E[ min(exp(β A_i), w_max) log π_i(a_i | o_i) ]                                       Eq. 7
    L_Q = Σ_i Σ_h E (Q_{i,h}(o_i, a_i) − r_i − γ (1 − d) V_i(o_i'))²                                Eq. 6

and moves Q̄. Policies are normal with a tanh mean and a deviation of each action dimension, or categorical.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    Batch,
    Clip,
    Loss,
    Mixer,
    Noise,
    Phase,
    Polyak,
    Rows,
    Statistics,
    TeamSpec,
    Update,
    ZooError,
    setting,
)
from zoo_core.nn import StackedMLP, expectile_loss, target_copy
from zoo_critics import OwnCritics, TeamActor, TeamChooser

CODE = "implicit_q_learning"
OMAR = "OMAR's particle-world learner"
LOG_STD = (-5.0, 2.0)
"""Bounds of the policies' log-deviation (implicit_q_learning policy.py; its lower bound there is a setting)."""


@dataclass(frozen=True)
class IQLConfig(AlgorithmConfig):
    iterations: int = setting(10_000, "Updates of each network.", source="our choice")
    batch_size: int = setting(1024, "Rows in a batch.", source=OMAR)
    lr: float = setting(1e-3, "Adam's rate; the policies' decays to zero along a cosine.", source="our choice")
    hidden: int = setting(64, "Width of both hidden layers of every network.", source=OMAR, at_least=1)
    discount: float = setting(0.95, "γ.", source=OMAR, at_least=0, at_most=1)
    tau: float = setting(0.01, "How far the target critics move once an iteration.", source=OMAR, at_least=0, at_most=1)
    expectile: float = setting(
        0.7,
        "τ: 0.5 averages over the data's actions, 1 takes the best.",
        source=f"{CODE}, mujoco",
        at_least=0.5,
        at_most=1,
    )
    beta: float = setting(
        3.0, "β: how much better actions are preferred; 0 clones.", source=f"{CODE}, mujoco", at_least=0
    )
    most_weight: float = setting(100.0, "w_max: largest weight of a row.", source=f"{CODE} actor.py", at_least=1)
    normalise_advantage: bool = setting(
        True,
        "Divide A_i by its root mean square over the batch before β.",
        source="our choice: so that β means the same whatever the rewards' size (Wang et al. 2018)",
    )
    scale_rewards: bool = setting(
        True,
        "Multiply rewards by episode_limit / (best return − worst return) of the data.",
        source=f"{CODE} train_offline.py, where 1,000 is the episodes' length",
    )
    clip: float | None = setting(
        None, "Largest gradient norm of each agent's networks; null: any.", source=f"{CODE}: none", at_least=1e-12
    )


class IQL(Algorithm):
    Config = IQLConfig
    config: IQLConfig
    reward_scale: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: IQLConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.value = StackedMLP(team.n, team.obs_size, (config.hidden, config.hidden), 1)
        self.critic = OwnCritics(team, config.hidden)
        self.target_critic = target_copy(self.critic)
        self.policy = TeamChooser(team, config.hidden) if team.discrete else NormalPolicies(team, config.hidden)
        self.register_buffer("reward_scale", torch.tensor(reward_scale(team, config, statistics)))

    def phases(self) -> tuple[Phase, ...]:
        c = self.config
        own = None if c.clip is None else Clip(c.clip, "member")  # the members are the agents
        steps = (
            Update("value", self.value_loss, ("value",), Adam(c.lr), clip=own),
            Update("policy", self.policy_loss, ("policy",), Adam(c.lr, schedule="cosine"), clip=own),
            Update("critic", self.critic_loss, ("critic",), Adam(c.lr), clip=own),
            Polyak("critic", "target_critic", c.tau),
        )
        return (Phase("train", Rows(c.batch_size), steps=steps),)

    def value_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i mean L_τ(min_h Q̄_{i,h}(o_i, a_i) − V_i(o_i)): Eq. 5."""
        advantage = self.advantage(batch)
        value = expectile_loss(advantage, self.config.expectile).mean(1).sum()
        return Loss(value, {"advantage": advantage.mean()})

    def policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−Σ_i mean min(exp(β A_i), w_max) log π_i(a_i | o_i): Eq. 7."""
        with torch.no_grad():
            weight = self.weights(self.advantage(batch))
        log_policy = self.log_policy(batch)
        return Loss(-(weight * log_policy).mean(1).sum(), {"weight": weight.mean(), "log_policy": log_policy.mean()})

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i Σ_h mean (Q_{i,h}(o_i, a_i) − r_i − γ (1 − d) V_i(o_i'))²: Eq. 6."""
        with torch.no_grad():
            next_value = self.value(batch.next_obs.transpose(0, 1)).squeeze(-1)  # [n, B]
            y = self.reward_scale * batch.reward.T + self.config.discount * batch.continues * next_value
        q = self.critic(batch.obs, batch.action)  # [2, n, B]
        td = (q - y).square().mean(-1)
        return Loss(td.sum(), {"td": td.mean(), "q": q.mean(), "target": y.mean()})

    def advantage(self, batch: Batch) -> Tensor:
        """A_i = min_h Q̄_{i,h}(o_i, a_i) − V_i(o_i), [n, B]."""
        with torch.no_grad():
            q = self.target_critic(batch.obs, batch.action).amin(0)
        return q - self.value(batch.obs.transpose(0, 1)).squeeze(-1)

    def weights(self, advantage: Tensor) -> Tensor:
        """min(exp(β A_i), w_max), [n, B]."""
        if self.config.normalise_advantage:
            advantage = advantage / advantage.square().mean(1, keepdim=True).sqrt().clamp(min=1e-8)
        return (self.config.beta * advantage).clamp(max=math.log(self.config.most_weight)).exp()

    def log_policy(self, batch: Batch) -> Tensor:
        """log π_i(a_i | o_i) of the logged actions, [n, B]."""
        if not self.team.discrete:
            return self.policy.log_density(batch.obs, batch.action).T
        log_policy = self.policy(batch.obs, batch.action_mask)
        return log_policy.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1).T

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """The most likely action of each policy."""
        return self.policy(obs, mask).argmax(-1) if self.team.discrete else self.policy(obs), memory


class NormalPolicies(nn.Module):
    """π_i(· | o_i) = N(tanh head, σ_i²), σ_i of each action dimension and no observation, of actions in (−1, 1)."""

    def __init__(self, team: TeamSpec, hidden: int) -> None:
        super().__init__()
        self.mean = TeamActor(team, hidden, "none")
        self.log_std = nn.Parameter(torch.zeros(team.n, team.action_size))

    def forward(self, obs: Tensor) -> Tensor:
        """The means, in the team's bounds: obs [B, n, o] → [B, n, a]."""
        mean: Tensor = self.mean(obs)
        return mean

    def log_density(self, obs: Tensor, action: Tensor) -> Tensor:
        """obs [B, n, o], action [B, n, a] → [B, n], over each agent's own dimensions."""
        log_std = self.log_std.clamp(*LOG_STD)
        error = (self.mean.to_unit(action) - self.mean.to_unit(self.mean(obs))) * (-log_std).exp()
        per_dim = -0.5 * error.square() - log_std - 0.5 * math.log(2 * math.pi)
        return (per_dim * self.mean.dims).sum(-1)


def reward_scale(team: TeamSpec, config: IQLConfig, statistics: Statistics | None) -> float:
    """What rewards are multiplied by: steps of an episode over the range of the data's returns."""
    if not config.scale_rewards:
        return 1.0
    if statistics is None:
        raise ZooError("iql scales rewards by the data's statistics: build it with them, or set scale_rewards=false")
    spread = statistics.return_max - statistics.return_min
    return max(team.episode_limit, 1) / spread if spread > 0 else 1.0
