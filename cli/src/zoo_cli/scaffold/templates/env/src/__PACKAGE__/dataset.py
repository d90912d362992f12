"""The recipe of the dataset: every number in it is a function of the build's seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_core import derive, normals, uniforms
from zoo_core.data import Build, collect

from .env import LIMIT
from .policies import guided, uniform

NOISE = 0.5
"""Standard deviation of the noise on guided actions."""


def fill(build: Build) -> None:
    """Whole episodes, as many as the wanted number of transitions takes."""
    episodes = -(-build.transitions // LIMIT)
    # Builds of other seeds play other episodes.
    first = derive(build.seed, "__NAME__/mixed") % 2**30
    build.note("behaviour", f"half guided with noise of standard deviation {NOISE}, half uniform actions")
    for group in collect(build.env(min(episodes, 500)), mixed, np.arange(first, first + episodes), copies=500):
        build.add(**group)


def mixed(obs: NDArray, mask: NDArray | None, seeds: NDArray[np.int64], t: int) -> NDArray[np.float32]:
    """One policy for a whole episode: guided with noise or uniform, each with probability a half."""
    noisy = guided(obs, mask, seeds, t) + NOISE * normals(seeds, f"noise {t}", (obs.shape[1], 2))
    is_guided = uniforms(seeds, "which policy", (1, 1)) < 0.5
    return np.where(is_guided, np.clip(noisy, -1.0, 1.0), uniform(obs, mask, seeds, t)).astype(np.float32)
