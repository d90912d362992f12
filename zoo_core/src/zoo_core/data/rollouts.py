"""Rolling a policy out in a batched environment, episode by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.envs import BatchedEnv, Step
from zoo_core.errors import DatasetError

Policy = Callable[[NDArray[Any], NDArray[np.bool_] | None, NDArray[np.int64], int], NDArray[Any]]
"""`policy(obs [E, n, o], mask [E, n, A] or None, seeds [E], t) → action [E, n, a] or [E, n]`.

An episode should depend on its own seed alone: draw noise with `zoo_core.uniforms(seeds, f"noise{t}", …)`."""


def collect(
    env: BatchedEnv, policy: Policy, episode_seeds: Sequence[int] | NDArray[np.int64], *, copies: int = 256
) -> Iterator[dict[str, Any]]:
    """Play one episode for each seed and yield them in order, in groups that `build.add(**group)` takes.

    Args:
        env: its copies play side by side; groups hold `min(copies, env.num_envs)` episodes, the last one what is left.
        policy: see `Policy`.
        episode_seeds: reset seed of each episode.

    Raises:
        DatasetError: an episode outlasts the environment's own limit.
    """
    seeds = np.asarray(episode_seeds, dtype=np.int64)
    size = min(copies, env.num_envs)
    for first in range(0, len(seeds), size):
        wanted = seeds[first : first + size]
        padded = np.resize(wanted, env.num_envs)  # copies without an episode of their own play one of the others again
        yield _play(env, policy, padded, len(wanted))


def _play(env: BatchedEnv, policy: Policy, seeds: NDArray[np.int64], keep: int) -> dict[str, Any]:
    """One episode in each copy; those of the first `keep` copies as arrays padded to the longest."""
    shown = _copy(env.reset(seeds))
    views, steps = [shown], []
    actions: list[NDArray[Any]] = []
    running = np.ones(env.num_envs, dtype=bool)
    lengths = np.zeros(env.num_envs, dtype=np.int64)
    while running[:keep].any():
        t = len(actions)
        if env.team.episode_limit and t >= env.team.episode_limit:
            raise DatasetError(
                f"environment {env.team.env!r} neither terminated nor truncated an episode within its own limit of "
                f"{env.team.episode_limit} steps"
            )
        action = policy(shown.obs, shown.action_mask, seeds, t)
        shown = _copy(env.step(action))
        actions.append(np.array(action))
        steps.append(shown)
        views.append(shown)
        lengths += running
        running &= ~(shown.terminated | shown.truncated)
    lengths = lengths[:keep]
    last = np.arange(len(steps)) == lengths[:, None] - 1
    group = {
        "obs": _stack([view.obs for view in views], keep),
        "action": _stack(actions, keep),
        "reward": _stack([step.reward for step in steps], keep),
        "terminated": _stack([step.terminated for step in steps], keep) & last,
        "truncated": _stack([step.truncated for step in steps], keep) & last,
        "lengths": lengths,
    }
    if shown.state is not None:
        group["state"] = _stack([view.state for view in views], keep)
    if shown.action_mask is not None:
        group["action_mask"] = _stack([view.action_mask for view in views], keep)
    return group


def _copy(step: Step) -> Step:
    """A step that later steps cannot change, should the environment write into its own arrays."""
    copies: list[Any] = [None if value is None else np.array(value) for value in step]
    return Step(*copies)


def _stack(parts: Sequence[Any], keep: int) -> NDArray[Any]:
    """T arrays [E, ...] → [keep, T, ...]."""
    return np.stack([part[:keep] for part in parts], axis=1)
