"""Pictures of a policy acting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo_core.algorithms import Algorithm
from zoo_core.entries import EnvEntry
from zoo_core.evaluation import Policy


def episode_frames(algorithm: Algorithm, entry: EnvEntry, seed: int, *, hold: int = 0) -> list[NDArray[np.uint8]]:
    """One episode as RGB pictures [H, W, 3], the last repeated `hold` times so that an ending can be seen."""
    env = entry.load()(1)
    policy = Policy(algorithm, 1, seed)
    view = env.reset([seed])
    frames = [env.render(0)]
    for _ in range(env.team.episode_limit or 1_000):
        view = env.step(policy(view))
        frames.append(env.render(0))
        if view.terminated[0] or view.truncated[0]:
            break
    return frames + [frames[-1]] * hold
