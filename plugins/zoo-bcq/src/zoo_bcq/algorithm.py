"""BCQ-MA: batch-constrained Q-learning (Fujimoto, Meger & Precup, ICML 2019) for a team whose value is mixed.

Every agent has a generative model of its data, a variational auto-encoder G_i(o_i, z), and a perturbation ξ_i of at
most Φ. Its actions are the best of several G_i + ξ_i. With Q_tot,h(s, a) = Σ_i w_i(s) Q_{i,h}(o_i, a_i) + b(s) for the
twins h = 1, 2 (OMCDA Eq. 1), one iteration descends

    L_G = ‖G_i(o_i, z) − a_i‖² + ½ KL(N(μ, σ²) ‖ N(0, 1)),  z ~ N(μ, σ²) encoded from (o_i, a_i)
    L_Q = Σ_h (Q_tot,h(s, a) − r − γ (1 − d) mix(max_ã [λ min_h Q̄_{i,h} + (1 − λ) max_h Q̄_{i,h}](o_i', ã), s'))²
    L_ξ = −Q_tot,1(s, G + ξ),  z ~ N(0, 1) clipped to ±½

where ã are ten candidates of agent i alone: the mixer never decreases in a value, so the agents' maxima are the team's.
With discrete actions (Fujimoto et al. 2019, discrete BCQ) an imitating policy takes the place of G and ξ: only actions
at least `threshold` times as likely as the likeliest are candidates.
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
from zoo_core.nn import normal_rows, target_copy
from zoo_critics import AgentCritics, AgentNet, CategoricalPolicy, MixedConfig, ScaledMixedAlgorithm, masked, own_dims

BCQ, PORT, DISCRETE = "sfujim/BCQ continuous", "ComaDICE agents/continuous/bcq.py", "sfujim/BCQ discrete_BCQ.py"
LOG_STD = (-4.0, 15.0)
"""Bounds of the encoder's log-deviation."""
REACH = 0.5
"""Latents that actions are generated from stay within ± this."""


@dataclass(frozen=True)
class BCQMAConfig(MixedConfig):
    perturbation: float = setting(
        0.3,
        "Φ, of actions in ±1: how far from generated actions agents may go.",
        source="our choice: BCQ's 0.05 keeps agents at the mean of data of several behaviours",
        at_least=0,
    )
    candidates: int = setting(10, "Actions of each agent that a target chooses from.", source=BCQ, at_least=1)
    acting_candidates: int = setting(100, "Actions that an acting agent chooses from.", source=BCQ, at_least=1)
    lesser: float = setting(0.75, "λ: how much the lesser of the twins counts.", source=BCQ, at_least=0, at_most=1)
    vae_hidden: int = setting(64, "Width of both hidden layers of encoder and decoder.", source=PORT, at_least=1)
    latent: int | None = setting(None, "Size of z; null: twice the action's.", source=BCQ, at_least=1)
    actor: str = setting(
        "total",
        "What perturbations ascend. total: Q_tot,1; own: each agent's Q_{i,1}, whatever its weight.",
        source="our choice: the team's value",
        choices=("total", "own"),
    )
    threshold: float = setting(
        0.3, "Discrete: how likely a candidate is, against the likeliest.", source=DISCRETE, at_least=0, at_most=1
    )
    logit_decay: float = setting(
        1e-2, "Discrete: weight of the imitator's squared logits.", source=DISCRETE, at_least=0
    )


class BCQMA(ScaledMixedAlgorithm):
    Config = BCQMAConfig
    config: BCQMAConfig
    dims: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: BCQMAConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        share, o, a = config.share_weights, team.obs_size, team.action_size
        self.latent = config.latent or 2 * a
        heads = 1 if team.discrete else 2
        self.critics = nn.ModuleList(AgentCritics(team, self.sizes, share) for _ in range(heads))
        self.target_critics, self.target_mixer = target_copy(self.critics), target_copy(self.mixer)
        if team.discrete:
            self.imitator = CategoricalPolicy(team, self.sizes, share)
        else:
            narrow = (config.vae_hidden, config.vae_hidden)
            self.encoder = AgentNet(team, o + a, narrow, 2 * self.latent, share)
            self.decoder = AgentNet(team, o + self.latent, narrow, a, share)
            self.actor = AgentNet(team, o + a, self.sizes, a, share)
            self.target_actor = target_copy(self.actor)
            self.register_buffer("dims", own_dims(team).float(), persistent=False)  # [n, a]: what is not padding
        self.centre = (team.action_high + team.action_low) / 2
        self.reach = (team.action_high - team.action_low) / 2

    def phases(self) -> tuple[Phase, ...]:
        c, team = self.config, self.team
        adam, clip = Adam(c.lr), self.clip()
        follow = [Polyak("critics", "target_critics", c.tau), Polyak("mixer", "target_mixer", c.tau)]
        learned = ("critics", "mixer")
        if team.discrete:
            imitate = Update("imitator", self.imitation_loss, ("imitator",), adam, clip=clip)
            critic = Update("critic", self.discrete_critic_loss, learned, adam, clip=clip)
            return (Phase("train", Rows(c.batch_size), steps=(imitate, critic, *follow)),)
        one = {"z": Draw("normal", (c.batch_size, team.n, self.latent), agent_axis=1)}
        many = {"z": Draw("normal", (c.batch_size, team.n, c.candidates, self.latent), agent_axis=1)}
        steps = (
            Update("vae", self.vae_loss, ("encoder", "decoder"), adam, one, clip=clip),
            Update("critic", self.critic_loss, learned, adam, many, clip=clip),
            Update("actor", self.actor_loss, ("actor",), adam, one, clip=clip),
            *follow,
            Polyak("actor", "target_actor", c.tau),
        )
        return (Phase("train", Rows(c.batch_size), steps=steps),)

    # --- continuous actions --------------------------------------------------------------------------------------

    def vae_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_G: mean squared error over agents' own dimensions, in ±1, and half the mean divergence over latents."""
        action = (batch.action - self.centre) / self.reach * self.dims
        mean, log_std = self.encoder(torch.cat((batch.obs, action), -1)).chunk(2, -1)
        log_std = log_std.clamp(*LOG_STD)
        z = mean + log_std.exp() * noise["z"]
        error = (self.decode(batch.obs, z.unsqueeze(2)).squeeze(2) - action).square() * self.dims
        error = error.sum() / (batch.size * self.dims.sum())
        divergence = 0.5 * (mean.square() + (2 * log_std).exp() - 2 * log_std - 1.0).mean()
        return Loss(error + 0.5 * divergence, {"error": error, "divergence": divergence})

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_Q."""
        with torch.no_grad():
            candidates = self.generate(self.target_actor, batch.next_obs, noise["z"])
            q = torch.stack([critic.of_candidates(batch.next_obs, candidates) for critic in self.target_critics])
            lesser = self.config.lesser
            q = lesser * q.amin(0) + (1.0 - lesser) * q.amax(0)  # [B, n, m]
            y = self.backup(batch, q.amax(-1), self.target_mixer)
        totals = torch.stack([self.total(critic(batch.obs, batch.action), batch) for critic in self.critics])
        td = (totals - y).square().mean(1)
        return Loss(td.sum(), {"td": td.mean(), "q": totals.mean(), "target": y.mean()})

    def actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_ξ, or with `own` the mean of −Q_{i,1} over agents."""
        with torch.no_grad():
            raw = self.decode(batch.obs, noise["z"].clamp(-REACH, REACH).unsqueeze(2))
        action = self.perturb(self.actor, batch.obs, raw).squeeze(2)
        q = self.critics[0](batch.obs, action)
        worth = q.mean() if self.config.actor == "own" else self.total(q, batch).mean()
        return Loss(-worth, {"q": q.mean()})

    def generate(self, actor: AgentNet, obs: Tensor, noise: Tensor) -> Tensor:
        """Perturbed candidates in the team's bounds: obs [B, n, o], noise [B, n, m, z] → [B, n, m, a]."""
        return self.perturb(actor, obs, self.decode(obs, noise.clamp(-REACH, REACH)))

    def decode(self, obs: Tensor, z: Tensor) -> Tensor:
        """G, actions in ±1: obs [B, n, o], z [B, n, m, z] → [B, n, m, a]."""
        return torch.tanh(self.decoder.of_candidates(obs, z)) * self.dims.unsqueeze(1)

    def perturb(self, actor: AgentNet, obs: Tensor, raw: Tensor) -> Tensor:
        """G + ξ within ±1, then in the team's bounds: raw [B, n, m, a] → [B, n, m, a]."""
        shift = self.config.perturbation * torch.tanh(actor.of_candidates(obs, raw))
        return (self.centre + self.reach * (raw + shift).clamp(-1.0, 1.0)) * self.dims.unsqueeze(1)

    # --- discrete actions ----------------------------------------------------------------------------------------

    def imitation_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean −log π_i(a_i | o_i) + logit_decay · mean squared logit of available actions."""
        logits = self.imitator.net(batch.obs)
        likelihood = self.imitator.log_density(batch.obs, batch.action, batch.action_mask)
        available = self.imitator.available(batch.action_mask).expand_as(logits).float()
        size = (logits.square() * available).sum() / available.sum()
        value = -likelihood.mean() + self.config.logit_decay * size
        return Loss(value, {"nll": -likelihood.mean()})

    def discrete_critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Huber loss of Q_tot(s, a) against the target critics at the online critics' best candidates."""
        with torch.no_grad():
            best = self.best(batch.next_obs, batch.next_action_mask)
            y = self.backup(batch, self.target_critics[0](batch.next_obs, best), self.target_mixer)
        q = self.total(self.critics[0](batch.obs, batch.action), batch)
        return Loss(nn.functional.smooth_l1_loss(q, y), {"q": q.mean(), "target": y.mean()})

    def best(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """Each agent's most valued action among its candidates, [B, n]."""
        return masked(self.critics[0].of_all_actions(obs), self.candidates(obs, mask)).argmax(-1)

    def candidates(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """Available actions at least `threshold` times as likely as the likeliest, bool [B, n, A]."""
        log_policy = self.imitator(obs, mask)
        likely = log_policy - log_policy.amax(-1, keepdim=True) >= math.log(max(self.config.threshold, 1e-30))
        return likely & self.imitator.available(mask)

    # --- acting --------------------------------------------------------------------------------------------------

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """Each agent's most valued candidate. Without a generator the one generated from z = 0."""
        if self.team.discrete:
            return self.best(obs, mask), memory
        tries = self.config.acting_candidates if generator is not None else 1
        z = normal_rows((len(obs), self.team.n, tries, self.latent), generator, obs)
        actions = self.generate(self.actor, obs, z)
        best = self.critics[0].of_candidates(obs, actions).argmax(-1)  # [E, n]
        index = best[..., None, None].expand(-1, -1, 1, actions.shape[-1])
        return actions.gather(2, index).squeeze(2), memory

    def relabel(self, order: Any) -> None:
        super().relabel(order)
        if not self.team.discrete:
            with torch.no_grad():
                self.dims.copy_(self.dims[torch.as_tensor(order, device=self.dims.device)])
