"""SPaCQL: Soft-Partial Conservative Q-Learning (Jin & Montana, AAAI 2026; no official code).

CFCQL with a target that mixes partial replacements: for every k a random k agents follow their policies, the others
act as logged, and the ensemble's disagreement decides how much each k counts:

    y = r + γ (1 − d) Σ_k w_k min_j Q̄_j(s', a'^(k))          Eqs. 4, 6
    u_k = std_j Q_j(s', a'^(k)),  w_k = u_k⁻¹ / Σ u⁻¹         Eq. 7
    L = Σ_j [ E (Q_j(s, a) − y)² + ξ_c,j ]                     Eq. 5

The loop, the penalty ξ_c and the actors are `zoo_critics.ConservativeCritics`, as in CFCQL.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_core import Batch, Draw, Noise, setting
from zoo_critics import ConservativeCritics, CriticConfig, Target, disagreement, state_of, uniform_subsets


@dataclass(frozen=True)
class SPaCQLConfig(CriticConfig):
    """The family's settings, ten heads, and the floor of u."""

    heads: int = setting(10, "Critics in the ensemble.", source="SPaCQL, Experimental setup")
    u_floor: float = setting(
        1e-6, "Smallest u_k, so that agreeing heads do not divide by zero.", source="ours", at_least=1e-12
    )


class SPaCQL(ConservativeCritics):
    Config = SPaCQLConfig
    target_takes_logged_action = True

    def target_noise(self) -> dict[str, Draw]:
        n = self.team.n
        return {**super().target_noise(), "subsets": Draw("uniform", (n, self.config.batch_size, n), agent_axis=2)}

    def target(self, batch: Batch, noise: Noise) -> Target:
        """Algorithm 1, lines 5-12, for all transitions and all k at once."""
        next_state = state_of(batch.next_state)
        subsets = uniform_subsets(noise["subsets"])  # line 7: [k, B, n]
        policy = self.policy_next_action(batch, noise)  # line 8
        joint = self.replace(batch, policy, subsets)  # line 9: a'^(k), [k, B, n, a]
        u = disagreement(self.critic(next_state, joint), self.config.u_floor)  # line 10, Eq. 7
        q = self.target_critic(next_state, joint).amin(0)  # line 11, Eq. 6
        w = certainty_weights(u)
        y = self.backup(batch, (w * q).sum(0, keepdim=True))  # line 13, Eqs. 4 and 6
        return Target(y, {"target": y.mean(), "u": u.mean(1), "w": w.mean(1), "k_eff": effective_k(w)})


def certainty_weights(u: Tensor) -> Tensor:
    """w_k = u_k⁻¹ / Σ_k u_k⁻¹, for each transition of its own: u [k, B] → w [k, B]."""
    certainty = 1 / u
    return certainty / certainty.sum(0)


def effective_k(w: Tensor) -> Tensor:
    """E Σ_k k w_k: how many agents are replaced in effect."""
    return (torch.arange(1, len(w) + 1, device=w.device) * w.mean(1)).sum()
