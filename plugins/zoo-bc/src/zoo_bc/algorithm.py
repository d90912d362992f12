"""BC: behaviour cloning (Pomerleau 1991), one actor per agent.

Each agent i imitates its own logged action from its own observation, independently of the others:

    continuous   min_θ  mean_{i, d} (π_i(o_i)_d − a_{i,d})²       π_i = tanh head, scaled to the action bounds
    discrete     min_θ  mean_i −log π_i(a_i | o_i)               over the available actions only
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    Batch,
    Loss,
    Mixer,
    Noise,
    Phase,
    Rows,
    Statistics,
    TeamSpec,
    Update,
    setting,
)
from zoo_core.nn import StackedMLP


@dataclass(frozen=True)
class BCConfig(AlgorithmConfig):
    iterations: int = setting(10_000, "Gradient steps.", source="our choice; the loss is flat well before")
    batch_size: int = setting(1024, "Rows in a batch.", source="the CFCQL family's")
    lr: float = setting(
        1e-3, "Adam's step size; it decays to zero along a cosine.", source="our choice", at_least=1e-12
    )
    hidden: int = setting(64, "Width of both hidden layers of an actor.", source="the CFCQL family's", at_least=1)


class BC(Algorithm):
    Config = BCConfig
    config: BCConfig

    def __init__(
        self,
        team: TeamSpec,
        config: BCConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.actors = StackedMLP(team.n, team.obs_size, (config.hidden, config.hidden), team.action_size)
        # [n, a]: which dimensions (or actions) each agent has; the rest is padding.
        own = torch.arange(team.action_size) < torch.tensor(team.action_sizes)[:, None]
        self.register_buffer("own", own, persistent=False)

    def phases(self) -> tuple[Phase, ...]:
        loss = self.likelihood_loss if self.team.discrete else self.squared_error_loss
        clone = Update("actor", loss, learns=("actors",), optimizer=Adam(self.config.lr, schedule="cosine"))
        return (Phase("train", Rows(self.config.batch_size), steps=(clone,)),)

    def squared_error_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Mean over rows, agents and their own dimensions of (π_i(o_i) − a_i)²."""
        error = (self.actions(batch.obs) - batch.action).square() * self.own
        value = error.sum() / (batch.size * self.own.sum())
        return Loss(value, {"mse": value})

    def likelihood_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Mean over rows and agents of −log π_i(a_i | o_i)."""
        log_policy = torch.log_softmax(self.logits(batch.obs, batch.action_mask), dim=-1)
        value = -log_policy.gather(-1, batch.action[..., None]).mean()
        agree = (log_policy.argmax(-1) == batch.action).float().mean()
        return Loss(value, {"nll": value, "agreement": agree})

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: None, generator: torch.Generator | None
    ) -> tuple[Tensor, None]:
        if self.team.discrete:
            return self.logits(obs, mask).argmax(-1), None
        return self.actions(obs) * self.own, None

    def actions(self, obs: Tensor) -> Tensor:
        """obs [B, n, o] → actions [B, n, a] within the bounds."""
        low, high = self.team.action_low, self.team.action_high
        return low + 0.5 * (high - low) * (torch.tanh(self._heads(obs)) + 1.0)

    def logits(self, obs: Tensor, mask: Tensor | None) -> Tensor:
        """obs [B, n, o], mask [B, n, A] → logits [B, n, A]; unavailable actions have probability zero."""
        available = self.own if mask is None else self.own & mask
        heads = self._heads(obs)
        return heads.masked_fill(~available, torch.finfo(heads.dtype).min)

    def _heads(self, obs: Tensor) -> Tensor:
        """Every agent's own network on its own observation: [B, n, o] → [B, n, a]."""
        out: Tensor = self.actors(obs.transpose(0, 1)).transpose(0, 1)
        return out
