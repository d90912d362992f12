"""OMAR: Offline Multi-Agent RL with Actor Rectification (Pan et al., ICML 2022; code: ling-pan/OMAR).

Decentralised: every agent i learns twin critics of its own observation and action from its own reward, and its policy.

    y_i = r_i + γ (1 − d) min_h Q̄_{i,h}(o_i', π_i'(o_i'))
    L_i = Σ_h [ E (Q_{i,h}(o_i, a_i) − y_i)² + α E ( LSE_a( Q_{i,h}(o_i, a) − log p(a) ) − Q_{i,h}(o_i, a_i) ) ]     CQL
    â_i = the better by Q_{i,1} of π_i(o_i) and the best action that the cross-entropy search finds
    L_π = c E (π_i(o_i) − â_i)² − (1 − c) E Q_{i,1}(o_i, π_i(o_i)) + 0.001 E π_i²             Section 3.2

The policy gradient alone stops at local optima of the conservative critic; the search looks further. Discrete actions:
policies are categorical and the search is exact, for it can value every action.

    y_i = r_i + γ (1 − d) Σ_a π_i'(a | o_i') min_h Q̄_{i,h}(o_i', a)
    L_π = −c E log π_i(â_i | o_i) − (1 − c) E Σ_a π_i(a | o_i) Q_{i,1}(o_i, a),         â_i = argmax_a Q_{i,1}(o_i, a)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from zoo_core import (
    Adam,
    Algorithm,
    Batch,
    Clip,
    Draw,
    Loss,
    Mixer,
    Noise,
    Phase,
    Polyak,
    Rows,
    SettingError,
    Statistics,
    TeamSpec,
    Update,
)
from zoo_core.nn import target_copy
from zoo_critics import Candidates, OwnCritics, TeamActor, TeamChooser, gaussian_candidates, uniform_candidates
from zoo_omar.config import OMARConfig
from zoo_omar.search import best_action

FIRST = slice(0, 1)
"""The head that policies ascend."""


class OMAR(Algorithm):
    Config = OMARConfig
    config: OMARConfig

    def __init__(
        self,
        team: TeamSpec,
        config: OMARConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        if config.search == "elites" and config.search_elites > config.search_samples:
            raise SettingError(
                f"search_elites={config.search_elites} of search_samples={config.search_samples}: keep fewer"
            )
        self.critic = OwnCritics(team, config.hidden, config.norm)
        self.actor = (TeamChooser if team.discrete else TeamActor)(team, config.hidden, config.norm)
        self.target_critic, self.target_actor = target_copy(self.critic), target_copy(self.actor)

    def phases(self) -> tuple[Phase, ...]:
        """One update of the critics, one of the policies, one soft update of the targets."""
        c, discrete = self.config, self.team.discrete
        critic_loss = self.discrete_critic_loss if discrete else self.critic_loss
        actor_loss = self.discrete_actor_loss if discrete else self.actor_loss
        penalty, search = ({}, {}) if discrete else (self.penalty_noise(), self.search_noise())
        own = Clip(c.clip, "member")  # the members are the agents
        critic = Update("critic", critic_loss, ("critic",), Adam(c.lr), penalty, clip=own)
        actor = Update("actor", actor_loss, ("actor",), Adam(c.lr), search, clip=own)
        targets = Polyak("critic", "target_critic", c.tau), Polyak("actor", "target_actor", c.tau)
        return (Phase("train", Rows(c.batch_size), steps=(critic, actor, *targets)),)

    def penalty_noise(self) -> Mapping[str, Draw]:
        """For each agent, row and sample one action, of each kind."""
        shape = (self.team.n, self.config.batch_size, self.config.samples, self.team.action_size)
        uniform = {"uniform": Draw("uniform", shape, agent_axis=0)}
        if self.config.penalty_actions == "uniform":
            return uniform
        return {**uniform, **{kind: Draw("normal", shape, agent_axis=0) for kind in ("policy", "next_policy")}}

    def search_noise(self) -> Mapping[str, Draw]:
        """For each round of the search, agent, row and sample one action."""
        c = self.config
        shape = (c.search_rounds, self.team.n, c.batch_size, c.search_samples, self.team.action_size)
        return {"search": Draw("normal", shape, agent_axis=1)}

    # --- continuous actions --------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i Σ_h [ mean (Q_{i,h}(o_i, a_i) − y_i)² + α (LSE_a(Q_{i,h}(o_i, a) − log p(a)) − Q_{i,h}(o_i, a_i)) ]."""
        with torch.no_grad():
            next_q = self.target_critic(batch.next_obs, self.target_actor(batch.next_obs)).amin(0)
            y = self.backup(batch, next_q)
        q = self.critic(batch.obs, batch.action)  # [2, n, B]
        return self.conservative(q, y, self.critic.conservative_value(batch.obs, self.candidates(batch, noise)))

    def candidates(self, batch: Batch, noise: Noise) -> list[Candidates]:
        """The penalised actions: uniform, and on request near π(o) and near π(o'), all at the observation o."""
        c, low, high, dims = self.config, self.team.action_low, self.team.action_high, self.actor.dims
        groups = [uniform_candidates(noise["uniform"], low, high, dims)]
        for name, obs in (("policy", batch.obs), ("next_policy", batch.next_obs)):
            if name in noise:
                with torch.no_grad():
                    policy = self.actor(obs)
                groups.append(gaussian_candidates(policy, noise[name], c.penalty_noise, low, high, dims))
        return groups

    def actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i c mean (π_i(o_i) − â_i)² − (1 − c) mean Q_{i,1}(o_i, π_i(o_i)) + l2 mean π_i²."""
        policy = self.actor(batch.obs)  # [B, n, a]
        q = self.critic(batch.obs, policy, FIRST)[0]  # [n, B]
        with torch.no_grad():
            found, rectified = self.rectified_action(batch.obs, policy, q, noise["search"])
        share, dims = self.config.rectification, self.actor.dims.sum(-1)
        distance = (policy - rectified).square().sum(-1).mean(0) / dims  # [n]
        l2 = policy.square().sum(-1).mean(0) / dims
        loss = share * distance - (1 - share) * q.mean(1) + self.config.action_l2 * l2
        return Loss(loss.sum(), {"q": q.mean(), "distance": distance.mean(), "found": found.mean()})

    def rectified_action(self, obs: Tensor, policy: Tensor, q: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """â [B, n, a], the better of the policy's action and of the search's best, and where it is the search's.

        obs [B, n, o], policy [B, n, a] and its q [n, B], normals [rounds, n, B, m, a].
        """
        actor = self.actor

        def value(unit: Tensor) -> tuple[Tensor, Tensor]:
            action = (actor.centre + actor.reach * unit) * actor.dims[:, None, None]
            return action, self.critic.of_candidates(obs, action, FIRST)[0]

        best, its_q = best_action(value, normals, self.config)  # [n, B, a], [n, B]
        found = (its_q > q).T
        return found.float(), torch.where(found.unsqueeze(-1), best.transpose(0, 1), policy)

    # --- discrete actions ----------------------------------------------------------------------------------------

    def discrete_critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i Σ_h [ mean (Q_{i,h}(o_i, a_i) − y_i)² + α (LSE_a Q_{i,h}(o_i, a) − Q_{i,h}(o_i, a_i)) ]."""
        with torch.no_grad():
            policy = self.target_actor(batch.next_obs, batch.next_action_mask).exp().transpose(0, 1)  # [n, B, A]
            y = self.backup(batch, (policy * self.target_critic.of_all_actions(batch.next_obs).amin(0)).sum(-1))
        every = self.critic.of_all_actions(batch.obs)  # [2, n, B, A]
        q = every.gather(-1, batch.action.T[None, ..., None].expand(len(every), -1, -1, 1)).squeeze(-1)
        return self.conservative(q, y, self.only_available(every, batch.action_mask).logsumexp(-1).mean(-1))

    def discrete_actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i −c mean log π_i(â_i | o_i) − (1 − c) mean Σ_a π_i(a | o_i) Q_{i,1}(o_i, a)."""
        log_policy = self.actor(batch.obs, batch.action_mask).transpose(0, 1)  # [n, B, A]
        q = self.critic.of_all_actions(batch.obs, FIRST)[0]
        best = self.only_available(q, batch.action_mask).argmax(-1, keepdim=True)
        likelihood = log_policy.gather(-1, best).squeeze(-1).mean(1)  # [n]
        value = (log_policy.exp() * q).sum(-1).mean(1)
        share = self.config.rectification
        loss = -share * likelihood - (1 - share) * value
        found = (log_policy.argmax(-1, keepdim=True) != best).float()
        return Loss(loss.sum(), {"q": value.mean(), "likelihood": likelihood.mean(), "found": found.mean()})

    def only_available(self, q: Tensor, mask: Tensor | None) -> Tensor:
        """Values [..., n, B, A] with unavailable actions at the lowest finite number."""
        available = self.actor.available(mask)
        available = available.unsqueeze(1) if mask is None else available.transpose(0, 1)
        return q.masked_fill(~available, torch.finfo(q.dtype).min)

    # --- parts of both -------------------------------------------------------------------------------------------

    def backup(self, batch: Batch, next_value: Tensor) -> Tensor:
        """r_i + γ (1 − d) next_value, [n, B]: each agent's own reward."""
        return batch.reward.T + self.config.discount * batch.continues * next_value

    def conservative(self, q: Tensor, y: Tensor, soft_maximum: Tensor) -> Loss:
        """Bellman errors and α times the conservative penalty, summed over heads and agents. q [2, n, B], y [n, B]."""
        td = (q - y).square().mean(-1)
        penalty = soft_maximum - q.mean(-1)
        loss = (td + self.config.alpha * penalty).sum()
        return Loss(loss, {"td": td.mean(), "penalty": penalty.mean(), "q": q.mean(), "target": y.mean()})

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        return self.actor(obs, mask).argmax(-1) if self.team.discrete else self.actor(obs), memory
