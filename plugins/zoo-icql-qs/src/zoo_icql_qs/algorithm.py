"""ICQL-QS: Individual Conservative Q-Learning with Q-Sharing (Jin & Montana, AAAI 2026; CFCQL's code with --cf_target).

CFCQL with a target for each agent, in which that agent alone follows its policy and the others act as logged:

    y_i = r + γ (1 − d) Q̄(s', π'_i(o'_i), a'_{−i})               Eq. 1
    L = Σ_j [ (1/n) Σ_i E (Q_j(s, a) − y_i)² + ξ_c,j ]             Eq. 2

By Proposition 1 its gradient is that of one critic regressed on the mean of the y_i. The loop, the penalty ξ_c and the
actors are `zoo_critics.ConservativeCritics`, as in CFCQL.
"""

from __future__ import annotations

from dataclasses import dataclass

from zoo_core import Batch, Noise, setting
from zoo_critics import ConservativeCritics, CriticConfig, Target, singletons, state_of


@dataclass(frozen=True)
class ICQLQSConfig(CriticConfig):
    """The family's settings, and where the minimum over heads is taken."""

    min_first: bool = setting(
        False,
        "Take the minimum over heads for each agent's target (more pessimistic) instead of for their mean.",
        source="CFCQL continuous maddpg_cc.py:199-211 takes the mean over agents first; the paper does not say",
    )


class ICQLQS(ConservativeCritics):
    Config = ICQLQSConfig
    target_takes_logged_action = True

    def target(self, batch: Batch, noise: Noise) -> Target:
        """y_i of Eq. 1 for every agent, [n, B]; one row, their mean, where the mean comes before the minimum."""
        next_state = state_of(batch.next_state)
        policy = self.policy_next_action(batch, noise)
        joint = self.replace(batch, policy, singletons(self.team.n, batch.size, policy.device))  # [n, B, n, a]
        q = self.target_critic(next_state, joint)  # [M, n, B]
        q = q.amin(0) if self.config.min_first else q.mean(1, keepdim=True).amin(0)
        y = self.backup(batch, q)
        return Target(y, {"target": y.mean(), **self.disagreement_metrics(next_state, joint)})
