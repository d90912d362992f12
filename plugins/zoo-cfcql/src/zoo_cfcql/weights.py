"""λ_i of CFCQL's penalty: 1/n, or by how far each agent's policy leaves the density of the logged actions.

With `cf_weight` a first phase fits a density μ̂ of the joint action, and λ depends on how likely it finds each agent's
policy (CFCQL maddpg_cc.py get_cf_weight, train_vae.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zoo_cfcql.density import ActionDensity
from zoo_core import Adam, Batch, Draw, Loss, Noise, Phase, Rows, Statistics, TeamSpec, Update, setting
from zoo_critics import ConservativeCritics, CriticConfig, state_of

VAE = "CFCQL continuous train_vae.py"


@dataclass(frozen=True)
class WeightsConfig(CriticConfig):
    """Settings of the weights and of the density."""

    cf_weight: str = setting(
        "none",
        "λ_i. none: 1/n; softmax or softmin over agents of τ (log π_i − log μ̂_i), at the policies' own actions.",
        source="CFCQL continuous maddpg_cc.py get_cf_weight; the repository's versions differ in the sign",
        choices=("none", "softmax", "softmin"),
    )
    cf_tau: float = setting(
        1.0, "τ of these weights.", source="CFCQL continuous: the default; per dataset unknown", at_least=0
    )
    density_iterations: int = setting(100_000, "Updates of the density.", source=VAE, at_least=1)
    density_batch_size: int = setting(256, "Rows in a batch for the density.", source=VAE, at_least=1)
    density_hidden: int = setting(750, "Width of the density's networks.", source=VAE, at_least=1)
    density_lr: float = setting(1e-4, "Adam's rate for the density.", source=VAE, at_least=1e-12)
    density_beta: float = setting(
        0.5, "β: weight of the divergence; the decoder's variance is β/4.", source=VAE, at_least=1e-6
    )
    density_samples: int = setting(
        20, "Latents of one estimate.", source="CFCQL continuous maddpg_cc.py:158-168", at_least=1
    )


class DensityWeights(ConservativeCritics):
    """A conservative critic that weighs agents by a density fitted first."""

    def __init__(
        self, team: TeamSpec, config: Any, *, statistics: Statistics | None = None, mixer: None = None
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.latent = 2 * team.joint_action_size
        if config.cf_weight != "none":
            state_size, action_size = self.critic.state_size, team.joint_action_size
            self.density = ActionDensity(state_size, action_size, self.latent, config.density_hidden)

    def phases(self) -> Sequence[Phase]:
        c = self.config
        if c.cf_weight == "none":
            return super().phases()
        noise = {"latent": Draw("normal", (c.density_batch_size, self.latent))}
        fit = Update("density", self.density_loss, ("density",), Adam(c.density_lr), noise)
        own = tuple(f"density_{name}" for name in ("iterations", "batch_size", "hidden", "lr", "beta"))
        decides = (*own, "hidden", "heads")  # the critic's weights are drawn before the density's first ones
        density = Phase("density", Rows(c.density_batch_size), (fit,), c.density_iterations, reuse=decides)
        return (density, *super().phases())

    def density_loss(self, batch: Batch, noise: Noise) -> Loss:
        """The autoencoder's loss on logged joint actions."""
        state, action = state_of(batch.state), self.actor.to_unit(batch.action).flatten(1)
        error, divergence = self.density.loss(state, action, noise["latent"], self.config.density_beta)
        return Loss(error + divergence, {"reconstruction": error, "divergence": divergence})

    def penalty_noise(self) -> dict[str, Draw]:
        c = self.config
        if c.cf_weight == "none":
            return super().penalty_noise()
        return {**super().penalty_noise(), "latents": Draw("normal", (c.density_samples, c.batch_size, self.latent))}

    @torch.no_grad()
    def agent_weights(self, batch: Batch, noise: Noise) -> Tensor:
        """λ [n, B]. log π_i is the peak of the noise around π_i(o_i), where μ̂_i is taken too."""
        c = self.config
        if c.cf_weight == "none":
            return super().agent_weights(batch, noise)
        dims, policy = self.actor.dims, self.actor.to_unit(self.actor(batch.obs))
        log_mu = self.density.log_density(state_of(batch.state), policy, dims, noise["latents"], c.density_beta)
        log_pi = -math.log(c.penalty_noise * math.sqrt(2 * math.pi)) * dims.sum(-1)
        ratio = c.cf_tau * (log_pi.unsqueeze(-1) - log_mu)
        return torch.softmax(ratio if c.cf_weight == "softmax" else -ratio, 0)

    @torch.no_grad()
    def relabel(self, order: Sequence[int]) -> None:
        super().relabel(order)
        if self.config.cf_weight != "none":
            n, a = self.team.n, self.team.action_size
            self.density.relabel(
                self.state_columns(order), torch.arange(n * a).view(n, a)[torch.as_tensor(order)].flatten()
            )
