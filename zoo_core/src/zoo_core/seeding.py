"""All randomness of the zoo: functions of (seed, purpose, counter), never of a global generator's state.

Two forms. `generator(seed, *purpose)` gives a torch generator for tensors of one training step. `uniforms(seeds, …)`
gives, for many episodes at once, numbers that depend on each episode's own seed alone, so that an episode does not
depend on the size of the batch it was simulated in.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import torch

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def derive(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, e.g. `derive(seed, "critic", iteration)`. Stable across versions and machines."""
    text = "\x1f".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator for one purpose; drawing from it disturbs nothing else."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(seed, *purpose))


def uniforms(seeds: ArrayLike, purpose: str | int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), shape [len(seeds), *shape]: row i is a function of `seeds[i]` and `purpose` alone.

    SplitMix64 (Steele, Lea & Flood 2014) as a counter-based generator; 53 random bits per number.
    """
    key = np.asarray(seeds, dtype=np.int64).astype(np.uint64)
    size = int(np.prod(shape)) if shape else 1
    with np.errstate(over="ignore"):
        key = _mix(key * _GOLDEN + np.uint64(derive(0, purpose)))
        counter = np.arange(1, size + 1, dtype=np.uint64) * _GOLDEN
        bits = _mix(key[:, None] + counter)
    return ((bits >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(len(key), *shape)


def normals(seeds: ArrayLike, purpose: str | int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Standard normal numbers, seeded as `uniforms` (Box–Muller)."""
    u = uniforms(seeds, purpose, (2, *shape))
    return np.sqrt(-2.0 * np.log1p(-u[:, 0])) * np.cos(2.0 * np.pi * u[:, 1])


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
