"""Building a dataset from a recipe: what a `DatasetEntry`'s factory is handed, and what runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from zoo_core.data.card import CARD_FILE, Card
from zoo_core.data.folders import locked, staged
from zoo_core.data.writer import EpisodeWriter
from zoo_core.entries import DatasetEntry
from zoo_core.envs import BatchedEnv
from zoo_core.errors import DatasetError
from zoo_core.team import TeamSpec

Progress = Callable[[int, int], None]
MakeEnv = Callable[..., BatchedEnv]


class Build:
    """A dataset in the making. The content must be a function of `seed`, `transitions` and the recipe alone.

    Attributes:
        seed: the dataset's seed.
        transitions: how many it should have; a factory may overshoot by less than an episode, or say why not.
    """

    def __init__(
        self, writer: EpisodeWriter, seed: int, transitions: int, make_env: MakeEnv, progress: Progress | None = None
    ) -> None:
        self._writer, self._make_env, self._progress = writer, make_env, progress
        self.seed, self.transitions = seed, transitions

    @property
    def team(self) -> TeamSpec:
        return self._writer.team

    @property
    def added(self) -> int:
        """Transitions added so far."""
        return self._writer.transitions

    def env(self, num_envs: int, **options: Any) -> BatchedEnv:
        """The dataset's environment in `num_envs` copies."""
        return self._make_env(num_envs, **options)

    def add(
        self,
        obs: ArrayLike,
        action: ArrayLike,
        reward: ArrayLike,
        terminated: ArrayLike,
        truncated: ArrayLike,
        *,
        lengths: ArrayLike | None = None,
        state: ArrayLike | None = None,
        action_mask: ArrayLike | None = None,
    ) -> None:
        """Append E episodes: see `EpisodeWriter.add` for shapes and checks. Reports progress."""
        self._writer.add(
            obs, action, reward, terminated, truncated, lengths=lengths, state=state, action_mask=action_mask
        )
        self.progress(self.added, self.transitions)

    def note(self, key: str, value: Any) -> None:
        """Write a JSON value to the card, e.g. the policy's noise."""
        self._writer.notes[key] = value

    def progress(self, done: int, total: int) -> None:
        """Tell whoever waits how far it is, in transitions."""
        if self._progress:
            self._progress(done, total)


def build_dataset(
    entry: DatasetEntry,
    folder: Path,
    make_env: MakeEnv,
    *,
    seed: int = 0,
    transitions: int | None = None,
    distribution: str = "",
    convention: str = "",
    replace: bool = False,
    progress: Progress | None = None,
    waiting: Callable[[str], None] | None = None,
) -> Card:
    """Build `entry` into `folder`, or use what is there, perhaps put there by the process this one waited for.

    Args:
        make_env: makes the entry's environment, `(num_envs, **options)`.
        transitions: a size other than the entry's own.
        replace: build again even if the folder exists; it is exchanged once the new one is whole.
    """
    from zoo_core.data.card import read_card

    with locked(folder, waiting):
        if (folder / CARD_FILE).exists() and not replace:
            return read_card(folder)
        target = transitions or entry.transitions
        if target < 1:
            raise DatasetError(f"dataset {entry.name!r} states no size; say how many transitions to build")
        with staged(folder, replace=replace) as staging:
            writer = EpisodeWriter(staging, make_env(1).team)
            try:
                entry.load()(Build(writer, seed, target, make_env, progress))
                source = {
                    "kind": "built",
                    "recipe": entry.factory,
                    "distribution": distribution,
                    "version": entry.version,
                    "seed": seed,
                    "transitions": target,
                }
                return writer.finish(entry.name, source, convention)
            finally:
                writer.close()
