"""MA-TD3+BC: TD3 with behaviour cloning (Fujimoto & Gu, NeurIPS 2021; code: sfujim/TD3_BC), one learner per agent.

Decentralised, as in OMAR's paper, which calls the team of such learners MA-TD3+BC: agent i has twin critics of its own
observation and action, learned from its own reward. With ε ~ N(0, σ²) clipped to ±c and observations normalised by the
mean and deviation that they have in the data:

    y_i = r_i + γ (1 − d) min_h Q̄_{i,h}(o_i', clip(π_i'(o_i') + ε))                       TD3's smoothed clipped target
    L_i = Σ_h E (Q_{i,h}(o_i, a_i) − y_i)²
    L_π = E[ −λ_i Q_{i,1}(o_i, π_i(o_i)) + (π_i(o_i) − a_i)² ],   λ_i = α / E |Q_{i,1}(o_i, π_i(o_i))|       Eqs. 3, 5

Normalised observations are Eq. 4. Policies and targets move every `policy_delay` updates of the critics. Actions are
scaled to (−1, 1) in the second term.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    Batch,
    Clip,
    Draw,
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
from zoo_core.nn import target_copy
from zoo_critics import OwnCritics, TeamActor

CODE = "TD3_BC"
OMAR = "OMAR's particle-world learner"
FIRST = slice(0, 1)


@dataclass(frozen=True)
class TD3BCConfig(AlgorithmConfig):
    iterations: int = setting(10_000, "Updates of the critics.", source="our choice")
    batch_size: int = setting(1024, "Rows in a batch.", source=OMAR)
    lr: float = setting(1e-3, "Adam's rate, of critics and policies.", source="our choice", at_least=1e-12)
    schedule: str = setting(
        "cosine",
        "Whether the policies' rate stays (constant) or decays to zero along a cosine.",
        source="our choice: as BC's, to compare with it",
        choices=("constant", "cosine"),
    )
    hidden: int = setting(64, "Width of both hidden layers of every network.", source=OMAR, at_least=1)
    discount: float = setting(0.95, "γ.", source=OMAR, at_least=0, at_most=1)
    tau: float = setting(0.01, "τ: how far targets move at a time.", source=OMAR, at_least=0, at_most=1)
    alpha: float = setting(2.5, "α: weight of the value against cloning; 0 clones.", source=CODE, at_least=0)
    policy_delay: int = setting(2, "Critic updates to one of policies and targets.", source=CODE, at_least=1)
    smoothing: float = setting(0.2, "σ: deviation of the noise on target actions.", source=CODE, at_least=0)
    smoothing_clip: float = setting(0.5, "c: bound of that noise.", source=CODE, at_least=0)
    normalise_obs: bool = setting(
        True, "Shift and scale observations by their mean and deviation in the data.", source=CODE
    )
    normalise_eps: float = setting(1e-3, "Added to that deviation.", source=CODE, at_least=1e-12)
    clip: float | None = setting(
        0.5, "Largest gradient norm of each agent's critics and policy; null: any.", source=OMAR, at_least=1e-12
    )


class TD3BC(Algorithm):
    Config = TD3BCConfig
    config: TD3BCConfig
    obs_mean: Tensor
    obs_scale: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: TD3BCConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.critic = OwnCritics(team, config.hidden)
        self.actor = TeamActor(team, config.hidden, "none")
        self.target_critic, self.target_actor = target_copy(self.critic), target_copy(self.actor)
        mean, scale = torch.zeros(team.n, team.obs_size), torch.ones(team.n, team.obs_size)
        if config.normalise_obs:
            if statistics is None:
                raise ZooError("td3bc normalises by the data's statistics: build it with them, or normalise_obs=false")
            mean, scale = statistics.obs_mean.clone(), statistics.obs_std + config.normalise_eps
        self.register_buffer("obs_mean", mean)
        self.register_buffer("obs_scale", scale)

    def phases(self) -> tuple[Phase, ...]:
        c = self.config
        shape = (c.batch_size, self.team.n, self.team.action_size)
        noise = {"smoothing": Draw("normal", shape, agent_axis=1)}
        own = None if c.clip is None else Clip(c.clip, "member")  # the members are the agents
        critic = Update("critic", self.critic_loss, ("critic",), Adam(c.lr), noise, clip=own)
        # λ moves with the policy, so that small steps on one batch may raise the value that is logged.
        actor = Update(
            "actor",
            self.actor_loss,
            ("actor",),
            Adam(c.lr, schedule=c.schedule),
            clip=own,
            every=c.policy_delay,
            descends=False,
        )
        targets = (
            Polyak("critic", "target_critic", c.tau, every=c.policy_delay),
            Polyak("actor", "target_actor", c.tau, every=c.policy_delay),
        )
        return (Phase("train", Rows(c.batch_size), steps=(critic, actor, *targets)),)

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i Σ_h mean (Q_{i,h}(o_i, a_i) − y_i)²."""
        with torch.no_grad():
            y = self.target(batch, noise)
        q = self.critic(self.normalised(batch.obs), batch.action)  # [2, n, B]
        td = (q - y).square().mean(-1)
        return Loss(td.sum(), {"td": td.mean(), "q": q.mean(), "target": y.mean()})

    def target(self, batch: Batch, noise: Noise) -> Tensor:
        """y [n, B]: each agent's reward and the lesser of its critics' values where its target policy goes next."""
        c, next_obs = self.config, self.normalised(batch.next_obs)
        shift = (c.smoothing * noise["smoothing"]).clamp(-c.smoothing_clip, c.smoothing_clip)
        next_action = self.actor.clamp(self.target_actor(next_obs) + self.actor.reach * shift)
        next_q = self.target_critic(next_obs, next_action).amin(0)
        return batch.reward.T + c.discount * batch.continues * next_q

    def actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i −λ_i mean Q_{i,1}(o_i, π_i(o_i)) + mean (π_i(o_i) − a_i)², over the agent's own action dimensions."""
        obs = self.normalised(batch.obs)
        policy = self.actor(obs)
        q = self.critic(obs, policy, FIRST)[0]  # [n, B]
        scale = self.config.alpha / q.abs().mean(1).detach().clamp(min=1e-8)  # λ [n]
        error = (self.actor.to_unit(policy) - self.actor.to_unit(batch.action)).square()
        cloning = error.sum(-1).mean(0) / self.actor.dims.sum(-1)  # [n]
        loss = -scale * q.mean(1) + cloning
        return Loss(loss.sum(), {"q": q.mean(), "cloning": cloning.mean(), "scale": scale.mean()})

    def normalised(self, obs: Tensor) -> Tensor:
        """obs [B, n, o], each feature of each agent shifted and scaled by its moments in the data."""
        return (obs - self.obs_mean) / self.obs_scale

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        return self.actor(self.normalised(obs)), memory
