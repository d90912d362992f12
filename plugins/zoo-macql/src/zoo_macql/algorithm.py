"""MACQL: multi-agent CQL (the baseline of Shao et al., NeurIPS 2023: CFCQL's script without --cf_cql).

CFCQL with a penalty on whole joint actions instead of one agent's at a time:

    y = r + γ (1 − d) min_j Q̄_j(s', π'(o'))
    L = Σ_j [ E (Q_j(s, a) − y)² + α ( E LSE_a( Q_j(s, a) − log p(a) ) − E Q_j(s, a) ) ]

The loop and the actors are `zoo_critics.ConservativeCritics`, as in CFCQL.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_core import Batch, Noise
from zoo_critics import ConservativeCritics, CriticConfig, Target, conservative_value, state_of


@dataclass(frozen=True)
class MACQLConfig(CriticConfig):
    """The family's settings."""


class MACQL(ConservativeCritics):
    Config = MACQLConfig
    penalty_takes_logged_action = False

    def target(self, batch: Batch, noise: Noise) -> Target:
        """y = r + γ (1 − d) min_j Q̄_j(s', π'(o')): every agent replaced."""
        next_state = state_of(batch.next_state)
        joint = self.policy_next_action(batch, noise).unsqueeze(0)  # [1, B, n, a]
        q = self.target_critic(next_state, joint).amin(0)  # [1, B]
        y = self.backup(batch, q)
        return Target(y, {"target": y.mean(), **self.disagreement_metrics(next_state, joint)})

    def penalty(self, batch: Batch, noise: Noise) -> Tensor:
        """E_B LSE over joint actions a of Q_j(s, a) − log p(a), [M]: all agents change, and log p = Σ_i log p_i."""
        state = state_of(batch.state)
        sweeps, log_density = [], []
        for candidates, _ in self.candidates(batch, noise):
            sweeps.append(self.critic.joint(state, candidates.action.movedim(0, 2)))  # [B, m, n, a]
            log_density.append(candidates.log_density.sum(0, keepdim=True))
        one_group = torch.ones(1, batch.size, device=state.device)
        return conservative_value(self.critic, sweeps, log_density, one_group, self.config.penalty)
