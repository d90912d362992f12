"""The arithmetic of diffusion: schedules, the forward process, and the ways back.

Levels of noise are counted from 0, clean, to T, nothing but noise. ᾱ_t is the share of the signal's variance that is
left at level t: ᾱ_0 = 1. Everything acts elementwise; ᾱ broadcasts against the data.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

SCHEDULES = ("vp", "cosine", "linear")
LARGEST_BETA = 0.999


def betas(kind: str, steps: int) -> list[float]:
    """β_1 … β_T: the share of variance that noise takes over at each step.

    `vp`: the variance-preserving process in T steps, β_min = 0.1, β_max = 10 (Xiao et al. 2022; as Diffusion-QL).
    `cosine`: Nichol & Dhariwal 2021, Eq. 17. `linear`: 1e-4 to 0.02 (Ho et al. 2020).
    """
    if kind == "vp":
        low, high = 0.1, 10.0
        return [1 - math.exp(-low / steps - 0.5 * (high - low) * (2 * t - 1) / steps**2) for t in range(1, steps + 1)]
    if kind == "cosine":

        def left(t: int) -> float:
            return math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2

        return [min(1 - left(t) / left(t - 1), LARGEST_BETA) for t in range(1, steps + 1)]
    if kind == "linear":
        return [1e-4 + (0.02 - 1e-4) * t / max(steps - 1, 1) for t in range(steps)]
    raise ValueError(f"a schedule is one of {SCHEDULES}, not {kind!r}")


def levels_of(steps: int, few: int) -> list[int]:
    """`few` + 1 of the levels 0 … T, evenly spaced, from T down to 0: where a sampler of few steps stops."""
    few = min(few, steps)
    return [round(steps * k / few) for k in range(few, -1, -1)]


class Schedule(nn.Module):
    """ᾱ of a schedule."""

    signal: Tensor

    def __init__(self, kind: str, steps: int) -> None:
        super().__init__()
        self.steps = steps
        kept = torch.tensor([1.0, *(1 - beta for beta in betas(kind, steps))], dtype=torch.float64)
        # [1, T + 1]: the leading axis of what belongs to no agent must not happen to be their number.
        self.register_buffer("signal", kept.cumprod(0).float().unsqueeze(0), persistent=False)

    def at(self, level: Tensor, dims: int) -> Tensor:
        """ᾱ at levels [B], as [B, 1, …] of so many dimensions."""
        return self.signal[0][level].reshape(-1, *[1] * (dims - 1))

    def draw(self, uniform: Tensor) -> Tensor:
        """Levels 1 … T, equally likely, from uniform numbers [B]."""
        return (uniform * self.steps).long().clamp(max=self.steps - 1) + 1


def noised(clean: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
    """x_t = √ᾱ x_0 + √(1 − ᾱ) ε: the forward process (Ho et al. 2020, Eq. 4)."""
    return signal.sqrt() * clean + (1 - signal).sqrt() * noise


def clean_estimate(noisy: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
    """x̂_0 = (x_t − √(1 − ᾱ) ε̂) / √ᾱ: the forward process solved for x_0."""
    return (noisy - (1 - signal).sqrt() * noise) / signal.sqrt()


def noise_estimate(noisy: Tensor, clean: Tensor, signal: Tensor) -> Tensor:
    """ε̂ = (x_t − √ᾱ x̂_0) / √(1 − ᾱ): the forward process solved for ε."""
    return (noisy - signal.sqrt() * clean) / (1 - signal).sqrt()


def velocity_of(clean: Tensor, noise: Tensor, signal: Tensor) -> Tensor:
    """v = √ᾱ ε − √(1 − ᾱ) x_0 (Salimans & Ho 2022, Sec. 4)."""
    return signal.sqrt() * noise - (1 - signal).sqrt() * clean


def clean_of_velocity(noisy: Tensor, velocity: Tensor, signal: Tensor) -> Tensor:
    """x̂_0 = √ᾱ x_t − √(1 − ᾱ) v̂, which divides by nothing small."""
    return signal.sqrt() * noisy - (1 - signal).sqrt() * velocity


def posterior(noisy: Tensor, clean: Tensor, signal: Tensor, next_signal: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of x_s given x_t and x_0, s < t with signals ᾱ_s > ᾱ_t (Ho et al. 2020, Eqs. 6 and 7)."""
    kept = signal / next_signal  # ∏ α over the levels between
    beta = 1 - kept
    mean = (next_signal.sqrt() * beta * clean + kept.sqrt() * (1 - next_signal) * noisy) / (1 - signal)
    return mean, ((1 - next_signal) / (1 - signal) * beta).sqrt()


def ddim_step(noisy: Tensor, clean: Tensor, signal: Tensor, next_signal: Tensor) -> Tensor:
    """x_s = √ᾱ_s x̂_0 + √(1 − ᾱ_s) ε̂: the deterministic way back (Song et al. 2021, Eq. 12 with σ = 0)."""
    return noised(clean, noise_estimate(noisy, clean, signal), next_signal)


def guided(conditional: Tensor, unconditional: Tensor, weight: float) -> Tensor:
    """ε̂ = ε̂(∅) + w (ε̂(y) − ε̂(∅)): guidance without a classifier (Ho & Salimans 2022). w = 1: conditional alone."""
    return unconditional + weight * (conditional - unconditional)
