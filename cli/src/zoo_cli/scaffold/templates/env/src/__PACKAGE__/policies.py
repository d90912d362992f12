"""Two policies of the task: the reference scores are measured on them and the dataset is made with them.

Each is `policy(obs [E, n, o], mask, seeds [E], t) -> action [E, n, a]`, as `zoo_core.data.collect` takes it. What is
random is drawn from the episodes' seeds, so that every episode is a function of its own seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zoo_core import uniforms
from zoo_core.data import collect

from . import env


def uniform(obs: NDArray, mask: NDArray | None, seeds: NDArray[np.int64], t: int) -> NDArray[np.float64]:
    """Uniform actions, independent over agents and steps."""
    return 2.0 * uniforms(seeds, f"uniform {t}", (obs.shape[1], 2)) - 1.0


def guided(obs: NDArray, mask: NDArray | None, seeds: NDArray[np.int64], t: int) -> NDArray[np.float64]:
    """The leader goes to the beacon, the others go to the leader: each by what it sees itself."""
    wish = np.array(obs[..., 2:4])  # the first of the others, who to all but the leader is the leader
    wish[:, 0] = obs[:, 0, env.SEEN :]
    return np.clip(wish / env.SPEED, -1.0, 1.0)


def mean_return(policy: Callable[..., NDArray], episodes: int) -> float:
    """The mean over episodes of the undiscounted team return."""
    task = env.__CLASS__(min(episodes, 1000))
    groups = collect(task, policy, np.arange(episodes), copies=task.num_envs)
    return float(np.concatenate([group["reward"].mean(-1).sum(-1) for group in groups]).mean())
