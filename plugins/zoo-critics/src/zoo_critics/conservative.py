"""The conservative penalty on mixed values (Kumar et al. 2020, Eq. 4, for each agent), of CQL-MA and mixed OMAR.

    L_Q = E (Q_tot(o, a) − y)² + α E[ Σ_i LSE_ã( w_i(s) Q_i(o_i, ã) ) − Σ_i w_i(s) Q_i(o_i, a_i) ]

where w_i Q_i is what agent i's action adds to the team's value. Discrete: LSE is over the available actions.
Continuous: over actions that are uniform, of π(o) and of π(o'), alike in number.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zoo_core import Loss, Mixer
from zoo_critics.decomposed import credit, masked
from zoo_critics.policies import TanhNormalPolicy

Normal = tuple[Tensor, Tensor]
"""μ and log σ, [B, n, a] each: what a normal policy's `forward` gives."""


def candidate_actions(
    policy: TanhNormalPolicy, here: Normal, there: Normal, uniform: Tensor, near: Tensor, following: Tensor
) -> tuple[Tensor, Tensor]:
    """Actions that are uniform, of π(o) = `here` and of π(o') = `there`, and their log-densities.

    Uniform numbers in [0, 1) and normals for the policies, [m, B, n, a] each → [B, n, 3m, a], [B, n, 3m].
    """
    density = -math.log(2.0 * policy.reach) * policy.dims.sum(-1)  # of uniform actions, [n]
    found = [(policy.from_unit(2.0 * uniform - 1.0), density.expand(uniform.shape[:-1]))]
    found += [policy.sample_with_density(*here, near), policy.sample_with_density(*there, following)]
    actions, densities = zip(*found, strict=True)
    return torch.cat(actions).movedim(0, 2), torch.cat(densities).movedim(0, 2)


def conservative_loss(
    mixer: Mixer,
    state: Tensor,
    q: Tensor,
    every: Tensor,
    y: Tensor,
    alpha: float,
    *,
    log_density: Tensor | None = None,
    available: Tensor | None = None,
    bias_each: bool = False,
) -> Loss:
    """L_Q.

    Args:
        state: [B, S].
        q: Q_i(o_i, a_i) of logged actions, [B, n].
        every: Q_i(o_i, ã) of the actions that are penalised, [B, n, m].
        y: what Q_tot is fitted to, [B].
        log_density: of those actions, [B, n, m]: divided by its density each counts as in the integral over actions.
        available: which of them there are, bool [B, n, m].
        bias_each: the soft maximum of every agent holds the mixer's bias b(s), and Q_tot once: (n − 1) b remains.
    """
    w, b = credit(mixer, state)  # [B, n], [B]
    logged = (w * q).sum(-1)
    total = logged + b
    adds = w.unsqueeze(-1) * every
    if log_density is not None:
        adds = adds - log_density
    if available is not None:
        adds = masked(adds, available)
    excess = adds.logsumexp(-1).sum(-1) - logged
    if bias_each:
        excess = excess + (q.shape[-1] - 1) * b
    penalty, td = excess.mean(), (total - y).square().mean()
    return Loss(td + alpha * penalty, {"td": td, "penalty": penalty, "q": total.mean(), "target": y.mean()})
