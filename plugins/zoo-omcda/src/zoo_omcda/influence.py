"""How far each agent has left its behaviour policy, and what that does to the team's return (OMCDA Eqs. 17 to 20).

    m̃_i = ∂V^r_tot / ∂KL(π_i ‖ π_{b,i})                                                            Eq. 18

Both are functions of a whole policy. So the quotient of Eq. 19 is taken of two numbers, along one path of policies that
leads through π_i: how V^r_tot = Σ_i w_i E_{π_i} Q^r_i + b (Eqs. 11, 15) changes along it, over how KL does. The paths:

    normal policies       log σ_i + t · direction, μ_i fixed, with one reparameterised sample        OMCDA E.2
    categorical policies  π_i^{1+t} π_{b,i}^{−t} / Z, by a finite difference                          OMCDA E.2

Along the second, and along the first where its direction is log σ_i − log σ_{b,i}, KL never falls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

LEAST = 1e-2
"""The least size of a derivative of KL that is divided by: at π = π_b there is none, and nothing to be said."""

STEP = 1e-2
"""t of the finite difference."""

NOISE = 3.0
"""Standard errors of an influence that are not told from 0."""


# --- KL(π_i ‖ π_{b,i}) -------------------------------------------------------------------------------------------


def normal_divergence(mean: Tensor, log_std: Tensor, mean_b: Tensor, log_std_b: Tensor) -> Tensor:
    """KL of normals, [..., n, a] each → [..., n]. tanh and scaling leave it as it is; clipping can only lessen it.

    Σ_k [ log σ_b − log σ + (σ² + (μ − μ_b)²) / (2 σ_b²) − 1/2 ]; padded dimensions, equal in both, add nothing.
    """
    ratio = 2.0 * (log_std - log_std_b)
    distance = ((mean - mean_b) * (-log_std_b).exp()).square()
    return 0.5 * (torch.expm1(ratio) - ratio + distance).sum(-1)


def categorical_divergence(log_policy: Tensor, log_behaviour: Tensor) -> Tensor:
    """Σ_a π(a) (log π(a) − log π_b(a)): log-probabilities [..., n, A] → [..., n]."""
    return (log_policy.exp() * (log_policy - log_behaviour)).sum(-1)


# --- m̃_i ---------------------------------------------------------------------------------------------------------


def normal_influence(value: Callable[[Tensor], Tensor], log_std: Tensor, log_std_b: Tensor, path: str) -> Tensor:
    """m̃_i of normal policies, [n].

    Args:
        value: log-deviations [B, n, a] → w_i Q^r_i(o_i, a_i) [B, n] with a_i sampled from them; nothing else of it is
            differentiated.
        log_std, log_std_b: [B, n, a], equal in padded dimensions.
        path: `shift`, the same change of all log-deviations; `deviation`, away from the behaviour policy's.
    """
    of_value = torch.func.grad(lambda at: value(at).sum())(log_std)  # rows and agents do not meet: each its own
    apart = log_std - log_std_b
    of_divergence = torch.expm1(2.0 * apart)  # ∂KL/∂log σ = σ²/σ_b² − 1
    direction = apart if path == "deviation" else torch.ones_like(apart)
    return quotient((of_value * direction).sum(-1).mean(0), (of_divergence * direction).sum(-1).mean(0))


def categorical_influence(values: Tensor, log_policy: Tensor, log_behaviour: Tensor) -> Tensor:
    """m̃_i of categorical policies, [n]: values w_i Q^r_i(o_i, ·) and log-probabilities, [B, n, A] each."""
    further = torch.log_softmax(log_policy + STEP * (log_policy - log_behaviour), -1)
    gained = ((further.exp() - log_policy.exp()) * values).sum(-1)
    left = categorical_divergence(further, log_behaviour) - categorical_divergence(log_policy, log_behaviour)
    return quotient(gained.mean(0) / STEP, left.mean(0).clamp(min=0.0) / STEP)  # below 0 it is rounding


def quotient(of_value: Tensor, of_divergence: Tensor) -> Tensor:
    """of_value / of_divergence, whose size is taken to be at least `LEAST` (and its sign positive at 0)."""
    size = of_divergence.abs().clamp(min=LEAST)
    return of_value / torch.where(of_divergence < 0, -size, size)


# --- m_i and d_i -------------------------------------------------------------------------------------------------


def allocation(influence: Tensor, norm: str, error: Tensor) -> Tensor:
    """m = softmax(m̃) (Eq. 20), [n].

    With `meanabs` of influences over their mean size, whatever the return's unit, or over `NOISE` times their mean
    standard error `error` [n] where that is more: influences that may be noise leave m nearly equal.
    """
    if norm == "meanabs":
        size = torch.maximum(influence.abs().mean(), NOISE * error.mean())
        influence = influence / (size + 1e-8)
    return torch.softmax(influence, -1)


class Running(NamedTuple):
    """A running mean [n], the variance [n] of what it is a mean of, and the sum of its squared weights []."""

    mean: Tensor
    variance: Tensor
    squares: Tensor

    @property
    def error(self) -> Tensor:
        """Standard error of the mean, [n], as if values were independent."""
        return (self.variance * self.squares).sqrt()


def running(before: Running, new: Tensor, updates: Tensor, decay: float) -> Running:
    """The mean of all values so far, later of about the last 1 / (1 − decay): no value at the start outweighs."""
    kept = (updates / (updates + 1.0)).clamp(max=decay)
    step = (1.0 - kept) * (new - before.mean)
    variance = kept * (before.variance + step * (new - before.mean))
    squares = kept.square() * before.squares + (1.0 - kept).square()
    return Running(before.mean + step, variance, squares)
