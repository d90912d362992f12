"""The recipe of `__ENV__/__NAME__`: random actions that are kept for a while.

Each agent keeps its action and changes it one step in four, for another one drawn uniformly. Compared with independent
random actions this goes further from where episodes start. Every number is a function of the build's seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_core import TeamSpec, derive, uniforms
from zoo_core.data import Build, collect

CHANGE = 0.25
"""How likely an agent changes its action at a step."""

COPIES = 100
"""Episodes played side by side; sets the speed, not the data."""


def fill(build: Build) -> None:
    """Whole episodes, until there are as many transitions as wanted."""
    env = build.env(COPIES)
    # Builds of other seeds play other episodes.
    seed = derive(build.seed, "__ENV__/__NAME__") % 2**30
    build.note("behaviour", f"uniform actions, each kept with probability {1 - CHANGE} at every step")
    while build.added < build.transitions:
        for group in collect(env, Persistent(build.team), np.arange(seed, seed + COPIES), copies=COPIES):
            build.add(**shortened(group, build.transitions - build.added))
        seed += COPIES


class Persistent:
    """`policy(obs [E, n, o], mask [E, n, A] or None, seeds [E], t) -> action`; draws from the episodes' seeds alone."""

    def __init__(self, team: TeamSpec) -> None:
        self.team = team
        self.held: NDArray = np.zeros(0)

    def __call__(self, obs: NDArray, mask: NDArray | None, seeds: NDArray[np.int64], t: int) -> NDArray:
        drawn = self.draw(mask, seeds, t)
        if t == 0:
            self.held = drawn
        change = uniforms(seeds, f"change {t}", (self.team.n,)) < CHANGE
        if not self.team.discrete:
            self.held = np.where(change[..., None], drawn, self.held)
            return self.held
        if mask is not None:  # what is not available any more cannot be kept
            change |= ~np.take_along_axis(mask, self.held[..., None], axis=-1)[..., 0]
        self.held = np.where(change, drawn, self.held)
        return self.held

    def draw(self, mask: NDArray | None, seeds: NDArray[np.int64], t: int) -> NDArray:
        """Uniform actions [E, n, a], or available ones [E, n]."""
        team = self.team
        u = uniforms(seeds, f"action {t}", (team.n, team.action_size))
        own = np.arange(team.action_size) < np.array(team.action_sizes)[:, None]
        if team.discrete:
            available = own if mask is None else mask & own
            return np.asarray(np.where(available, u, -1.0).argmax(-1))
        return ((team.action_low + (team.action_high - team.action_low) * u) * own).astype(np.float32)


def shortened(group: dict[str, NDArray], transitions: int) -> dict[str, NDArray]:
    """The first episodes of a group, as many as `transitions` takes."""
    ends = np.cumsum(group["lengths"])
    keep = int(np.searchsorted(ends, transitions)) + 1
    return {name: values[:keep] for name, values in group.items()}
