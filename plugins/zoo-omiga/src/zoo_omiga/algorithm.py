"""OMIGA: implicit global-to-local value regularisation (Wang et al., NeurIPS 2023; code: ZhengYinan-AIR/OMIGA).

The team maximises its return less α times the divergence of its policy from the data's. Where Q and V of the team are
a linear mix of local ones, with w ≥ 0,

    Q_tot(o, a) = Σ_i w_i(s) Q_i(o_i, a_i) + b(s),      V_tot(o) = Σ_i w_i(s) V_i(o_i) + b(s)

that optimum splits into one for each agent, regularised by α / w_i. With z_i = w̄_i(s) (Q̄_i(o_i, a_i) − V_i(o_i)) / α
of logged actions alone, bars marking targets, one iteration descends

    L_π = −E log π_i(a_i | o_i) exp(z_i)                                  local policies
    L_V = E exp(z_i) + w̄_i(s) V_i(o_i) / α                                local values
    L_Q = E (r + γ (1 − d) V̄_tot(o') − Q_tot(o, a))²                      local critics and the mixer

and moves the targets of critics, values and mixer. L_V is least where E exp(z_i) = 1 under the data's actions, so π_i,
the data's policy times exp(z_i), is normalised. No action outside the data is ever valued.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_core import (
    Adam,
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
from zoo_core.nn import target_copy
from zoo_critics import (
    DISTRIBUTIONS,
    AgentCritics,
    AgentValues,
    MixedAlgorithm,
    credit,
    joint_state,
    mixer_of,
    policy_of,
    steady_exp,
)

CODE = "OMIGA"


@dataclass(frozen=True)
class OMIGAConfig(AlgorithmConfig):
    iterations: int = setting(1_000_000, "Updates of each network.", source=f"{CODE} configs/config.py:27-37")
    batch_size: int = setting(128, "Rows in a batch.", source=f"{CODE} configs/config.py:27-37")
    lr: float = setting(
        5e-4, "Adam's rate, of every network.", source=f"{CODE} configs/config.py:27-37", at_least=1e-12
    )
    hidden: int = setting(256, "Width of both hidden layers.", source=f"{CODE} networks/network.py", at_least=1)
    share_weights: bool = setting(
        True,
        "One set of weights for all agents and a one-hot id; false: weights of each agent's own.",
        source=f"{CODE} networks/network.py",
    )
    discount: float = setting(0.99, "γ.", source=f"{CODE} configs/config.py:27-37", at_least=0, at_most=1)
    tau: float = setting(
        0.005,
        "How far targets move once an iteration.",
        source=f"{CODE} configs/config.py:27-37",
        at_least=0,
        at_most=1,
    )
    alpha: float = setting(
        10.0, "α: weight of the divergence from the data.", source=f"{CODE} algos/OMIGA.py:11, all tasks", at_least=1e-6
    )
    clip: float = setting(
        1.0,
        "Largest gradient norm: of critics and mixer together, of values and of policies.",
        source=f"{CODE} algos/OMIGA.py",
        at_least=1e-12,
    )
    timeouts: str = setting(
        "terminal",
        "What a truncated step is worth. terminal: its reward; bootstrap: the value of what would follow, too.",
        source=f"{CODE} offline_dataset.py:52-67: the row after the time limit counts as the task's end",
        choices=("terminal", "bootstrap"),
    )
    exponential: str = setting(
        "clamp",
        "exp(z) of large z. clamp: of z kept in ±z_limit; linear: goes on straight above z_limit.",
        source=f"{CODE} algos/OMIGA.py:67-73, 105",
        choices=("clamp", "linear"),
    )
    z_limit: float = setting(10.0, "Where exp(z) is cut.", source=f"{CODE} algos/OMIGA.py:105", at_least=0)
    distribution: str = setting(
        "tanh-normal",
        "What continuous policies are: normals through tanh, or clipped to the bounds, with a probability there.",
        source=f"{CODE} networks/network.py",
        choices=DISTRIBUTIONS,
    )
    action_edge: float = setting(
        1e-7,
        "tanh-normal: how far from the bounds the likelihood takes actions to be at least; half the range is 1.",
        source=f"{CODE} networks/network.py:50-51",
        at_least=1e-7,
        at_most=0.5,
    )


class OMIGA(MixedAlgorithm):
    Config = OMIGAConfig
    config: OMIGAConfig

    def __init__(
        self,
        team: TeamSpec,
        config: OMIGAConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        share = config.share_weights
        self.policy = policy_of(team, self.sizes, share, config.action_edge, config.distribution)
        self.value = AgentValues(team, self.sizes, share)
        self.critic = AgentCritics(team, self.sizes, share)
        self.mixer = mixer_of(mixer, team)
        self.target_value, self.target_critic = target_copy(self.value), target_copy(self.critic)
        self.target_mixer = target_copy(self.mixer)

    def phases(self) -> tuple[Phase, ...]:
        c = self.config
        steps = (
            Update("local", self.local_loss, ("policy", "value"), Adam(c.lr), clip=self.clip("module")),
            Update("critic", self.critic_loss, ("critic", "mixer"), Adam(c.lr), clip=self.clip()),
            *(Polyak(name, f"target_{name}", c.tau) for name in ("critic", "mixer", "value")),
        )
        return (Phase("train", Rows(c.batch_size), steps=steps),)

    # --- local policies and values -------------------------------------------------------------------------------

    def local_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_π + L_V: both need z, computed once, and neither has a gradient in the other's networks."""
        with torch.no_grad():
            scale = credit(self.target_mixer, joint_state(batch))[0] / self.config.alpha  # w̄_i(s) / α, [B, n]
            q = self.target_critic(batch.obs, batch.action)
        value = self.value(batch.obs)
        z = scale * (q - value)
        values, policies = self.value_loss(z, scale * value), self.policy_loss(batch, z.detach())
        found = {"value": value.mean(), "z": z.mean(), "z_most": z.amax(), "weight": self.weight(z).mean()}
        return Loss(policies + values, {"policy_loss": policies, "value_loss": values, **found})

    def value_loss(self, z: Tensor, linear: Tensor) -> Tensor:
        """mean exp(z_i) + w̄_i V_i / α over agents and rows: z, linear [B, n] → [].

        With `clamp` all is multiplied by e^−z_max, z_max the largest z of the batch and at least −1, as the official
        code does against overflow: it moves no minimum, but scales the gradient of a batch by its best action.
        """
        limit = self.config.z_limit
        if self.config.exponential == "linear":
            return (steady_exp(z, limit) + linear).mean()
        z = z.clamp(-limit, limit)
        largest = z.detach().amax().clamp(min=-1.0)
        return (torch.exp(z - largest) + torch.exp(-largest) * linear).mean()

    def policy_loss(self, batch: Batch, z: Tensor) -> Tensor:
        """−mean exp(z_i) log π_i(a_i | o_i) over agents and rows; among available actions where they are discrete."""
        return -(self.weight(z) * self.log_policy(batch)).mean()

    def weight(self, z: Tensor) -> Tensor:
        """exp(z), cut as in the values' loss: [B, n]. Of the straight continuation it is the slope."""
        limit = self.config.z_limit
        return (
            z.detach().clamp(max=limit).exp()
            if self.config.exponential == "linear"
            else z.detach().clamp(-limit, limit).exp()
        )

    # --- local critics and the mixer -----------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean (r + γ (1 − d) V̄_tot(o') − Q_tot(o, a))²."""
        with torch.no_grad():
            y = self.backup(batch, self.target_value(batch.next_obs), self.target_mixer)
        q = self.total(self.critic(batch.obs, batch.action), batch)
        td = (q - y).square().mean()
        return Loss(td, {"q": q.mean(), "target": y.mean()})
