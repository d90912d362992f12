"""OMAR (Pan et al., ICML 2022) with mixed critics: the form that OMCDA's Tables 6 and 7 compare with.

The team's value is a linear mix of local ones (OMCDA Eq. 1), fitted conservatively; each policy is rectified by what a
search finds on its own critic, as in OMAR. The only public code of this form is vietbt/ComaDICE, continuous.

    Q_tot(o, a) = Σ_i w_i(s) Q_i(o_i, a_i) + b(s),                                            w_i ≥ 0
    y   = r + γ (1 − d) Q̄_tot(o', a'),                                                        a'_i ~ π_i(· | o'_i)
    L_Q = E (Q_tot(o, a) − y)² + α E [ Σ_i LSE_a( w_i(s) Q_i(o_i, a) + b(s) ) − Q_tot(o, a) ]
    â_i = the better by Q_i of ã_i ~ π_i(· | o_i) and the best action that the cross-entropy search finds
    L_π = c E (ã_i − â_i)² − (1 − c) E Q_i(o_i, ã_i)                                          over agents and rows

The soft maximum is over uniform actions and actions of π(· | o) and π(· | o'), alike in number. Discrete actions:
policies are categorical, soft maximum and search are exact, and the next value is the policies' expectation.

    L_π = −c E log π_i(â_i | o_i) − (1 − c) E Σ_a π_i(a | o_i) Q_i(o_i, a),                   â_i = argmax_a Q_i(o_i, a)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

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
    SettingError,
    Statistics,
    TeamSpec,
    Update,
)
from zoo_core.nn import target_copy
from zoo_critics import (
    AgentCritics,
    MixedAlgorithm,
    candidate_actions,
    conservative_loss,
    joint_state,
    masked,
    mixer_of,
    policy_of,
)
from zoo_omar_mix.config import OMARMixConfig
from zoo_omar_mix.search import best_action


class OMARMix(MixedAlgorithm):
    Config = OMARMixConfig
    config: OMARMixConfig

    def __init__(
        self,
        team: TeamSpec,
        config: OMARMixConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        if config.search_elites > config.search_samples:
            raise SettingError(
                f"search_elites={config.search_elites} of search_samples={config.search_samples}: keep fewer"
            )
        self.policy = policy_of(team, self.sizes, config.share_weights)
        self.critic = AgentCritics(team, self.sizes, config.share_weights)
        self.mixer = mixer_of(mixer, team)
        self.target_critic, self.target_mixer = target_copy(self.critic), target_copy(self.mixer)

    def phases(self) -> tuple[Phase, ...]:
        c, discrete = self.config, self.team.discrete
        policy_loss = self.discrete_policy_loss if discrete else self.policy_loss
        critic_loss = self.discrete_critic_loss if discrete else self.critic_loss
        search, penalty = ({}, {}) if discrete else (self.search_noise(), self.penalty_noise())
        steps = (
            Update("policy", policy_loss, ("policy",), Adam(c.lr), search, clip=self.clip()),
            Update("critic", critic_loss, ("critic", "mixer"), Adam(c.lr), penalty, clip=self.clip()),
            *(Polyak(name, f"target_{name}", c.tau) for name in ("critic", "mixer")),
        )
        return (Phase("train", Rows(c.batch_size), steps=steps),)

    def search_noise(self) -> Mapping[str, Draw]:
        """One action of each policy, and for each round, row, agent and sample one of the search."""
        c, (n, a) = self.config, (self.team.n, self.team.action_size)
        shape = (c.search_rounds, c.batch_size, n, c.search_samples, a)
        return {
            "policy": Draw("normal", (c.batch_size, n, a), agent_axis=1),
            "search": Draw("normal", shape, agent_axis=2),
        }

    def penalty_noise(self) -> Mapping[str, Draw]:
        """The next action, and penalised actions of each kind."""
        c, one = self.config, (self.config.batch_size, self.team.n, self.team.action_size)
        many = (c.samples, *one)
        return {
            "target": Draw("normal", one, agent_axis=1),
            "uniform": Draw("uniform", many, agent_axis=2),
            "near": Draw("normal", many, agent_axis=2),
            "next": Draw("normal", many, agent_axis=2),
        }

    # --- continuous actions --------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """E (Q_tot(o, a) − y)² + α E [ Σ_i LSE_a(w_i Q_i(o_i, a) + b) − Q_tot(o, a) ]."""
        with torch.no_grad():
            here, there = self.policy(batch.obs), self.policy(batch.next_obs)
            following = self.target_critic(batch.next_obs, self.policy.sample_of(*there, noise["target"]))
            y = self.backup(batch, following, self.target_mixer)
            penalised, _ = candidate_actions(self.policy, here, there, noise["uniform"], noise["near"], noise["next"])
        every = self.critic.of_candidates(batch.obs, penalised)  # [B, n, 3 m]
        return self.conservative(batch, self.critic(batch.obs, batch.action), every, y)

    def policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """c mean (ã_i − â_i)² − (1 − c) mean Q_i(o_i, ã_i), ã a reparameterised sample."""
        action = self.policy.sample(batch.obs, noise["policy"])  # [B, n, a]
        q = self.critic(batch.obs, action)
        with torch.no_grad():
            found, rectified = self.rectified_action(batch.obs, action, q, noise["search"])
        own = self.policy.dims.sum() / self.team.n  # mean number of an agent's dimensions
        distance = (action - rectified).square().sum(-1).mean() / own
        c = self.config.rectification
        loss = c * distance - (1 - c) * q.mean()
        return Loss(loss, {"q": q.mean(), "distance": distance, "found": found.mean()})

    def rectified_action(self, obs: Tensor, action: Tensor, q: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
        """â [B, n, a], the better of `action` [B, n, a], worth q [B, n], and the search's; where it is the search's."""

        def value(unit: Tensor) -> Tensor:
            return self.critic.of_candidates(obs, self.policy.from_unit(unit.movedim(2, 0)).movedim(0, 2))

        best, its_q = best_action(value, normals, self.config.search_elites, self.config.search_start)
        found = its_q > q
        return found.float(), torch.where(found.unsqueeze(-1), self.policy.from_unit(best), action)

    # --- discrete actions ----------------------------------------------------------------------------------------

    def discrete_critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """The same with exact expectations and soft maxima over the available actions."""
        with torch.no_grad():
            policy = self.policy(batch.next_obs, batch.next_action_mask).exp()
            expected = (policy * self.target_critic.of_all_actions(batch.next_obs)).sum(-1)
            y = self.backup(batch, expected, self.target_mixer)
        every = self.critic.of_all_actions(batch.obs)
        q = every.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
        return self.conservative(batch, q, every, y, self.policy.available(batch.action_mask))

    def discrete_policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−c mean log π_i(â_i | o_i) − (1 − c) mean Σ_a π_i(a | o_i) Q_i(o_i, a)."""
        log_policy = self.policy(batch.obs, batch.action_mask)
        q = self.critic.of_all_actions(batch.obs)
        best = masked(q, self.policy.available(batch.action_mask)).argmax(-1, keepdim=True)
        likelihood, value = log_policy.gather(-1, best).mean(), (log_policy.exp() * q).sum(-1).mean()
        c = self.config.rectification
        found = (log_policy.argmax(-1, keepdim=True) != best).float().mean()
        loss = -c * likelihood - (1 - c) * value
        return Loss(loss, {"q": value, "likelihood": likelihood, "found": found})

    # --- parts of both -------------------------------------------------------------------------------------------

    def conservative(self, batch: Batch, q: Tensor, every: Tensor, y: Tensor, available: Tensor | None = None) -> Loss:
        """L_Q of logged actions' values q [B, n], penalised ones' [B, n, m] and targets y [B].

        With `penalty_bias=each` the penalty keeps (n − 1) b, which drives the bias down.
        """
        each = self.config.penalty_bias == "each"
        state, alpha = joint_state(batch), self.config.alpha
        return conservative_loss(self.mixer, state, q, every, y, alpha, available=available, bias_each=each)
