"""Batches: what one update sees, drawn with replacement by a generator that alone decides which rows it gets.

Rows are single transitions [B, ...]. Windows and whole episodes have a time axis after B: T steps of `action`,
`reward`, `terminated`, `truncated`, `next_obs`, `filled`, and T + 1 of `obs`, `state`, `action_mask`, whose last is
what the last step led to. Behind an episode's end they are padded: `filled` is false, numbers are 0 and every action
counts as available, so that no mask is empty. No batch ever joins two episodes.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo_core.algorithms import Rows, WholeEpisodes, Windows
from zoo_core.batch import Batch
from zoo_core.errors import DatasetError, SettingError

if TYPE_CHECKING:
    from zoo_core.data.dataset import Dataset


REPEATS, SMALL_BATCH = 4, 10_000
"""A batch of rows may be this many times all the rows there are, or have this many rows whatever there are."""


class Sampler(ABC):
    """Draws batches from a dataset. The arrays live on `device`: mapped from disk for "cpu", else copied there once."""

    def __init__(self, dataset: Dataset, device: torch.device | str, state: bool) -> None:
        self.device = torch.device(device)
        self.team = dataset.team
        self._wants_state = state

        def placed(array: Tensor) -> Tensor:
            return array if self.device.type == "cpu" else array.to(self.device)

        self.obs = placed(dataset.obs)
        self.action = placed(dataset.action)
        self.reward = placed(dataset.reward)
        self.terminated = placed(dataset.terminated)
        self.truncated = placed(dataset.truncated)
        self.stored_state = placed(dataset.state) if state and dataset.state is not None else None
        self.action_mask = placed(dataset.action_mask) if dataset.action_mask is not None else None
        self.episode_starts = placed(dataset.episode_starts)
        self.lengths = placed(dataset.lengths)
        self._equal_length = dataset.equal_length
        self._obs_rows = None if self._equal_length else placed(dataset.obs_rows)
        self._unpadded = None if self.team.homogeneous else _unpadded_columns(dataset).to(self.device)

    @property
    @abstractmethod
    def population(self) -> int:
        """How many rows, window starts or episodes a batch is drawn from."""

    @abstractmethod
    def sample(self, generator: torch.Generator) -> Batch:
        """One batch; a function of the data and the generator's state alone."""

    def _draw(self, high: int, size: int, generator: torch.Generator) -> Tensor:
        return torch.randint(high, (size,), generator=generator, device=generator.device).to(self.device)

    def _rows_of(self, steps: Tensor) -> Tensor:
        """The rows of `obs` at which these transitions start, [*] → [*]."""
        if self._equal_length:
            return steps + torch.div(steps, self._equal_length, rounding_mode="floor")
        assert self._obs_rows is not None
        return _gather(self._obs_rows, steps)

    def _state(self, rows: Tensor, obs: Tensor) -> Tensor | None:
        """State at `rows`, whose padded observations are `obs` [*, n, o]: [*, s] or [*, n, s]."""
        if not self._wants_state:
            return None
        if self.stored_state is not None:
            return _gather(self.stored_state, rows)
        joint = obs.flatten(-2)
        return joint if self._unpadded is None else joint[..., self._unpadded]


class RowSampler(Sampler):
    """Independent transitions."""

    def __init__(self, dataset: Dataset, need: Rows, device: torch.device | str, state: bool) -> None:
        super().__init__(dataset, device, state)
        self.need = need
        self._eligible: Tensor | None = None
        if need.next_action and need.truncation == "skip":
            eligible = ~dataset.truncated | dataset.terminated
            if not eligible.all():
                self._eligible = eligible.nonzero().squeeze(1).to(self.device)
        if self.population == 0:
            raise DatasetError(
                f"{dataset.name}: every step is an episode's last and truncated, so none has the logged next action "
                "this algorithm needs; --set truncation=full bootstraps there instead"
            )
        limit = max(SMALL_BATCH, REPEATS * self.population)
        if need.batch_size > limit:
            raise SettingError(
                f"batch_size {need.batch_size:,} is too large: {dataset.name} has {self.population:,} rows to draw"
                f" from, so a batch may have {limit:,} at most"
            )
        ends = torch.zeros(dataset.num_transitions, dtype=torch.bool)
        ends[dataset.episode_starts[1:] - 1] = True
        self._ends = ends.to(self.device)

    @property
    def population(self) -> int:
        return len(self.reward) if self._eligible is None else len(self._eligible)

    def sample(self, generator: torch.Generator) -> Batch:
        steps = self._draw(self.population, self.need.batch_size, generator)
        if self._eligible is not None:
            steps = _gather(self._eligible, steps)
        batch = self.take(steps)
        if not self.need.initial_obs:
            return batch
        episodes = self._draw(len(self.lengths), self.need.batch_size, generator)
        rows = self.episode_starts[episodes] + episodes
        initial_obs = _gather(self.obs, rows)
        return dataclasses.replace(batch, initial_obs=initial_obs, initial_state=self._state(rows, initial_obs))

    def take(self, steps: Tensor) -> Batch:
        """The batch of these transitions, [B] int64."""
        rows = self._rows_of(steps)
        obs, next_obs = _gather(self.obs, rows), _gather(self.obs, rows + 1)
        next_action = has_next_action = None
        if self.need.next_action:
            has_next_action = ~_gather(self._ends, steps)
            next_action = _gather(
                self.action, steps + has_next_action
            )  # on an episode's last step: its own action again
        return Batch(
            obs=obs,
            action=_gather(self.action, steps),
            reward=_gather(self.reward, steps),
            next_obs=next_obs,
            terminated=_gather(self.terminated, steps),
            truncated=_gather(self.truncated, steps),
            state=self._state(rows, obs),
            next_state=self._state(rows + 1, next_obs),
            next_action=next_action,
            has_next_action=has_next_action,
            action_mask=None if self.action_mask is None else _gather(self.action_mask, rows),
            next_action_mask=None if self.action_mask is None else _gather(self.action_mask, rows + 1),
        )


class SequenceSampler(Sampler):
    """What windows and whole episodes share: T consecutive steps from each start."""

    def take(self, first: Tensor, available: Tensor, steps: int) -> Batch:
        """T `steps` from each of `first` [B], of which `available` [B] lie in the same episode."""
        offsets = torch.arange(steps, device=self.device)
        filled = offsets < available[:, None]
        index = first[:, None] + torch.minimum(offsets, available[:, None] - 1)
        row_offsets = torch.arange(steps + 1, device=self.device)
        real_rows = row_offsets <= available[:, None]
        rows = self._rows_of(first)[:, None] + torch.minimum(row_offsets, available[:, None])
        obs = _blank(_gather(self.obs, rows), real_rows)
        state = self._state(rows, obs)
        if state is not None:
            state = _blank(state, real_rows)
        mask = None if self.action_mask is None else _gather(self.action_mask, rows) | ~real_rows[..., None, None]
        action = _blank(_gather(self.action, index), filled)
        has_next = filled & ~self._is_last(index)
        next_index = index + has_next
        return Batch(
            obs=obs,
            action=action,
            reward=_blank(_gather(self.reward, index), filled),
            next_obs=obs[:, 1:],
            terminated=_gather(self.terminated, index) & filled,
            truncated=_gather(self.truncated, index) & filled,
            state=state,
            next_state=None if state is None else state[:, 1:],
            next_action=_blank(_gather(self.action, next_index), has_next),
            has_next_action=has_next,
            action_mask=mask,
            next_action_mask=None if mask is None else mask[:, 1:],
            filled=filled,
        )

    def _is_last(self, index: Tensor) -> Tensor:
        return _gather(self.terminated, index) | _gather(self.truncated, index)


class WindowSampler(SequenceSampler):
    """Windows that start at any transition, uniformly, and stop at their episode's end."""

    def __init__(self, dataset: Dataset, need: Windows, device: torch.device | str, state: bool) -> None:
        super().__init__(dataset, device, state)
        self.need = need
        self._return_to_go: Tensor | None = None
        if need.discount is not None:
            self._return_to_go = returns_to_go(dataset.reward, dataset.episode_starts, need.discount).to(self.device)

    @property
    def population(self) -> int:
        return len(self.reward)

    def sample(self, generator: torch.Generator) -> Batch:
        first = self._draw(self.population, self.need.batch_size, generator)
        episode = torch.searchsorted(self.episode_starts, first, right=True)
        available = self.episode_starts[episode] - first
        batch = self.take(first, available, self.need.length)
        if self._return_to_go is None or batch.filled is None:
            return batch
        offsets = torch.arange(self.need.length, device=self.device)
        index = first[:, None] + torch.minimum(offsets, available[:, None] - 1)
        return dataclasses.replace(
            batch,
            return_to_go=_blank(_gather(self._return_to_go, index), batch.filled),
            step=_blank(index - self.episode_starts[episode - 1, None], batch.filled),
        )


class EpisodeSampler(SequenceSampler):
    """Whole episodes, padded to the longest of the batch."""

    def __init__(self, dataset: Dataset, need: WholeEpisodes, device: torch.device | str, state: bool) -> None:
        super().__init__(dataset, device, state)
        self.need = need

    @property
    def population(self) -> int:
        return len(self.lengths)

    def sample(self, generator: torch.Generator) -> Batch:
        episodes = self._draw(self.population, self.need.batch_size, generator)
        lengths = self.lengths[episodes]
        longest = self._equal_length or int(lengths.max())
        return self.take(self.episode_starts[episodes], lengths, longest)


def make_sampler(
    dataset: Dataset,
    need: Rows | Windows | WholeEpisodes,
    *,
    device: torch.device | str = "cpu",
    state: bool = True,
) -> Sampler:
    """The sampler of a data need.

    Args:
        device: where batches are made. Indices are drawn on the generator's own device.
        state: whether batches carry `state` and `next_state`.
    """
    if need.batch_size < 1:
        raise SettingError(f"batch_size must be at least 1, not {need.batch_size}")
    if isinstance(need, Rows):
        if need.truncation not in ("skip", "full"):
            raise SettingError(f"truncation must be 'skip' or 'full', not {need.truncation!r}")
        return RowSampler(dataset, need, device, state)
    if isinstance(need, Windows):
        if need.length < 1:
            raise SettingError(f"the length of a window must be at least 1, not {need.length}")
        return WindowSampler(dataset, need, device, state)
    return EpisodeSampler(dataset, need, device, state)


def returns_to_go(reward: Tensor, episode_starts: Tensor, discount: float) -> Tensor:
    """Each step's discounted rewards to its episode's end: reward [N, n], starts [E + 1] (the last is N) → [N, n]."""
    found = reward.clone()
    ends, lengths = episode_starts[1:], episode_starts.diff()
    for back in range(2, int(lengths.max()) + 1):
        here = ends[lengths >= back] - back
        found[here] += discount * found[here + 1]
    return found


def _gather(array: Tensor, index: Tensor) -> Tensor:
    """`array[index]`, several times faster: index [*] → [*, ...]."""
    found = array.index_select(0, index.flatten())
    return found.view(*index.shape, *array.shape[1:])


def _blank(values: Tensor, real: Tensor) -> Tensor:
    """`values` [B, T, *] with zeros where `real` [B, T] is false."""
    return values.masked_fill(~real.view(*real.shape, *[1] * (values.dim() - real.dim())), 0)


def _unpadded_columns(dataset: Dataset) -> Tensor:
    """Columns of the flattened observations [n·o] that are no padding, in order of the agents."""
    team = dataset.team
    return torch.cat([torch.arange(size) + agent * team.obs_size for agent, size in enumerate(team.obs_sizes)])
