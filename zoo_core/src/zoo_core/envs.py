"""The contract of an environment: many copies of one team task, stepped together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from zoo_core.team import TeamSpec

Float = NDArray[np.float64]


class Step(NamedTuple):
    """What every copy shows after a reset or a step. E copies, n learning agents.

    Attributes:
        obs: [E, n, o], padded with zeros.
        reward: [E, n]; zeros after a reset.
        terminated: [E] bool, the task ended.
        truncated: [E] bool, the episode limit was reached.
        state: [E, s] or [E, n, s]; None for a `concat_obs` state.
        action_mask: [E, n, A] bool; None where every action is always available.
    """

    obs: Float
    reward: Float
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    state: Float | None = None
    action_mask: NDArray[np.bool_] | None = None


@runtime_checkable
class BatchedEnv(Protocol):
    """E copies of a task. A copy that ended keeps its last observation and gives zero reward until it is reset.

    An episode is a function of its reset seed and the actions alone: the same seed starts the same episode in any
    copy of any batch size.
    """

    team: TeamSpec
    num_envs: int

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        """Start new episodes, one seed for each of `copies` (default: all). Returns the view of all copies."""
        ...

    def step(self, action: NDArray) -> Step:
        """Advance every copy. `action`: [E, n, a] float for continuous, [E, n] int for discrete actions."""
        ...

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        """One copy as an RGB picture [H, W, 3]; needs no screen."""
        ...
