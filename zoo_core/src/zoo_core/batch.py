"""Batch: the tensors one update sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of a dataset as float32 tensors (discrete actions int64, masks bool).

    B rows, n learning agents, o observation size, a action size. For windows and whole episodes every field carries a
    time axis after B (observations of windows have T + 1 steps in `obs`; see `zoo_core.data`), and `filled` marks real
    steps. Fields that the phase did not ask for, or the data does not have, are None.

    Attributes:
        obs, next_obs: [B, n, o].
        action: [B, n, a], or [B, n] discrete.
        reward: [B, n].
        terminated, truncated: [B] bool. The step after a terminated row is worth nothing; after a truncated one it is.
        state, next_state: [B, s] or [B, n, s].
        next_action: like `action`: the logged next joint action a'. Meaningless where `has_next_action` is false.
        has_next_action: [B] bool; false on an episode's last step. a' never comes from another episode.
        action_mask, next_action_mask: [B, n, A] bool.
        initial_obs: [B, n, o]: first observations of B episodes drawn independently.
        initial_state: [B, s] or [B, n, s]: the states they were seen in.
        filled: [B, T] bool, windows and episodes only.
        return_to_go: [B, T, n], windows with a `discount` only: Σ_k γ^k r_{t+k} over the rest of the episode. What
            would follow a truncated end is not known and counts as nothing.
        step: [B, T] int64, with `return_to_go`: how many steps of the episode came before.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor
    truncated: Tensor
    state: Tensor | None = None
    next_state: Tensor | None = None
    next_action: Tensor | None = None
    has_next_action: Tensor | None = None
    action_mask: Tensor | None = None
    next_action_mask: Tensor | None = None
    initial_obs: Tensor | None = None
    initial_state: Tensor | None = None
    filled: Tensor | None = None
    return_to_go: Tensor | None = None
    step: Tensor | None = None

    @property
    def size(self) -> int:
        return self.obs.shape[0]

    @property
    def team_reward(self) -> Tensor:
        """[B]: the mean of the learners' rewards."""
        return self.reward.mean(-1)

    @property
    def continues(self) -> Tensor:
        """[B] float: 0 where the task terminated, 1 elsewhere (truncated rows bootstrap)."""
        return 1.0 - self.terminated.float()

    def present(self) -> Iterator[tuple[str, Tensor]]:
        """Name and tensor of every field that is not None."""
        for f in fields(self):
            value = getattr(self, f.name)
            if value is not None:
                yield f.name, value

    def map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """A batch with `function` applied to every tensor."""
        return Batch(**{name: function(tensor) for name, tensor in self.present()})

    def to(self, device: torch.device | str) -> Batch:
        return self.map(lambda t: t.to(device, non_blocking=True))
