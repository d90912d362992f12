"""Recipes of the datasets: scripted behaviour, no file to download."""

from __future__ import annotations

import numpy as np

from harbour.barge import Barge, pilot
from zoo_core import derive, normals, uniforms
from zoo_core.data import Build, collect

NOISE = 0.3
COPIES = 250  # episodes side by side; sets the speed, not the data


def mixed(build: Build) -> None:
    """Each episode is, by its own coin, the pilot with Gaussian noise or uniform actions."""
    build.note("behaviour", f"half pilot with noise of deviation {NOISE}, clipped to [-1, 1]; half uniform actions")
    first = derive(build.seed, "barge/mixed") % (1 << 62)
    env = build.env(COPIES)
    while build.added < build.transitions:
        (group,) = collect(env, behaviour, first + np.arange(COPIES), copies=COPIES)
        wanted = np.searchsorted(group["lengths"].cumsum(), build.transitions - build.added) + 1
        build.add(**{name: array[:wanted] for name, array in group.items()})
        first += COPIES


def behaviour(obs, mask, seeds, t):
    """What the pilot or chance does, [E, 2, 2]; the thruster's second number is padding and stays 0."""
    noisy = pilot(obs) + NOISE * normals(seeds, f"noise {t}", (2, 2))
    chance = 2.0 * uniforms(seeds, f"chance {t}", (2, 2)) - 1.0
    by_pilot = uniforms(seeds, "who steers", (1, 1)) < 0.5
    own = np.arange(2) < np.array(Barge.team.action_sizes)[:, None]
    return np.clip(np.where(by_pilot, noisy, chance), -1.0, 1.0).astype(np.float32) * own
