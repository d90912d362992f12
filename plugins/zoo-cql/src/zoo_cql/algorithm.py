"""CQL-MA: conservative Q-learning (Kumar et al., NeurIPS 2020) of local critics that a mixer makes the team's value.

With Q_tot(s, a) = Σ_i w_i(s) Q_i(o_i, a_i) + b(s) (OMCDA Eq. 1) one iteration descends

    L_Q = E (Q_tot(s, a) − r − γ (1 − d) Q̄_tot(s', π(o')))²
          + α Σ_i E[ log ∫ exp(w_i(s) Q_i(o_i, ã)) dã − w_i(s) Q_i(o_i, a_i) ]      CQL(H), Eq. 4, for each agent
    L_π = E Σ_i [ η log π_i(ã_i | o_i) − w_i(s) Q_i(o_i, ã_i) ],  ã_i ~ π_i

where w_i Q_i is what agent i's action adds to the team's value, and η, of soft actor-critic, keeps the entropy up. The
integral is estimated from actions that are uniform, π(o)'s and π(o')'s, each divided by its density. Discrete actions
need no policy: the integral is a sum, targets take the online critics' best available action, and so do the agents.
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
    Batch,
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
    setting,
)
from zoo_core.nn import target_copy
from zoo_critics import (
    AgentCritics,
    MixedConfig,
    ScaledMixedAlgorithm,
    TanhNormalPolicy,
    candidate_actions,
    conservative_loss,
    joint_state,
)

PORT = "ComaDICE agents/continuous/cql.py"


@dataclass(frozen=True)
class CQLMAConfig(MixedConfig):
    alpha: float = setting(
        0.1,
        "α: weight of the conservative penalty.",
        source="our choice: a tenth of the port's, as rewards are scaled down to a deviation of 1",
        at_least=0,
    )
    samples: int = setting(10, "Actions of each of the penalty's three kinds.", source=f"{PORT}; CQL", at_least=1)
    importance: bool = setting(
        True,
        "Divide by the sampled actions' densities, so that the logsumexp estimates the integral; false: count them "
        "alike, and b(s) with each agent.",
        source="CQL appendix F",
    )
    policy_objective: str = setting(
        "improve",
        "improve: what the policy's own actions are worth, and its entropy. reinforce: logged actions' likelihood "
        "times their worth.",
        source="CQL algorithm 1: soft actor-critic",
        choices=("improve", "reinforce"),
    )
    target_entropy: float = setting(
        -1.0, "The entropy that η keeps, for each action dimension (actions in ±1).", source="CQL; soft actor-critic"
    )


class CQLMA(ScaledMixedAlgorithm):
    Config = CQLMAConfig
    config: CQLMAConfig

    def __init__(
        self,
        team: TeamSpec,
        config: CQLMAConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.critic = AgentCritics(team, self.sizes, config.share_weights)
        self.target_critic, self.target_mixer = target_copy(self.critic), target_copy(self.mixer)
        if not team.discrete:
            self.policy = TanhNormalPolicy(team, self.sizes, config.share_weights)
            self.log_temperature = nn.Parameter(torch.zeros(1))  # log η

    def phases(self) -> tuple[Phase, ...]:
        c, team = self.config, self.team
        rows, sampled = c.batch_size, (c.batch_size, team.n, c.samples, team.action_size)
        one = Draw("normal", (rows, team.n, team.action_size), agent_axis=1)
        critic = {
            "next": one,
            "uniform": Draw("uniform", sampled, agent_axis=1),
            "here": Draw("normal", sampled, agent_axis=1),
            "there": Draw("normal", sampled, agent_axis=1),
        }
        critic_loss = self.discrete_critic_loss if team.discrete else self.critic_loss
        adam, clip = Adam(c.lr), self.clip()
        steps = [
            Update("critic", critic_loss, ("critic", "mixer"), adam, {} if team.discrete else critic, clip=clip),
            Polyak("critic", "target_critic", c.tau),
            Polyak("mixer", "target_mixer", c.tau),
        ]
        if not team.discrete and c.policy_objective == "reinforce":
            steps.insert(0, Update("policy", self.reinforce_loss, ("policy",), adam, clip=clip))
        elif not team.discrete:
            steps.insert(0, Update("policy", self.policy_loss, ("policy",), adam, {"own": one}, clip=clip))
            steps.insert(1, Update("temperature", self.temperature_loss, ("log_temperature",), adam, {"own": one}))
        return (Phase("train", Rows(rows), steps=tuple(steps)),)

    # --- L_Q -----------------------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_Q. By `importance` candidates are divided by their densities; else b(s) is in every soft maximum."""
        importance = self.config.importance
        with torch.no_grad():
            here, there = self.policy(batch.obs), self.policy(batch.next_obs)
            following = self.target_critic(batch.next_obs, self.policy.sample_of(*there, noise["next"]))
            y = self.backup(batch, following, self.target_mixer)
            drawn = (noise[name].movedim(2, 0) for name in ("uniform", "here", "there"))
            candidates, log_density = candidate_actions(self.policy, here, there, *drawn)
        return conservative_loss(
            self.mixer,
            joint_state(batch),
            self.critic(batch.obs, batch.action),
            self.critic.of_candidates(batch.obs, candidates),
            y,
            self.config.alpha,
            log_density=log_density if importance else None,
            bias_each=not importance,
        )

    def discrete_critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_Q with the soft maximum over all available actions, and targets of the online critics' best ones."""
        with torch.no_grad():
            best = self.critic.best(batch.next_obs, batch.next_action_mask)
            y = self.backup(batch, self.target_critic(batch.next_obs, best), self.target_mixer)
        every = self.critic.of_all_actions(batch.obs)
        q = every.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
        available = self.critic.available(batch.action_mask)
        return conservative_loss(self.mixer, joint_state(batch), q, every, y, self.config.alpha, available=available)

    # --- L_π, continuous actions ---------------------------------------------------------------------------------

    def policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean Σ_i [η log π_i(ã_i | o_i) − w_i(s) Q_i(o_i, ã_i)], ã_i ~ π_i reparameterised."""
        with torch.no_grad():
            weight, _ = self.credit(batch)
        action, log_density = self.policy.sample_with_density(*self.policy(batch.obs), noise["own"])
        adds = weight * self.critic(batch.obs, action)
        temperature = self.log_temperature.detach().exp()
        value = (temperature * log_density - adds).sum(1).mean()
        return Loss(value, {"adds": adds.sum(1).mean(), "log_density": log_density.mean(), "eta": temperature.sum()})

    def temperature_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−log η · mean(log π_i(ã_i | o_i) + target): η rises where the entropy is below its target."""
        with torch.no_grad():
            _, log_density = self.policy.sample_with_density(*self.policy(batch.obs), noise["own"])
        sizes = self.policy.dims.sum(-1)
        target = (self.config.target_entropy + math.log(self.policy.reach)) * sizes  # [n]
        return Loss(-(self.log_temperature * (log_density + target).mean()).sum(), {})

    def reinforce_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−mean Σ_i Q_i(o_i, a_i) log π_i(a_i | o_i) of logged actions: what the public MuJoCo port descends."""
        with torch.no_grad():
            q = self.critic(batch.obs, batch.action)
        log_policy = self.log_policy(batch)
        return Loss(-(q * log_policy).sum(1).mean(), {"log_policy": log_policy.mean()})

    # --- acting --------------------------------------------------------------------------------------------------

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """tanh of each policy's mean, or each critic's best available action."""
        return self.critic.best(obs, mask) if self.team.discrete else self.policy.mode(obs), memory
