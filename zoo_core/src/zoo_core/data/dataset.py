"""An opened dataset: memory-mapped arrays, their card, and what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zoo_core.algorithms import Rows, Statistics, WholeEpisodes, Windows
from zoo_core.data.card import CARD_FILE, Card, read_card
from zoo_core.data.layout import array_path, check_header, layout, map_array
from zoo_core.data.marks import clear_verified, set_verified, verified_as
from zoo_core.data.sampling import Sampler, make_sampler
from zoo_core.data.verification import verify_folder
from zoo_core.errors import DatasetCorrupt
from zoo_core.team import TeamSpec

if TYPE_CHECKING:
    from zoo_core.data.correlation import ActionCorrelation


class Dataset:
    """Episodes of one team, as flat arrays. N transitions, M episodes, R = N + M rows (T + 1 an episode).

    Attributes:
        folder: where it lies.
        card: what is known about it.
        obs: [R, n, o] float32.
        state: [R, s] or [R, n, s] float32; None for a `concat_obs` state.
        action_mask: [R, n, A] bool; None where every action is always available.
        action: [N, n, a] float32 or [N, n] int64.
        reward: [N, n] float32.
        terminated, truncated: [N] bool; true at most on an episode's last step.
        episode_starts: [M + 1] int64, in transitions: episode e is [starts[e], starts[e + 1]).
    """

    def __init__(self, folder: Path, card: Card, arrays: Mapping[str, Tensor]) -> None:
        """Use `Dataset.open`, which checks what it opens."""
        self.folder, self.card = folder, card
        self.obs = arrays["obs"]
        self.state = arrays.get("state")
        self.action_mask = arrays.get("action_mask")
        self.action = arrays["action"]
        self.reward = arrays["reward"]
        self.terminated = arrays["terminated"]
        self.truncated = arrays["truncated"]
        self.episode_starts = arrays["episode_starts"]

    @classmethod
    def open(cls, folder: Path | str, *, verify: bool = False) -> Dataset:
        """Open the dataset in `folder`; the arrays are mapped, not read.

        The first time on this machine, when a file's size or time changed since, and with `verify`, every array is
        hashed and its content checked. After that opening takes milliseconds.

        Raises:
            DatasetError: no dataset there, or one this version cannot read.
            DatasetCorrupt: a file is missing, truncated or does not match its hash.
        """
        folder = Path(folder).expanduser()
        card = read_card(folder)
        expected = layout(card.team, card.transitions, card.episodes, action_mask="action_mask" in card.arrays)
        if {k: (r.dtype, r.shape) for k, r in expected.items()} != {
            k: (r.dtype, r.shape) for k, r in card.arrays.items()
        }:
            raise DatasetCorrupt(f"{folder / CARD_FILE}: its arrays are not those of its team and sizes")
        for name, record in card.arrays.items():
            check_header(folder, name, record)
        files = [folder / CARD_FILE, *(array_path(folder, name) for name in card.arrays)]
        if verify or verified_as(folder, files) != card.hash:
            clear_verified(folder)
            verify_folder(folder, card)
            set_verified(folder, card.hash, files)
        return cls(folder, card, {name: map_array(folder, name) for name in card.arrays})

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def team(self) -> TeamSpec:
        return self.card.team

    @property
    def num_transitions(self) -> int:
        return self.card.transitions

    @property
    def num_episodes(self) -> int:
        return self.card.episodes

    @property
    def hash(self) -> str:
        """Content hash: equal for equal arrays."""
        return self.card.hash

    @cached_property
    def lengths(self) -> Tensor:
        """[M] int64: steps of each episode."""
        return self.episode_starts.diff()

    @cached_property
    def equal_length(self) -> int | None:
        """Steps of every episode where all have the same number, else None."""
        return self.card.lengths["min"] if self.card.lengths["min"] == self.card.lengths["max"] else None

    @cached_property
    def obs_rows(self) -> Tensor:
        """[N] int64: the row of `obs` (and `state`, `action_mask`) at which each transition starts."""
        episode = torch.arange(self.num_episodes).repeat_interleave(self.lengths)
        return episode.add_(torch.arange(self.num_transitions))

    def returns(self) -> Tensor:
        """[M] float64: undiscounted team return of each episode: the mean over learners of the reward, summed."""
        team_reward = self.reward.numpy().mean(axis=1, dtype=np.float64)
        return torch.from_numpy(np.add.reduceat(team_reward, self.episode_starts[:-1].numpy()))

    def statistics(self) -> Statistics:
        """Means and deviations for algorithms that normalise; computed once, then cached beside the dataset."""
        from zoo_core.data.statistics import cached_statistics

        return cached_statistics(self)

    def action_correlation(self) -> ActionCorrelation | None:
        """How far the agents' actions depend on one another given the state: see `zoo_core.data.correlation`.

        Measured once, in some ten seconds, then cached beside the dataset; None for one agent or few episodes.
        """
        from zoo_core.data.correlation import cached_action_correlation

        return cached_action_correlation(self)

    def sampler(
        self,
        need: Rows | Windows | WholeEpisodes,
        *,
        device: torch.device | str = "cpu",
        state: bool = True,
    ) -> Sampler:
        """Batches for one phase: see `zoo_core.data.sampling`."""
        return make_sampler(self, need, device=device, state=state)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self.num_transitions:,} transitions, {self.num_episodes:,} episodes)"
