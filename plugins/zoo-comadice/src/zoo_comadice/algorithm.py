"""ComaDICE: stationary distribution correction for a team (Bui, Nguyen & Mai, ICLR 2025; code: vietbt/ComaDICE).

Maximise the return less α times an f-divergence of the steps the team visits from the data's. In the dual, a team
value ν_tot(s) = Σ_i w_i(s) ν_i(o_i) + b(s) minimises, with f* the convex conjugate of f on w ≥ 0,

    L_ν = (1 − γ) E_{s_0}[ν_tot(s_0)] + E_D[ α f*((Q_tot(s, a) − ν_tot(s)) / α) ],     Q_tot = r + γ (1 − d) ν_tot(s')

and the visits of the best team are w* = (f*)'((Q_tot − ν_tot) / α) times the data's. One iteration descends

    L_Q = E_D (Q_tot(s, a) − r − γ (1 − d) ν̄_tot(s'))²              local critics and the mixer
    L_ν                                                             local values
    L_π = −E_D[ w*(s, a) Σ_i log π_i(a_i | o_i) ]                   local policies

Q_tot is a network, so L_ν does not suffer from one s' standing for all; but it is an image of ν, and L_ν's gradient
goes through it (`gradient=paper`). Without that part only initial states hold ν down, and it grows everywhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_core import Adam, Batch, Loss, Mixer, Noise, Phase, Polyak, Rows, Statistics, TeamSpec, Update, setting
from zoo_core.nn import target_copy
from zoo_critics import (
    DISTRIBUTIONS,
    AgentCritics,
    AgentValues,
    MixedConfig,
    ScaledMixedAlgorithm,
    credit,
    joint_state,
    policy_of,
)

CODE = "ComaDICE"
STEEPEST = 10.0
"""Up to here the conjugate of KL is an exponential; then it goes on straight, so that it cannot overflow."""


@dataclass(frozen=True)
class ComaDICEConfig(MixedConfig):
    divergence: str = setting(
        "soft-chi2",
        "f. soft-chi2: (w − 1)²/2 for w ≥ 1, w log w − w + 1 below; chi2: (w − 1)²/2; kl: w log w.",
        source=f"{CODE} main.py: soft_chisquare",
        choices=("soft-chi2", "chi2", "kl"),
    )
    alpha: float = setting(
        0.05,
        "α: weight of the divergence, in units of reward.",
        source="our choice, of scaled rewards: at 10 no step of them would weigh more than another",
        at_least=1e-6,
    )
    gradient: str = setting(
        "paper",
        "What the values descend. paper: L_ν, through Q_tot too; fixed_q: L_ν, Q_tot held as it is; released: each "
        "agent's part of the advantage by itself, f and the advantage without a gradient.",
        source="the paper's objective, in which Q_tot is r + γ ν_tot(s')",
        choices=("paper", "fixed_q", "released"),
    )
    normalise: bool = setting(
        False,
        "Subtract a learned number λ from the advantages, so that w* is 1 on average.",
        source="our choice: under the whole gradient the flow of visits sees to it",
    )
    most_weight: float | None = setting(
        None,
        "Largest w* in cloning, of each agent where there is one for each; null: any.",
        source="the paper names none",
        at_least=1e-6,
    )
    distribution: str = setting(
        "clipped-normal",
        "What continuous policies are: normals through tanh, or clipped to the bounds, with a probability there.",
        source="our choice: actions of most data were clipped; a tanh-normal's mode is drawn to the bounds by such",
        choices=DISTRIBUTIONS,
    )


class ComaDICE(ScaledMixedAlgorithm):
    Config = ComaDICEConfig
    config: ComaDICEConfig
    value_level: Tensor
    weight_level: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: ComaDICEConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.critic = AgentCritics(team, self.sizes, config.share_weights)
        self.value = AgentValues(team, self.sizes, config.share_weights)
        self.policy = policy_of(team, self.sizes, config.share_weights, distribution=config.distribution)
        self.target_critic, self.target_value = target_copy(self.critic), target_copy(self.value)
        self.target_mixer = target_copy(self.mixer)
        for name in ("value_level", "weight_level"):  # λ of L_ν and of cloning: learned, or 0
            if name in self.learned_levels:
                self.register_parameter(name, nn.Parameter(torch.zeros(1)))
            else:
                self.register_buffer(name, torch.zeros(1), persistent=False)

    @property
    def learned_levels(self) -> tuple[str, ...]:
        """λ of L_ν and, where cloning takes other advantages, λ of cloning."""
        if not self.config.normalise:
            return ()
        return ("value_level", "weight_level") if self.config.gradient == "released" else ("value_level",)

    def phases(self) -> tuple[Phase, ...]:
        c = self.config
        released = c.gradient == "released"
        level = self.learned_levels[:1]
        steps = [
            Update("critic", self.critic_loss, ("critic", "mixer"), Adam(c.lr), clip=self.clip()),
            Update(
                "value",
                self.released_value_loss if released else self.value_loss,
                ("value", *level),
                Adam(c.lr),
                clip=self.clip("module"),
                descends=not released,
            ),
            Update("policy", self.policy_loss, ("policy",), Adam(c.lr), clip=self.clip()),
            *(Polyak(name, f"target_{name}", c.tau) for name in ("critic", "value", "mixer")),
        ]
        if "weight_level" in self.learned_levels:
            steps.insert(2, Update("weight_level", self.weight_level_loss, ("weight_level",), Adam(c.lr)))
        return (Phase("train", Rows(c.batch_size, initial_obs=True), steps=tuple(steps)),)

    # --- L_Q -----------------------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean (Q_tot(s, a) − r − γ (1 − d) ν̄_tot(s'))²."""
        with torch.no_grad():
            y = self.backup(batch, self.target_value(batch.next_obs), self.target_mixer)
        q = self.total(self.critic(batch.obs, batch.action), batch)
        return Loss((q - y).square().mean(), {"q": q.mean(), "target": y.mean()})

    # --- L_ν -----------------------------------------------------------------------------------------------------

    def value_loss(self, batch: Batch, noise: Noise) -> Loss:
        """(1 − γ) mean ν_tot(s_0) + mean α f*((Q_tot − ν_tot − λ) / α) + λ, λ = 0 unless `normalise`."""
        c = self.config
        advantage = self.advantage(batch)
        x = (advantage - self.value_level) / c.alpha
        initial = self.initial_value(batch).mean()
        value = (1.0 - c.discount) * initial + c.alpha * conjugate(x, c.divergence).mean() + self.value_level.sum()
        weight = ratio(x, c.divergence)
        return Loss(value, {"advantage": advantage.mean(), "ratio": weight.mean(), "initial": initial})

    def advantage(self, batch: Batch) -> Tensor:
        """Q_tot(s, a) − ν_tot(s), [B].

        Q_tot is fitted to the image of ν̄_tot, so γ (1 − d) (ν_tot(s') − ν̄_tot(s')) is added: what Q_tot will have
        learned once the target has caught up, and the way for the gradient through it. Not on truncated steps: no
        step of the data starts where they end, so nothing would hold ν up there.
        """
        with torch.no_grad():
            q = self.total(self.critic(batch.obs, batch.action), batch)
        advantage = q - self.total(self.value(batch.obs), batch)
        if self.config.gradient == "paper":
            ahead = self.backup(batch, self.value(batch.next_obs), self.mixer)
            with torch.no_grad():
                behind = self.backup(batch, self.target_value(batch.next_obs), self.target_mixer)
            advantage = advantage + (ahead - behind) * (1.0 - batch.truncated.float())
        return advantage

    def initial_value(self, batch: Batch) -> Tensor:
        """ν_tot(s_0), [B]."""
        assert batch.initial_obs is not None
        assert batch.initial_state is not None
        total: Tensor = self.mixer(self.value(batch.initial_obs), batch.initial_state.flatten(1))
        return total.squeeze(-1)

    def released_value_loss(self, batch: Batch, noise: Noise) -> Loss:
        """The official code's loss, of what each agent adds to the advantage, e_i = w_i(s) (Q_i − ν_i):

        (1 − γ) mean ν_i(o_0) + mean(w(x_i) (e_i − λ) − α f(w(x_i))) + λ, x_i = (e_i − λ) / α, in which f(w) and e_i
        carry no gradient. It pulls e_i towards λ. It moves λ's reference too, and so need not fall.
        """
        c = self.config
        with torch.no_grad():
            q = self.critic(batch.obs, batch.action)
        assert batch.initial_obs is not None
        local = self.credit(batch)[0] * (q - self.value(batch.obs))  # e_i, [B, n]
        x = (local - self.value_level) / c.alpha
        weight = ratio(x, c.divergence)
        penalty = (x * weight - conjugate(x, c.divergence)).detach()  # f(w*), by Fenchel's equality
        initial = self.value(batch.initial_obs).mean()
        gain = weight * (local.detach() - self.value_level) - c.alpha * penalty
        value = (1.0 - c.discount) * initial + gain.mean() + self.value_level.sum()
        return Loss(value, {"advantage": local.sum(1).mean(), "ratio": weight.mean(), "initial": initial})

    # --- L_π -----------------------------------------------------------------------------------------------------

    def policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−mean w*(s, a) log π_i(a_i | o_i) over agents and rows."""
        with torch.no_grad():
            weight = self.weights(batch)
        log_policy = self.log_policy(batch)
        loss = -(weight.unsqueeze(-1) * log_policy).mean()
        return Loss(loss, {"weight": weight.mean(), "log_policy": log_policy.mean()})

    def weights(self, batch: Batch) -> Tensor:
        """w* of the logged joint action, [B]. Released: the sum over agents, by target critics and a λ of its own."""
        c = self.config
        if c.gradient == "released":
            x = (self.local_advantages(batch) - self.weight_level) / c.alpha  # [B, n]
        else:
            x = (self.advantage(batch) - self.value_level).unsqueeze(-1) / c.alpha  # [B, 1]
        return ratio(x, c.divergence).clamp(0.0, c.most_weight).sum(1)

    def weight_level_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean α f*((e_i − λ) / α) + λ, least where the agents' released weights are 1 on average."""
        c = self.config
        with torch.no_grad():
            local = self.local_advantages(batch)
        dual = c.alpha * conjugate((local - self.weight_level) / c.alpha, c.divergence)
        return Loss(dual.mean() + self.weight_level.sum(), {"level": self.weight_level.sum()})

    def local_advantages(self, batch: Batch) -> Tensor:
        """w̄_i(s) (Q̄_i(o_i, a_i) − ν_i(o_i)), [B, n]."""
        weight, _ = credit(self.target_mixer, joint_state(batch))
        return weight * (self.target_critic(batch.obs, batch.action) - self.value(batch.obs))


def conjugate(x: Tensor, divergence: str) -> Tensor:
    """f*(x) = max over w ≥ 0 of x w − f(w), elementwise; convex."""
    if divergence == "kl":  # f(w) = w log w
        below = x.clamp(max=STEEPEST)
        return torch.exp(below - 1.0) * (1.0 + x - below)
    above = 0.5 * x.clamp(min=0.0).square() + x.clamp(min=0.0)
    if divergence == "chi2":  # f(w) = (w − 1)² / 2; nothing is visited where x ≤ −1
        return torch.where(x < 0, 0.5 * (1.0 + x).clamp(min=0.0).square() - 0.5, above)
    return torch.where(x < 0, torch.expm1(x.clamp(max=0.0)), above)


def ratio(x: Tensor, divergence: str) -> Tensor:
    """w* = (f*)'(x) ≥ 0, elementwise: the w that attains the maximum."""
    if divergence == "kl":
        return torch.exp(x.clamp(max=STEEPEST) - 1.0)
    if divergence == "chi2":
        return (1.0 + x).clamp(min=0.0)
    return torch.where(x < 0, torch.exp(x.clamp(max=0.0)), 1.0 + x)
