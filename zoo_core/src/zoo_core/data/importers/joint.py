"""What the files of multi-agent MuJoCo have in common: arrays [..., n, size] of all agents together.

OMIGA's `.hdf5` and ComaDICE's `.npz` hold the same data, observations and states [.., n, o], actions [.., n, a] and one
reward for the team, in two layouts. Here is what does not depend on the layout: whose team it is, where an episode was
cut, and what is done to a group of episodes before it is written.
"""

from __future__ import annotations

import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.importers import ImportOptions, Reading, installed_team
from zoo_core.errors import DatasetError
from zoo_core.team import TeamSpec

ROWS_AT_ONCE = 16_384
"""Rows of all agents that are held in memory together: with 23 numbers for each of six agents, 18 MB an array."""

PUBLISHED_LIMIT = 1000
"""Steps after which the benchmark cuts an episode, where no environment says otherwise."""

NPY_ERRORS = (ValueError, EOFError, OSError, SyntaxError, tokenize.TokenError, TypeError, OverflowError)
"""What numpy raises for a damaged `.npy` header, which it reads as a Python literal."""

_STANDARDISED = 1e-3
"""How near mean 0 and deviation 1 the entries of a standardised vector lie, in float32."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the files say about the team: n agents, o and a numbers for each, s of the state for each."""

    n: int
    obs: int
    action: int
    state: int

    def __str__(self) -> str:
        return f"{self.n} agents with {self.obs} observations and {self.action} actions each"


def team_of(sizes: Sizes, options: ImportOptions, where: str, *, state_is_obs: bool) -> tuple[TeamSpec, str]:
    """Team and convention: the installed environment's if the files fit it, else inferred from them.

    Raises:
        DatasetError: the files are of another team than the environment's.
    """
    if options.agents not in (None, sizes.n):
        raise DatasetError(f"{where}: holds {sizes}; --agents {options.agents} would leave some of a team out")
    team, convention = installed_team(options)
    if team is not None:
        _require_fit(team, sizes, where)
        return team, convention
    bound = options.action_bound or 1.0
    inferred = TeamSpec(
        env=options.env or "unknown",
        agents=tuple(f"agent_{i}" for i in range(sizes.n)),
        obs_sizes=(sizes.obs,) * sizes.n,
        action_sizes=(sizes.action,) * sizes.n,
        state_kind="concat_obs" if state_is_obs else "per_agent",
        state_size=0 if state_is_obs else sizes.state,
        episode_limit=options.episode_length or PUBLISHED_LIMIT,
        action_low=-bound,
        action_high=bound,
    )
    return inferred, "that of the imported file"


def _require_fit(team: TeamSpec, sizes: Sizes, where: str) -> None:
    if team.discrete:
        raise DatasetError(f"{where}: this layout holds continuous actions; {team.env!r} has discrete ones")
    if (team.n, team.obs_size, team.action_size) != (sizes.n, sizes.obs, sizes.action):
        raise DatasetError(
            f"{where}: holds {sizes}; {team.env!r} has {team.n} with {team.obs_size} and {team.action_size}."
            f"{_others(sizes.n, team.env)} --infer-team takes the team from the file"
        )
    if team.state_kind != "concat_obs" and team.state_size != sizes.state:
        raise DatasetError(
            f"{where}: holds a state of {sizes.state} numbers for each agent; {team.env!r} has {team.state_size}. "
            "--infer-team takes the team from the file"
        )


def _others(agents: int, but: str) -> str:
    """` Environments of so many agents: …`, of those installed."""
    from zoo_core.plugins import load_zoo

    names = [o.name for o in load_zoo().envs if o.entry.agents == agents and o.name != but]
    return f" Installed environments of {agents} agents: {', '.join(names)}." if names else ""


@dataclass(slots=True)
class Episodes:
    """M episodes: steps [M], whether done was set at the end [M], and the limit that cut them.

    An episode as long as the limit was cut by it, although such files mark it like a fall; a shorter one that ends with
    done really terminated.
    """

    lengths: NDArray[np.int64]
    done: NDArray[np.bool_]
    limit: int
    limit_from: str
    timeouts_are_terminal: bool

    @property
    def at_limit(self) -> NDArray[np.bool_]:
        return np.asarray(self.lengths == self.limit)

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """[M]; all others were truncated."""
        return np.where(self.at_limit, self.timeouts_are_terminal, self.done)

    def describe(self, reading: Reading) -> None:
        """Write to the card what was found, what was assumed and what changes it."""
        limit, early = int((self.done & self.at_limit).sum()), int((self.done & ~self.at_limit).sum())
        cut = int((~self.done & ~self.at_limit).sum())
        meaning = "terminated (--timeouts-are-terminal)" if self.timeouts_are_terminal else "truncated"
        reading.notes |= {
            "episode_length": f"{self.limit} ({self.limit_from}; --episode-length changes it)",
            "dones_found": f"{limit:,} of {len(self.lengths):,} episodes have a done at the time limit, {early:,} an "
            "earlier one",
            "dones_assumed": f"an episode as long as the limit is {meaning}, a shorter one that ends with a done "
            "terminated" + ("" if self.timeouts_are_terminal else "; --timeouts-are-terminal changes the former"),
        }
        if cut:
            reading.notes["cut"] = f"{cut:,} episodes end before the limit without a done; truncated"
        if limit and not self.timeouts_are_terminal:
            reading.repairs.append(f"{limit:,} time limits stored as terminals relabelled as truncated")


def episodes_of(
    lengths: NDArray[np.int64], done: NDArray[np.bool_], team: TeamSpec, options: ImportOptions, where: str
) -> Episodes:
    """The episodes, once they are seen to fit the time limit.

    Raises:
        DatasetError: none, or one that is longer than the limit.
    """
    if not len(lengths):
        raise DatasetError(f"{where}: holds no episode of at least one step")
    limit = options.episode_length or team.episode_limit or PUBLISHED_LIMIT
    origin = f"the limit of {team.env!r}"
    if options.episode_length:
        origin = "as told"
    elif options.infer_team or not options.env:
        origin = "assumed: the benchmark's"
    if lengths.max() > limit:
        raise DatasetError(
            f"{where}: episode {int(np.argmax(lengths > limit))} has {int(lengths.max()):,} steps where the limit is "
            f"{limit} ({origin}); if the source cut its episodes later, say so with --episode-length"
        )
    return Episodes(lengths, done, limit, origin, options.timeouts_are_terminal)


def pieces(lengths: Sequence[int] | NDArray[np.int64], rows: int) -> Iterator[slice]:
    """Consecutive groups of episodes whose padded arrays have at most `rows` rows, or which are one episode."""
    first, widest = 0, 0
    for i, length in enumerate(int(length) for length in lengths):
        widest = max(widest, length)
        if i > first and (i - first + 1) * (widest + 1) > rows:
            yield slice(first, i)
            first, widest = i, length
    yield slice(first, len(lengths))


def as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Cast; what float32 cannot hold becomes infinite and is refused later, by place."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, dtype=np.float32)


class ActionClip:
    """Clips actions to a team's bounds and remembers what it did."""

    def __init__(self, team: TeamSpec, scale: float) -> None:
        self._team, self._scale = team, scale
        self._outside, self._values, self._excess = 0, 0, 0.0
        self._lowest, self._highest = np.inf, -np.inf

    def __call__(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """`action` times the scale, within the bounds."""
        low, high = self._team.action_low, self._team.action_high
        scaled = action * np.float32(self._scale) if self._scale != 1.0 else action
        if scaled.size:
            lowest, highest = float(scaled.min()), float(scaled.max())
            self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
            self._excess = max(self._excess, highest - high, low - lowest)
            self._outside += int(((scaled > high) | (scaled < low)).sum())
            self._values += scaled.size
        return scaled.clip(low, high)

    def describe(self, reading: Reading) -> None:
        reading.notes["actions"] = f"from {self._lowest:.4g} to {self._highest:.4g}" + (
            f", as stored times {self._scale:g} (--action-scale)" if self._scale != 1.0 else ""
        )
        if self._outside:
            reading.repairs.append(
                f"{self._outside:,} of {self._values:,} action values clipped to [{self._team.action_low:g}, "
                f"{self._team.action_high:g}]; the largest lay {self._excess:.3g} outside"
            )


class JointGroups:
    """Turns padded arrays of E episodes into what `EpisodeWriter.add` takes, and notes what it meets."""

    def __init__(self, team: TeamSpec, options: ImportOptions, reading: Reading) -> None:
        self.team, self.reading = team, reading
        self._inferred = options.infer_team or not options.env
        self._clip = ActionClip(team, options.action_scale)
        self._state_gap: float | None = None  # None: of another size than the observations
        self._off_standard: float | None = None

    def group(
        self,
        obs: NDArray[Any],
        state: NDArray[Any],
        action: NDArray[Any],
        reward: NDArray[Any],
        lengths: NDArray[np.int64],
        terminated: NDArray[np.bool_],
        where: Sequence[str],
    ) -> dict[str, Any]:
        """`obs`, `state` [E, L+1, n, .], `action` [E, L, n, a], `reward` [E, L] or [E, L, n]; `where` names episodes.

        Raises:
            DatasetError: NaN, infinity or a number too large for float32 among the steps that count.
        """
        steps = np.arange(reward.shape[1]) < lengths[:, None]
        rows = np.arange(obs.shape[1]) <= lengths[:, None]
        given = {"obs": (obs, rows), "state": (state, rows), "action": (action, steps), "reward": (reward, steps)}
        kept = {name: _finite(name, as_float32(values), real, where) for name, (values, real) in given.items()}
        self._look_at(kept["obs"][rows], kept["state"][rows])
        if kept["reward"].ndim == 2:
            kept["reward"] = np.repeat(kept["reward"][..., None], self.team.n, axis=-1)
        actions = np.zeros_like(kept["action"])
        actions[steps] = self._clip(kept["action"][steps])
        last = np.arange(steps.shape[1]) == lengths[:, None] - 1
        group: dict[str, Any] = {
            "obs": kept["obs"],
            "action": actions,
            "reward": kept["reward"],
            "terminated": last & terminated[:, None],
            "truncated": last & ~terminated[:, None],
            "lengths": lengths,
        }
        if self.team.state_kind == "per_agent":
            group["state"] = kept["state"]
        elif self.team.state_kind == "stored":
            group["state"] = kept["state"][:, :, 0]
        return group

    def _look_at(self, obs: NDArray[np.float32], state: NDArray[np.float32]) -> None:
        """Compare states [k, n, s] with observations; look once whether vectors are standardised over their entries."""
        if obs.shape == state.shape:
            self._state_gap = max(self._state_gap or 0.0, float(np.abs(obs - state).max()))
        if self._off_standard is None:
            wide = obs.astype(np.float64)
            self._off_standard = float(max(np.abs(wide.mean(-1)).max(), np.abs(wide.std(-1) - 1).max()))

    def describe(self) -> None:
        """Complete the notes and repairs once all groups have been made."""
        if self._inferred:
            self.reading.notes["team"] = (
                f"inferred from the file: {self.team.n} agents; name an installed environment with --env to change it"
            )
        off = self._off_standard or 0.0
        verdict = "each vector is standardised over its own entries" if off < _STANDARDISED else "not standardised"
        self.reading.notes["observations"] = (
            f"{verdict} (mean and deviation off 0 and 1 by up to {off:.2g}, first part)"
        )
        if self.team.state_kind == "concat_obs":
            self.reading.notes["states"] = {
                None: "not kept: of another size than the observations, which are this team's state",
                0.0: "equal to the observations and not kept twice",
            }.get(self._state_gap, f"not kept, although up to {self._state_gap or 0.0:.3g} off the observations")
        self._clip.describe(self.reading)


def _finite(
    name: str, values: NDArray[np.float32], real: NDArray[np.bool_], where: Sequence[str]
) -> NDArray[np.float32]:
    """`values` [E, L, ...]. Raises `DatasetError` if any that counts is NaN or infinite in float32."""
    if not np.isfinite(values).all():
        bad = ~np.isfinite(values.reshape(*real.shape, -1)).all(-1) & real
        if bad.any():
            episode, step = (int(i) for i in np.argwhere(bad)[0])
            raise DatasetError(
                f"{where[episode]}, step {step}: {name!r} holds a number that is NaN, infinite or too large for "
                f"float32 ({int(bad.sum()):,} such steps in this part of the file). Remove these episodes, or mend the "
                "source and read it again"
            )
    return values
