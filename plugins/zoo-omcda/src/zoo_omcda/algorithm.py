"""OMCDA: offline MARL with conservative degree allocation ("Who Matters Matters", under review; no code was released).

Agent i's policy may leave its behaviour policy π_{b,i} by d_i nats of KL, d_i = m_i d_tot, where m_i grows with the
agent's influence on the team's return. Values are split into a return (r) and a constraint (c), so that influence is
measured on the return alone. First π_b is cloned; then one update descends, in the order of Algorithm 1, with targets
barred, m = 0 after a terminated step, α = (α_1 … α_n) and

    z_i = w^r_i(o) (Q̄^r_i(o_i, a_i) − V^r_i(o_i)) / α_i + Q̄^{c,i}(o, a) − V^{c,i}(o)                Eq. 23

    V^r   mean_i E L_τ(Q̄^r_i(o_i, a_i) − V^r_i(o_i))                                               Eq. 51
    V^c   mean_i E[ exp z_i + V^{c,i}(o) ]                                                          Eq. 25
    Q^r   E (r + γ m V̄^r_tot(o') − Q^r_tot(o, a))²                                                  Eqs. 13, 15, 53
    Q^c   mean_i E (γ m V̄^{c,i}(o') − Q^{c,i}(o, a))²                                               Eqs. 14, 16, 52
    π     −mean_i E[ exp z_i log π_i(a_i | o_i) ]                                                   Eq. 54
    d     d_tot · softmax of ∂V^r_tot / ∂KL_i                                                       Eqs. 17 to 20
    α     Σ_i α_i (d_i − KL_i)                                                                      Eq. 55

and moves all targets. docs/algorithms/omcda.md says where the paper is silent or contradicts itself, and what we do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from zoo_core import (
    Adam,
    Assign,
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
)
from zoo_core.nn import expectile_loss, target_copy
from zoo_critics import (
    AgentCritics,
    AgentValues,
    MixedAlgorithm,
    credit,
    joint_next_state,
    joint_state,
    log_density,
    mixer_of,
    policy_of,
    steady_exp,
)
from zoo_omcda.config import EntangledConfig, EqualDegreesConfig, OMCDAConfig, RandomDegreesConfig
from zoo_omcda.influence import (
    Running,
    allocation,
    categorical_divergence,
    categorical_influence,
    normal_divergence,
    normal_influence,
    running,
)
from zoo_omcda.mixer import ConstraintMixer, OwnConstraint, mixed

ALPHA = (1e-2, 1e3)
"""Bounds of α_i: without them an agent that cannot leave the data, or cannot stay, takes α_i to 0 or infinity."""


class OMCDA(MixedAlgorithm):
    Config: ClassVar[type] = OMCDAConfig
    config: OMCDAConfig
    influence: Tensor
    influence_variance: Tensor
    influence_squares: Tensor
    degrees: Tensor
    divergence: Tensor
    updates: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: OMCDAConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        hidden, share = self.sizes, config.share_weights
        # First, so that a seed's behaviour policy is the same in all ablations.
        self.behaviour = policy_of(team, hidden, share, distribution=config.distribution)
        self.policy = policy_of(team, hidden, share, distribution=config.distribution)
        self.value_r = AgentValues(team, hidden, share)
        self.critic_r = AgentCritics(team, hidden, share)
        self.mixer = mixer_of(mixer, team)
        self.log_alpha = nn.Parameter(torch.full((team.n,), math.log(config.alpha)))
        first = torch.softmax(torch.randn(team.n), 0) if config.allocation == "random" else torch.ones(team.n) / team.n
        self.register_buffer("degrees", self.total_degree * first)
        self.register_buffer("influence", torch.zeros(team.n))
        self.register_buffer("influence_variance", torch.zeros(team.n))
        self.register_buffer("influence_squares", torch.zeros(()))
        self.register_buffer("divergence", torch.zeros(team.n))
        self.register_buffer("updates", torch.zeros(()))
        self.followed = ["value_r", "critic_r", "mixer"]
        if config.decomposed:
            self.value_c = AgentValues(team, hidden, share)
            self.critic_c = AgentCritics(team, hidden, share)
            full = config.constraint_mixer == "full"
            self.mixer_c = ConstraintMixer(team, config.mixer_hidden) if full else OwnConstraint(team)
            self.followed += ["value_c", "critic_c", "mixer_c"]
        for name in self.followed:
            setattr(self, f"target_{name}", target_copy(getattr(self, name)))

    @property
    def total_degree(self) -> float:
        """d_tot."""
        return self.team.n * self.config.degree

    @property
    def alpha(self) -> Tensor:
        """α, [n]."""
        return self.log_alpha.clamp(math.log(ALPHA[0]), math.log(ALPHA[1])).exp()

    def phases(self) -> tuple[Phase, ...]:
        c = self.config
        clip = self.clip()
        decides = ("bc_lr", "batch_size", "hidden", "share_weights", "distribution", "clip")
        clone = (
            Update("clone", self.clone_loss, ("behaviour",), Adam(c.bc_lr), clip=clip),
            Polyak("behaviour", "policy", 1.0),  # π starts where KL is 0, and scores are those of what is cloned
        )
        returns, constraint = Adam(c.lr), Adam(c.constraint_lr)
        value_r = Update("value_r", self.value_r_loss, ("value_r",), returns, clip=clip)
        critic_r = Update("critic_r", self.critic_r_loss, ("critic_r", "mixer"), returns, clip=clip)
        policy = Update("policy", self.policy_loss, ("policy",), Adam(c.policy_lr), clip=clip)
        if c.decomposed:
            value_c = Update("value_c", self.value_c_loss, ("value_c",), constraint, clip=clip)
            critic_c = Update("critic_c", self.critic_c_loss, ("critic_c", "mixer_c"), constraint, clip=clip)
            learn = (value_r, value_c, critic_r, critic_c, policy)
        else:
            value = Update("value_r", self.entangled_value_loss, ("value_r",), returns, clip=clip)
            learn = (value, critic_r, policy)
        if c.behaviour == "beside":
            learn += (Update("behaviour", self.clone_loss, ("behaviour",), Adam(c.policy_lr), clip=clip),)
        steps = (
            *learn,
            self.degree_step(),
            # Waiting, its loss does not descend.
            Update("alpha", self.alpha_loss, ("log_alpha",), Adam(c.alpha_rate), descends=not c.alpha_waits),
            *(Polyak(name, f"target_{name}", c.tau) for name in self.followed),
        )
        rows = Rows(c.batch_size)
        cloning = Phase("clone", rows, clone, c.cloning_updates, reuse=decides, reuse_as="omcda")
        return cloning, Phase("train", rows, steps)

    # --- π_b ----------------------------------------------------------------------------------------------------

    def clone_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−mean_i E log π_{b,i}(a_i | o_i)."""
        log_behaviour = log_density(self.behaviour, batch)
        return Loss(-log_behaviour.mean(), {"log_behaviour": log_behaviour.mean(0)})

    # --- V ------------------------------------------------------------------------------------------------------

    def value_r_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean_i E L_τ(Q̄^r_i(o_i, a_i) − V^r_i(o_i)): Eq. 51."""
        value = self.value_r(batch.obs)
        error = self.target_critic_r(batch.obs, batch.action) - value
        return Loss(
            expectile_loss(error, self.config.expectile).mean(), {"value": value.mean(0), "advantage": error.mean()}
        )

    def value_c_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean_i E[ exp z_i + V^{c,i}(o) ]: Eq. 25 without its term that is constant in V^c."""
        weights, bias = self.target_mixer_c.weights(joint_state(batch))
        value = self.value_c(batch.obs)
        z = self.return_exponent(batch) + self.constraint_advantage(batch, value, weights)
        value_i = mixed(weights, bias, value)
        loss = (steady_exp(z, self.config.exponent_limit) + value_i).mean()
        found = {"value": value.mean(0), "constraint": value_i.mean(0), "exponent": z.mean(), "credit": weights.mean()}
        return Loss(loss, found)

    def entangled_value_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Without decomposed Q: mean_i E[ exp z_i + w_i(o) V_i(o_i) / α_i ], as OMIGA learns V."""
        weights, _ = credit(self.target_mixer, joint_state(batch))
        value = self.value_r(batch.obs)
        scaled = weights / self.alpha
        z = scaled * (self.target_critic_r(batch.obs, batch.action) - value)
        loss = (steady_exp(z, self.config.exponent_limit) + scaled * value).mean()
        return Loss(loss, {"value": value.mean(0), "exponent": z.mean()})

    def exponent(self, batch: Batch) -> Tensor:
        """z_i: the log-ratio of the best policy to π_b (Eq. 23), [B, n]."""
        z = self.return_exponent(batch)
        if not self.config.decomposed:
            return z
        weights, _ = self.target_mixer_c.weights(joint_state(batch))
        return z + self.constraint_advantage(batch, self.value_c(batch.obs), weights)

    def return_exponent(self, batch: Batch) -> Tensor:
        """w̄^r_i(o) (Q̄^r_i(o_i, a_i) − V^r_i(o_i)) / α_i, [B, n]."""
        weights, _ = credit(self.target_mixer, joint_state(batch))
        return weights * (self.target_critic_r(batch.obs, batch.action) - self.value_r(batch.obs)) / self.alpha

    def constraint_advantage(self, batch: Batch, value: Tensor, weights: Tensor) -> Tensor:
        """Q̄^{c,i}(o, a) − V^{c,i}(o) = Σ_j w̄^{c,i}_j (Q̄^c_j − V^c_j), [B, n]: with one mixer the bias cancels."""
        local = self.target_critic_c(batch.obs, batch.action) - value
        return (weights @ local.unsqueeze(-1)).squeeze(-1)

    # --- Q ------------------------------------------------------------------------------------------------------

    def critic_r_loss(self, batch: Batch, noise: Noise) -> Loss:
        """E (r + γ m V̄^r_tot(o') − Q^r_tot(o, a))²: Eq. 53, of Eqs. 13 and 15."""
        with torch.no_grad():
            y = self.backup(batch, self.target_value_r(batch.next_obs), self.target_mixer)
        weights, bias = self.credit(batch)
        q = (weights * self.critic_r(batch.obs, batch.action)).sum(-1) + bias
        return Loss((q - y).square().mean(), {"q": q.mean(), "target": y.mean(), "credit": weights.mean(0)})

    def critic_c_loss(self, batch: Batch, noise: Noise) -> Loss:
        """mean_i E (γ m V̄^{c,i}(o') − Q^{c,i}(o, a))²: Eq. 52, of Eqs. 14 and 16."""
        with torch.no_grad():
            next_value = self.target_mixer_c(self.target_value_c(batch.next_obs), joint_next_state(batch))
            y = self.config.discount * self.continues(batch).unsqueeze(-1) * next_value
        q = self.mixer_c(self.critic_c(batch.obs, batch.action), joint_state(batch))
        return Loss((q - y).square().mean(), {"q": q.mean(0)})

    def reward(self, batch: Batch) -> Tensor:
        """r, [B]."""
        return self.config.reward_scale * batch.team_reward

    # --- π ------------------------------------------------------------------------------------------------------

    def policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−mean_i E[ min(exp z_i, w_max) log π_i(a_i | o_i) ]: Eq. 54."""
        with torch.no_grad():
            weight = self.exponent(batch).clamp(max=math.log(self.config.most_weight)).exp()
        log_policy = self.log_policy(batch)
        found = {"weight": weight.mean(0), "weight_std": weight.std(0, correction=0), "log_policy": log_policy.mean(0)}
        return Loss(-(weight * log_policy).mean(), found)

    # --- d and α ------------------------------------------------------------------------------------------------

    def degree_step(self) -> Assign:
        """KL_i and, where influence decides, m̃_i and d_i."""
        if self.config.allocation != "influence":
            return Assign("degrees", self.new_divergence, ("divergence", "updates"))
        normals = Draw("normal", (self.config.batch_size, self.team.n, self.team.action_size), agent_axis=1)
        writes = ("divergence", "updates", "influence", "influence_variance", "influence_squares", "degrees")
        return Assign("degrees", self.new_degrees, writes, {} if self.team.discrete else {"action": normals})

    def new_divergence(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """KL_i = E KL(π_i(· | o_i) ‖ π_{b,i}(· | o_i)), [n]."""
        policy, behaviour = self.both_policies(batch)
        return {"divergence": self.divergence_of(policy, behaviour), "updates": self.updates + 1.0}

    def new_degrees(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """KL_i, the running mean of m̃_i (Eqs. 18, 19), and d_i = d_tot m_i (Eqs. 17, 20), equal while warming up."""
        c = self.config
        policy, behaviour = self.both_policies(batch)
        new = self.new_influence(batch, policy, behaviour, noise)
        before = Running(self.influence, self.influence_variance, self.influence_squares)
        influence = running(before, new, self.updates, c.influence_decay)
        m = allocation(influence.mean, c.influence_norm, influence.error)
        return {
            "divergence": self.divergence_of(policy, behaviour),
            "updates": self.updates + 1.0,
            "influence": influence.mean,
            "influence_variance": influence.variance,
            "influence_squares": influence.squares,
            "degrees": self.total_degree * torch.where(self.updates < c.warm_up_updates, 1.0 / self.team.n, m),
        }

    def both_policies(self, batch: Batch) -> tuple[Any, Any]:
        """π and π_b: (μ, log σ), [B, n, a] each, or log-probabilities [B, n, A]."""
        seen = (batch.obs, batch.action_mask) if self.team.discrete else (batch.obs,)
        return self.policy(*seen), self.behaviour(*seen)

    def divergence_of(self, policy: Any, behaviour: Any) -> Tensor:
        """The batch's mean of KL_i, [n]."""
        if self.team.discrete:
            return categorical_divergence(policy, behaviour).mean(0)
        return normal_divergence(*policy, *behaviour).mean(0)

    def new_influence(self, batch: Batch, policy: Any, behaviour: Any, noise: Noise) -> Tensor:
        """m̃_i on this batch, [n]: how V^r_tot changes as π_i leaves π_{b,i}, over how KL_i does."""
        weights, _ = self.credit(batch)
        if self.team.discrete:
            q = self.critic_r.of_all_actions(batch.obs)
            return categorical_influence(weights.unsqueeze(-1) * q, policy, behaviour)
        mean, log_std = policy

        def value(log_std: Tensor) -> Tensor:
            action = self.policy.sample_of(mean, log_std, noise["action"])
            return weights * self.critic_r(batch.obs, action)

        return normal_influence(value, log_std, behaviour[1], self.config.influence_path)

    def alpha_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i α_i (d_i − KL_i): Eq. 55. At its bounds α_i still learns to come back; waiting it has no gradient."""
        slack = self.degrees - self.divergence
        low, high = (math.log(bound) for bound in ALPHA)
        outward = ((self.log_alpha <= low) & (slack > 0)) | ((self.log_alpha >= high) & (slack < 0))
        # `updates` counts this one already.
        rests = outward | (self.updates <= self.config.warm_up_updates) if self.config.alpha_waits else outward
        bounded = self.log_alpha + (self.log_alpha.clamp(low, high) - self.log_alpha).detach()
        objective = bounded.exp() * slack
        found = {
            "alpha": self.alpha,
            "degree": self.degrees,
            "divergence": self.divergence,
            "influence": self.influence,
            "share": self.degrees / max(self.total_degree, 1e-12),
        }
        return Loss(torch.where(rests, objective.detach(), objective).sum(), found)

    @torch.no_grad()
    def relabel(self, order: Sequence[int]) -> None:
        super().relabel(order)
        for tensor in (self.log_alpha, self.degrees, self.influence, self.influence_variance, self.divergence):
            tensor.copy_(tensor[torch.as_tensor(order, device=tensor.device)])


class EqualDegrees(OMCDA):
    """OMCDA-w/o-CDA: d_i = d_tot / n; α_i still follows KL_i."""

    Config = EqualDegreesConfig


class Entangled(OMCDA):
    """OMCDA-w/o-dq: one value for return and constraint, as in OMIGA; d_i from its critics' influence."""

    Config = EntangledConfig


class RandomDegrees(OMCDA):
    """OMCDA-rd: d = d_tot · softmax(N(0, I)), drawn once for each seed."""

    Config = RandomDegreesConfig
