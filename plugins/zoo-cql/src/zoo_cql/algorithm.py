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
    setting,
)
from zoo_core.nn import target_copy
from zoo_critics import AgentCritics, MixedAlgorithm, MixedConfig, TanhNormalPolicy

PORT = "ComaDICE agents/continuous/cql.py"


@dataclass(frozen=True)
class CQLMAConfig(MixedConfig):
    alpha: float = setting(
        0.1, "α: weight of the conservative penalty.", source="our choice, of scaled rewards", at_least=0
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


class CQLMA(MixedAlgorithm):
    Config = CQLMAConfig
    config: CQLMAConfig
    own: Tensor

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
        own = torch.arange(team.action_size) < torch.tensor(team.action_sizes).unsqueeze(-1)
        self.register_buffer("own", own, persistent=False)  # [n, a]: what is not padding
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
        adam, clip = Adam(c.lr), Clip(c.clip)
        steps = [
            Update("critic", self.critic_loss, ("critic", "mixer"), adam, {} if team.discrete else critic, clip=clip),
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
        """mean (Q_tot(s, a) − y)² + α Σ_i mean (soft maximum of agent i − what its logged action adds)."""
        with torch.no_grad():
            y = self.target(batch, noise)
        q = self.critic(batch.obs, batch.action)
        weight, bias = self.credit(batch)
        total = (weight * q).sum(1) + bias
        td = (total - y).square().mean()
        soft, logged = self.soft_maximum(batch, noise, weight, bias), (weight * q).sum(1)
        if not self.config.importance and not self.team.discrete:
            logged = total  # of which b(s) is a part once, while the soft maxima hold it n times
        penalty = (soft.sum(1) - logged).mean()
        value = td + self.config.alpha * penalty
        return Loss(value, {"td": td, "penalty": penalty, "q": total.mean(), "target": y.mean()})

    def target(self, batch: Batch, noise: Noise) -> Tensor:
        """r + γ (1 − d) Q̄_tot(s', a'), [B]: a' drawn from π, or the online critics' best available actions."""
        if self.team.discrete:
            best = self.best(batch.next_obs, batch.next_action_mask)
            q = self.target_critic(batch.next_obs, best)
        else:
            q = self.target_critic(batch.next_obs, self.policy.sample(batch.next_obs, noise["next"]))
        return self.backup(batch, q, self.target_mixer)

    def soft_maximum(self, batch: Batch, noise: Noise, weight: Tensor, bias: Tensor) -> Tensor:
        """log ∫ exp(w_i Q_i(o_i, ã)) dã of each agent, [B, n]; a sum over available actions where they are discrete."""
        if self.team.discrete:
            adds = weight.unsqueeze(-1) * self.critic.of_all_actions(batch.obs)
            return torch.logsumexp(adds.masked_fill(~self.available(batch.action_mask), -torch.inf), -1)
        with torch.no_grad():
            candidates, log_density = self.candidates(batch, noise)
        adds = weight.unsqueeze(-1) * self.critic.of_candidates(batch.obs, candidates)  # [B, n, 3m]
        adds = adds - log_density if self.config.importance else adds + bias.view(-1, 1, 1)
        return torch.logsumexp(adds, -1)

    def candidates(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Actions [B, n, 3m, a] that are uniform, π(o)'s and π(o')'s, and their log-densities [B, n, 3m]."""
        low, width = self.team.action_low, self.team.action_high - self.team.action_low
        own = self.own.unsqueeze(1)  # [n, 1, a]
        uniform = (low + width * noise["uniform"]) * own
        flat = -math.log(width) * self.own.sum(-1, keepdim=True).expand(uniform.shape[:-1])
        found = [(uniform, flat)]
        for obs, drawn in ((batch.obs, noise["here"]), (batch.next_obs, noise["there"])):
            found.append(self.drawn(obs, drawn))
        actions, densities = zip(*found, strict=True)
        return torch.cat(actions, 2), torch.cat(densities, 2)

    def drawn(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """m actions of each policy and their log-densities: noise [B, n, m, a] → [B, n, m, a], [B, n, m]."""
        mean, log_std = self.policy(obs)
        raw = mean + log_std.exp() * noise.movedim(2, 0)  # samples first, as the policy takes them
        # The density is that of what was drawn before tanh: beyond some 7 there is no way back from the action.
        log_density = self.policy.log_density_of_raw(mean, log_std, raw)
        return self.policy.bound(raw).movedim(0, 2), log_density.movedim(0, 2)

    # --- L_π, continuous actions ---------------------------------------------------------------------------------

    def policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean Σ_i [η log π_i(ã_i | o_i) − w_i(s) Q_i(o_i, ã_i)], ã_i ~ π_i reparameterised."""
        with torch.no_grad():
            weight, _ = self.credit(batch)
        action, log_density = self.drawn(batch.obs, noise["own"].unsqueeze(2))
        adds = weight * self.critic(batch.obs, action.squeeze(2))
        temperature = self.log_temperature.detach().exp()
        value = (temperature * log_density.squeeze(2) - adds).sum(1).mean()
        return Loss(value, {"adds": adds.sum(1).mean(), "log_density": log_density.mean(), "eta": temperature.sum()})

    def temperature_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−log η · mean(log π_i(ã_i | o_i) + target): η rises where the entropy is below its target."""
        with torch.no_grad():
            _, log_density = self.drawn(batch.obs, noise["own"].unsqueeze(2))
        reach = (self.team.action_high - self.team.action_low) / 2
        sizes = self.own.sum(-1)
        target = (self.config.target_entropy + math.log(reach)) * sizes  # [n]
        return Loss(-(self.log_temperature * (log_density.squeeze(2) + target).mean()).sum(), {})

    def reinforce_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−mean Σ_i Q_i(o_i, a_i) log π_i(a_i | o_i) of logged actions: what the public MuJoCo port descends."""
        with torch.no_grad():
            q = self.critic(batch.obs, batch.action)
        log_policy = self.log_policy(batch)
        return Loss(-(q * log_policy).sum(1).mean(), {"log_policy": log_policy.mean()})

    # --- acting --------------------------------------------------------------------------------------------------

    def available(self, mask: Tensor | None) -> Tensor:
        """Which discrete actions there are: mask [B, n, A] or None → bool [B, n, A] or [n, A]. Padding never is."""
        return self.own if mask is None else self.own & mask

    def best(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """Discrete: argmax of each critic over available actions, [B, n]. As w_i ≥ 0 it is the team's."""
        q = self.critic.of_all_actions(obs)
        return q.masked_fill(~self.available(mask), -torch.inf).argmax(-1)

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """tanh of each policy's mean, or each critic's best available action."""
        return self.best(obs, mask) if self.team.discrete else self.policy.mode(obs), memory

    def relabel(self, order: Any) -> None:
        super().relabel(order)
        with torch.no_grad():
            self.own.copy_(self.own[torch.as_tensor(order, device=self.own.device)])
