"""Writing a dataset: episodes come in, a folder of arrays and a card comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo_core.data.card import CARD_FILE, Card, current_versions
from zoo_core.data.folders import write_text
from zoo_core.data.layout import ROW_ARRAYS, ArrayAppender, layout
from zoo_core.data.validation import as_array, require_actions_allowed, require_ends, require_finite
from zoo_core.errors import DatasetError
from zoo_core.team import TeamSpec


class EpisodeWriter:
    """Appends validated episodes to the arrays of a dataset in `folder`; `finish` writes the card.

    Nothing but the current call's episodes is held in memory.
    """

    def __init__(self, folder: Path, team: TeamSpec) -> None:
        self.folder, self.team = folder, team
        self.transitions = 0
        self.notes: dict[str, Any] = {}
        self.repairs: list[str] = []
        self._appenders: dict[str, ArrayAppender] = {}
        self._lengths: list[NDArray[np.int64]] = []
        self._returns: list[NDArray[np.float64]] = []

    @property
    def episodes(self) -> int:
        return sum(len(lengths) for lengths in self._lengths)

    @property
    def mean_return(self) -> float:
        """Mean undiscounted team return of the episodes so far; NaN without any."""
        return float(np.concatenate(self._returns).mean()) if self._returns else float("nan")

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
        """Append E episodes of up to T steps.

        Args:
            obs: [E, T+1, n, o]; row T is what the last step led to. Padding is set to zero, here and in `action`.
            action: [E, T, n, a] or, discrete, [E, T, n].
            reward: [E, T, n].
            terminated, truncated: [E, T]; true on an episode's last step and nowhere before it.
            lengths: [E] steps of each episode, where not all have T; what lies behind them is ignored.
            state: [E, T+1, s] or [E, T+1, n, s], as the team's state kind says; None for `concat_obs`.
            action_mask: [E, T+1, n, A] bool.

        Raises:
            DatasetError: wrong shapes, NaN or infinity, actions outside their bounds, ends in the wrong place.
        """
        arrays = self._shaped(obs, action, reward, terminated, truncated, state, action_mask)
        episodes, steps = arrays["terminated"].shape
        if episodes == 0:
            return
        sizes = np.full(episodes, steps) if lengths is None else as_array("lengths", lengths, "int64", (episodes,))
        if sizes.min() < 1 or sizes.max() > steps:
            raise DatasetError(f"lengths must lie between 1 and {steps}; found {sizes.min()} … {sizes.max()}")
        flat = {name: _flatten(array, sizes + (name in ROW_ARRAYS)) for name, array in arrays.items()}
        self._validate(flat, sizes)
        for name, values in flat.items():
            self._appenders[name].append(values)
        team_reward = flat["reward"].mean(axis=1, dtype=np.float64)
        self._returns.append(np.add.reduceat(team_reward, np.cumsum(sizes) - sizes))
        self._lengths.append(sizes)
        self.transitions += int(sizes.sum())

    def finish(self, name: str, source: Mapping[str, Any], convention: str = "") -> Card:
        """Write the index and the card; the folder is then a dataset."""
        if not self._lengths:
            raise DatasetError(f"{name}: no episodes; a dataset needs at least one")
        lengths = np.concatenate(self._lengths)
        index = ArrayAppender(self.folder, "episode_starts", "int64", ())
        index.append(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        self._appenders["episode_starts"] = index
        returns = np.concatenate(self._returns)
        card = Card(
            name=name,
            team=self.team,
            transitions=self.transitions,
            episodes=len(lengths),
            arrays={key: appender.finish() for key, appender in self._appenders.items()},
            returns={
                "mean": float(returns.mean()),
                "std": float(returns.std()),
                "min": float(returns.min()),
                "max": float(returns.max()),
            },
            lengths={"min": int(lengths.min()), "max": int(lengths.max())},
            source=source,
            convention=convention,
            notes=self.notes,
            repairs=tuple(self.repairs),
            versions=current_versions(),
        )
        write_text(self.folder / CARD_FILE, card.text())
        return card

    def close(self) -> None:
        """Close the files of a dataset that will not be finished."""
        for appender in self._appenders.values():
            appender.abandon()

    def _shaped(
        self,
        obs: ArrayLike,
        action: ArrayLike,
        reward: ArrayLike,
        terminated: ArrayLike,
        truncated: ArrayLike,
        state: ArrayLike | None,
        action_mask: ArrayLike | None,
    ) -> dict[str, NDArray[Any]]:
        """The given arrays as [E, T or T+1, ...] of the types on disk."""
        given = {"obs": obs, "state": state, "action_mask": action_mask, "action": action, "reward": reward}
        given |= {"terminated": terminated, "truncated": truncated}
        self._require_known_arrays(given)
        flags = np.shape(terminated)
        if len(flags) != 2:
            raise DatasetError(f"terminated: shape {list(flags)} where [episodes, steps] is expected")
        if not self._appenders:
            for name, record in layout(self.team, 0, 0, action_mask=action_mask is not None).items():
                if name != "episode_starts":
                    self._appenders[name] = ArrayAppender(self.folder, name, record.dtype, record.shape[1:])
        episodes, steps = flags
        shaped = {}
        for name, appender in self._appenders.items():
            shape = (episodes, steps + (name in ROW_ARRAYS), *appender.row_shape)
            shaped[name] = as_array(name, given[name], appender.dtype, shape)
        if not self.team.homogeneous:
            shaped["obs"] = _with_blank_padding(shaped["obs"], self.team.obs_sizes)
            if not self.team.discrete:
                shaped["action"] = _with_blank_padding(shaped["action"], self.team.action_sizes)
        return shaped

    def _require_known_arrays(self, given: Mapping[str, Any]) -> None:
        stored = self.team.state_kind != "concat_obs"
        if stored != (given["state"] is not None):
            verb = "needs" if stored else "takes no"
            raise DatasetError(f"a team whose state is {self.team.state_kind!r} {verb} array 'state'")
        if self._appenders and ("action_mask" in self._appenders) != (given["action_mask"] is not None):
            raise DatasetError("either all episodes have an action mask or none")

    def _validate(self, flat: Mapping[str, NDArray[Any]], lengths: NDArray[np.int64]) -> None:
        first, rows = self.transitions, self.transitions + self.episodes
        for name, first_row in (("obs", rows), ("state", rows), ("action", first), ("reward", first)):
            if name in flat:
                require_finite(name, flat[name], first_row)
        mask = flat.get("action_mask")
        if mask is not None:
            mask = np.delete(mask, np.cumsum(lengths + 1) - 1, axis=0)  # an episode's final row has no action
        require_actions_allowed(self.team, flat["action"], mask, first)
        require_ends(flat["terminated"], flat["truncated"], lengths, self.episodes)


def _with_blank_padding(array: NDArray[Any], sizes: Sequence[int]) -> NDArray[Any]:
    """[E, L, n, size] with zeros behind each agent's own size: equal episodes then have equal hashes."""
    real = np.arange(array.shape[-1]) < np.asarray(sizes)[:, None]
    blank: NDArray[Any] = np.where(real, array, array.dtype.type(0))
    return blank


def _flatten(array: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[Any]:
    """[E, L, ...] → [sum of lengths, ...]: the first `lengths[e]` rows of each episode, one after another."""
    episodes, longest = array.shape[:2]
    if lengths.min() == longest:
        return array.reshape(episodes * longest, *array.shape[2:])
    real = np.arange(longest) < lengths[:, None]
    selected: NDArray[Any] = array[real]
    return selected
