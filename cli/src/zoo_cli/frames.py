"""Pictures of a policy acting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo_core.algorithms import Algorithm
from zoo_core.envs import BatchedEnv
from zoo_core.evaluation import Policy

LONG = 200
"""Steps beyond which an episode is a long one: one is drawn, not three, and only its beginning."""
LIMITLESS = 1_000
"""Steps after which an episode of a task without a limit is no longer followed."""


@dataclass(frozen=True)
class Footage:
    """What is drawn: `episodes` of them, of each the first `steps` steps, every `every`-th, `fps` pictures a second."""

    episodes: int
    steps: int
    every: int
    fps: int
    limit: int

    @classmethod
    def of(
        cls, limit: int | None, episodes: int | None, steps: int | None, every: int | None, fps: int | None
    ) -> Footage:
        """What is not given: short episodes whole, three of them, 10 steps a second; of long ones the beginning of
        one, 20 steps a second."""
        limit = limit or max(LIMITLESS, steps or 0)
        long = limit > LONG
        return cls(
            episodes=episodes or (1 if long else 3),
            steps=min(steps or LONG, limit),
            every=every or 1,
            fps=fps or (20 if long else 10),
            limit=limit,
        )

    @property
    def cut(self) -> bool:
        """Whether an episode may go on beyond what is drawn of it."""
        return self.steps < self.limit


def episode_pictures(
    algorithm: Algorithm, env: BatchedEnv, seed: int, steps: int, every: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(step, picture [H, W, 3]) of one episode in the only copy of `env`: the start, every `every`-th step, the last.

    The last is that in which the episode ends, or step `steps`.
    """
    policy = Policy(algorithm, 1, seed)
    view = env.reset([seed])
    yield 0, env.render(0)
    for step in range(1, steps + 1):
        view = env.step(policy(view))
        over = bool(view.terminated[0] or view.truncated[0])
        if over or step == steps or step % every == 0:
            yield step, env.render(0)
        if over:
            return
