"""CFCQL: Counterfactual Conservative Q-Learning (Shao et al., NeurIPS 2023; code: thu-rllab/CFCQL, continuous/).

A central critic whose target replaces all agents' next actions, and whose penalty changes one agent's action at a time:

    y = r + γ (1 − d) min_j Q̄_j(s', π'(o'))
    L = Σ_j [ E (Q_j(s, a) − y)² + α ( E Σ_i λ_i LSE_{a_i}( Q_j(s, a_i, a_{−i}) − log p(a_i) ) − E Q_j(s, a) ) ]
    L_π = −E Q_1(s, π_i(o_i), a_{−i}) + 0.001 Σ_i E π_i²

The loop, the penalty and the actors are `zoo_critics.ConservativeCritics`; the weights λ are in `zoo_cfcql.weights`.
"""

from __future__ import annotations

from dataclasses import dataclass

from zoo_cfcql.weights import DensityWeights, WeightsConfig
from zoo_core import Batch, Noise
from zoo_critics import Target, state_of


@dataclass(frozen=True)
class CFCQLConfig(WeightsConfig):
    """The family's settings, and those of the agents' weights."""


class CFCQL(DensityWeights):
    Config = CFCQLConfig

    def target(self, batch: Batch, noise: Noise) -> Target:
        """y = r + γ (1 − d) min_j Q̄_j(s', π'(o')): every agent replaced."""
        next_state = state_of(batch.next_state)
        joint = self.policy_next_action(batch, noise).unsqueeze(0)  # [1, B, n, a]
        q = self.target_critic(next_state, joint).amin(0)  # [1, B]
        y = self.backup(batch, q)
        return Target(y, {"target": y.mean(), **self.disagreement_metrics(next_state, joint)})
