"""The `.npy` folders of the offline multi-agent RL benchmark (OMAR, Pan et al. 2022; also used by CFCQL).

A folder holds `obs_i.npy` [N, o_i], `acs_i.npy` [N, a_i], `rews_i.npy` [N], `next_obs_i.npy`, `dones_i.npy` [N] for
each agent i, and for the MuJoCo task `states_i.npy`, `next_states_i.npy` [N, s]. Rows are steps; episodes lie one after
another without an index. Where they end must be told from the episode length and, where they are set, the dones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.importers import ImportOptions, Reading, installed_team
from zoo_core.data.importers.episode_ends import Ends, find_ends
from zoo_core.data.validation import require_finite
from zoo_core.errors import DatasetError
from zoo_core.team import TeamSpec

_KINDS = ("obs", "acs", "rews", "next_obs", "dones")
_EPISODES_AT_ONCE = 1024


def read(source: str, options: ImportOptions) -> Reading:
    """Start reading the folder `source`.

    Raises:
        DatasetError: files are missing, of unequal lengths or wrong shapes, hold objects, NaN or infinity; next
            observations that contradict the following row; or no way to tell where episodes end.
    """
    folder = Path(source).expanduser()
    indices = _agent_indices(folder)
    team, convention = installed_team(options)
    n = team.n if team else options.agents or len(indices)
    arrays = {kind: [_load(folder / f"{kind}_{i}.npy") for i in range(n)] for kind in _KINDS}
    arrays |= _load_states(folder, n, team)
    _require_equal_lengths(folder, arrays)
    if team is None:
        team = _inferred_team(arrays, options)
    _require_shapes(folder, arrays, team)
    dones = _dones(folder, arrays["dones"])
    ends = find_ends(
        dones, options.episode_length or team.episode_limit or None, timeouts_are_terminal=options.timeouts_are_terminal
    )
    reading = Reading(
        team=team,
        groups=iter(()),
        total=len(dones),
        source={"kind": "imported", "format": "npy", "folder": folder.name, "env": options.env or team.env},
        convention=convention or "that of the imported files",
        notes=dict(ends.notes),
    )
    if ignored := [i for i in indices if i >= n]:
        reading.notes["ignored_agents"] = f"files of agents {ignored} (scripted or not learning) were not read"
    if options.infer_team or not options.env:
        reading.notes["team"] = (
            f"inferred from the files: {n} agents; name an installed environment with --env to change it"
        )
    reading.groups = _groups(folder, arrays, team, ends, options, reading)
    return reading


def _agent_indices(folder: Path) -> list[int]:
    if not folder.is_dir():
        raise DatasetError(f"no folder {folder}")
    found = sorted(int(m[1]) for f in folder.iterdir() if (m := re.fullmatch(r"obs_(\d+)\.npy", f.name)))
    if not found:
        inside = sorted(p.parent.relative_to(folder).as_posix() for p in folder.rglob("obs_0.npy"))[:5]
        hint = f"; did you mean one of its folders {', '.join(inside)}?" if inside else ""
        raise DatasetError(f"{folder} holds no obs_0.npy, obs_1.npy, …{hint}")
    return found


def _load(path: Path) -> NDArray[Any]:
    """A memory-mapped array of numbers; nothing is ever unpickled."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DatasetError(f"{path.parent}: the file {path.name} is missing") from None
    except (ValueError, EOFError, OSError) as error:
        raise DatasetError(f"{path}: not a plain array of numbers; nothing in it was unpickled ({error})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise DatasetError(f"{path}: not an array of real numbers")
    if array.ndim == 2 and array.shape[1] == 1 and path.name.startswith(("rews", "dones")):
        array = array[:, 0]
    return array


def _load_states(folder: Path, n: int, team: TeamSpec | None) -> dict[str, list[NDArray[Any]]]:
    present = (folder / "states_0.npy").exists()
    if team is not None and team.state_kind == "concat_obs":
        return {}
    if team is None and not present:
        return {}
    count = n if team is not None and team.state_kind == "per_agent" else 1
    return {kind: [_load(folder / f"{kind}_{i}.npy") for i in range(count)] for kind in ("states", "next_states")}


def _require_equal_lengths(folder: Path, arrays: dict[str, list[NDArray[Any]]]) -> None:
    lengths = {f"{kind}_{i}.npy": len(a) for kind, files in arrays.items() for i, a in enumerate(files)}
    expected = lengths["obs_0.npy"]
    if expected == 0:
        raise DatasetError(f"{folder}: obs_0.npy is empty")
    if odd := [f"{name} has {length}" for name, length in lengths.items() if length != expected]:
        raise DatasetError(f"{folder}: unequal lengths: obs_0.npy has {expected} rows, {', '.join(odd)}")


def _inferred_team(arrays: dict[str, list[NDArray[Any]]], options: ImportOptions) -> TeamSpec:
    for kind in ("obs", "acs"):
        for i, array in enumerate(arrays[kind]):
            if array.ndim != 2:
                raise DatasetError(f"{kind}_{i}.npy: shape {list(array.shape)} where [rows, size] is expected")
    state = arrays.get("states")
    return TeamSpec(
        env=options.env or "unknown",
        agents=tuple(f"agent_{i}" for i in range(len(arrays["obs"]))),
        obs_sizes=tuple(a.shape[1] for a in arrays["obs"]),
        action_sizes=tuple(a.shape[1] for a in arrays["acs"]),
        state_kind="stored" if state else "concat_obs",
        state_size=state[0].shape[-1] if state else 0,
        episode_limit=options.episode_length or 0,
        reward="per_agent",
        action_low=-(options.action_bound or 1.0),
        action_high=options.action_bound or 1.0,
    )


def _require_shapes(folder: Path, arrays: dict[str, list[NDArray[Any]]], team: TeamSpec) -> None:
    if team.discrete:
        raise DatasetError(f"{folder}: this layout holds continuous actions; {team.env!r} has discrete ones")
    rows = len(arrays["obs"][0])
    sizes = {"obs": team.obs_sizes, "next_obs": team.obs_sizes, "acs": team.action_sizes}
    sizes |= {"states": (team.state_size,) * team.n, "next_states": (team.state_size,) * team.n}
    for kind, files in arrays.items():
        for i, array in enumerate(files):
            expected = (rows, sizes[kind][i]) if kind in sizes else (rows,)
            if array.shape != expected:
                raise DatasetError(
                    f"{folder}: {kind}_{i}.npy has shape {list(array.shape)} where {team.env!r} has {list(expected)}"
                )


def _dones(folder: Path, files: list[NDArray[Any]]) -> NDArray[np.bool_]:
    """[N] bool: all agents are done."""
    together = np.stack([np.asarray(array) for array in files])
    if not np.isin(together, (0, 1)).all():
        agent, row = np.argwhere(~np.isin(together, (0, 1)))[0]
        raise DatasetError(f"{folder}: dones_{agent}.npy, row {row}: {together[agent, row]} is neither 0 nor 1")
    return np.asarray(together.astype(bool).all(axis=0))


def _groups(
    folder: Path,
    arrays: dict[str, list[NDArray[Any]]],
    team: TeamSpec,
    ends: Ends,
    options: ImportOptions,
    reading: Reading,
) -> Iterator[dict[str, Any]]:
    """Episodes in groups; the notes and repairs of `reading` are completed at the end."""
    largest, clipped, excess = 0.0, 0, 0.0
    for first in range(0, len(ends.lengths), _EPISODES_AT_ONCE):
        lengths = ends.lengths[first : first + _EPISODES_AT_ONCE]
        begin = int(ends.lengths[:first].sum())
        rows = slice(begin, begin + int(lengths.sum()))
        part = {kind: [_finite(kind, i, a, rows) for i, a in enumerate(files)] for kind, files in arrays.items()}
        largest = max(largest, _largest_gap(folder, part, lengths, begin, options.tolerance))
        for i, action in enumerate(part["acs"]):
            outside = np.maximum(action - team.action_high, team.action_low - action)
            clipped += int((outside > 0).sum())
            excess = max(excess, float(outside.max()))
            part["acs"][i] = action.clip(team.action_low, team.action_high)
        yield _group(part, team, lengths, ends, first)
    reading.notes["next_observations"] = f"largest difference from the following row: {largest:.3g}"
    if clipped:
        reading.repairs.append(
            f"{clipped:,} action values clipped to [{team.action_low}, {team.action_high}]; "
            f"the largest lay {excess:.3g} outside"
        )


def _finite(kind: str, agent: int, array: NDArray[Any], rows: slice) -> NDArray[np.float32]:
    values = np.array(array[rows], dtype=np.float32)
    require_finite(f"{kind}_{agent}.npy", values, rows.start)
    return values


def _largest_gap(
    folder: Path, part: dict[str, list[NDArray[Any]]], lengths: NDArray[np.int64], begin: int, tolerance: float
) -> float:
    """Largest |next observation − following row| inside episodes. Raises `DatasetError` above `tolerance`."""
    inside = np.ones(int(lengths.sum()), dtype=bool)
    inside[np.cumsum(lengths) - 1] = False
    steps = np.flatnonzero(inside)
    largest = 0.0
    for agent, (obs, following) in enumerate(zip(part["obs"], part["next_obs"], strict=True)):
        gap = np.abs(following[steps] - obs[steps + 1]).max(axis=1, initial=0.0)
        if len(gap) and gap.max() > tolerance:
            row = begin + int(steps[np.argmax(gap > tolerance)])
            raise DatasetError(
                f"{folder}: next_obs_{agent}.npy, row {row}, differs from row {row + 1} of obs_{agent}.npy by up to "
                f"{gap.max():.3g}: an episode seems to end there. If episodes have another length, say so with "
                "--episode-length; if the difference is harmless, raise --tolerance"
            )
        largest = max(largest, float(gap.max(initial=0.0)))
    return largest


def _group(
    part: dict[str, list[NDArray[Any]]], team: TeamSpec, lengths: NDArray[np.int64], ends: Ends, first: int
) -> dict[str, Any]:
    """One group of episodes as `EpisodeWriter.add` takes it."""
    count, longest = len(lengths), int(lengths.max())
    real = np.arange(longest) < lengths[:, None]
    last = np.arange(longest) == lengths[:, None] - 1
    final_row = np.cumsum(lengths) - 1

    def steps(flat: NDArray[Any]) -> NDArray[Any]:
        padded = np.zeros((count, longest, *flat.shape[1:]), dtype=flat.dtype)
        padded[real] = flat
        return padded

    def rows(flat: NDArray[Any], following: NDArray[Any]) -> NDArray[Any]:
        padded = np.zeros((count, longest + 1, *flat.shape[1:]), dtype=flat.dtype)
        padded[:, :-1][real] = flat
        padded[np.arange(count), lengths] = following[final_row]
        return padded

    terminal = ends.terminated[first : first + count, None]
    group = {
        "obs": _stacked([rows(o, x) for o, x in zip(part["obs"], part["next_obs"], strict=True)], team.obs_size),
        "action": _stacked([steps(a) for a in part["acs"]], team.action_size),
        "reward": np.stack([steps(r) for r in part["rews"]], axis=-1),
        "terminated": last & terminal,
        "truncated": last & ~terminal,
        "lengths": lengths,
    }
    if "states" in part:
        states = [rows(s, x) for s, x in zip(part["states"], part["next_states"], strict=True)]
        group["state"] = np.stack(states, axis=2) if team.state_kind == "per_agent" else states[0]
    return group


def _stacked(agents: list[NDArray[Any]], size: int) -> NDArray[Any]:
    """n arrays [E, L, o_i] → [E, L, n, size], padded with zeros."""
    padded = [np.pad(a, ((0, 0), (0, 0), (0, size - a.shape[-1]))) for a in agents]
    return np.stack(padded, axis=2)
