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
from zoo_core.data.importers.detection import folder_hint
from zoo_core.data.importers.episode_ends import Ends, find_ends
from zoo_core.data.importers.joint import NPY_ERRORS, ActionClip, as_float32, pieces
from zoo_core.data.importers.source_hash import SourceHashes
from zoo_core.data.validation import require_finite
from zoo_core.errors import DatasetError
from zoo_core.team import TeamSpec

_KINDS = ("obs", "acs", "rews", "next_obs", "dones")
_ROWS_AT_ONCE = 65_536

Arrays = dict[str, list[NDArray[Any]]]
"""Kind of file → the array of each agent."""


def read(source: str, options: ImportOptions) -> Reading:
    """Start reading the folder `source`.

    Raises:
        DatasetError: files are missing, of unequal lengths or wrong shapes, hold objects, NaN or infinity; another
            number of agents than the environment's; next observations that contradict the following row; or no way to
            tell where episodes end.
    """
    folder = Path(source).expanduser()
    indices = _agent_indices(folder)
    team, convention = installed_team(options)
    n = _learners(folder, indices, team, options)
    kinds = _state_kinds(folder, team)
    files = _files(folder, n, kinds, indices, team)
    arrays = {kind: [_load(path) for path in paths] for kind, paths in files.items()}
    _require_equal_lengths(folder, arrays)
    if team is None:
        team = _inferred_team(arrays, options)
    _require_shapes(folder, arrays, team)
    done, dones_differ = _dones(folder, arrays["dones"])
    ends = find_ends(
        done, options.episode_length or team.episode_limit or None, timeouts_are_terminal=options.timeouts_are_terminal
    )
    reading = Reading(
        team=team,
        groups=iter(()),
        total=len(done),
        source={"kind": "imported", "format": "npy", "folder": folder.name, "env": options.env or team.env},
        convention=convention or "that of the imported files",
        notes={"types": _types(arrays), **ends.notes},
    )
    if dones_differ:
        reading.notes["dones_differ"] = (
            f"the agents' dones differ in {dones_differ:,} rows; an episode ends where all are set"
        )
    if ignored := [i for i in indices if i >= n]:
        reading.notes["ignored_agents"] = f"files of agents {ignored} (scripted or not learning) were not read"
    if "states" in arrays and len(arrays["states"]) == 1:
        reading.notes["state"] = "that of states_0.npy and next_states_0.npy"
    if options.infer_team or not options.env:
        reading.notes["team"] = (
            f"inferred from the files: {n} agents; name an installed environment with --env to change it"
        )
    hashes = SourceHashes([path for paths in files.values() for path in paths])
    reading.groups = _groups(folder, arrays, ends, hashes, options, reading)
    return reading


def _agent_indices(folder: Path) -> list[int]:
    """Numbers of the agents that any file is of. Raises `DatasetError` unless this is a folder of this layout."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        raise DatasetError(f"no folder {folder}") from None
    except NotADirectoryError:
        raise DatasetError(f"{folder} is a file; this format is a folder of obs_0.npy, acs_0.npy, …") from None
    except PermissionError:
        raise DatasetError(f"{folder}: not readable by this user") from None
    found = {int(m[1]) for name in names if (m := re.fullmatch(rf"(?:{'|'.join(_KINDS)})_(\d+)\.npy", name))}
    if not found:
        what = "is empty" if not names else "holds no obs_0.npy, acs_0.npy, …"
        raise DatasetError(f"{folder} {what}{folder_hint(folder)}")
    return sorted(found)


def _learners(folder: Path, indices: list[int], team: TeamSpec | None, options: ImportOptions) -> int:
    """How many agents learn. Raises `DatasetError` where the folder is of another number than the environment has."""
    if team is None:
        return options.agents or len(indices)
    if options.agents not in (None, team.n):
        raise DatasetError(f"{team.env!r} has {team.n} learning agents, not --agents {options.agents}")
    if len(indices) not in (team.n, team.n + len(team.scripted)) and options.agents is None:
        scripted = f" and {len(team.scripted)} scripted" if team.scripted else ""
        raise DatasetError(
            f"{folder} holds files of {len(indices)} agents ({', '.join(map(str, indices))}); {team.env!r} has "
            f"{team.n} learning{scripted}. "
            + (
                f"If the first {team.n} are its own, say --agents {team.n}; "
                if len(indices) > team.n
                else "If files are missing, add them; "
            )
            + "--infer-team takes the team from the files"
        )
    return team.n


def _state_kinds(folder: Path, team: TeamSpec | None) -> dict[str, bool]:
    """The kinds of state files to read, and whether each agent has its own."""
    if team is None:
        wanted, each = (folder / "states_0.npy").exists(), False
    else:
        wanted, each = team.state_kind != "concat_obs", team.state_kind == "per_agent"
    return dict.fromkeys(("states", "next_states"), each) if wanted else {}


def _files(
    folder: Path, n: int, state_kinds: dict[str, bool], indices: list[int], team: TeamSpec | None
) -> dict[str, list[Path]]:
    """The files to read, all there. Raises `DatasetError` naming every one that is not."""
    files = {kind: [folder / f"{kind}_{i}.npy" for i in range(n)] for kind in _KINDS}
    files |= {kind: [folder / f"{kind}_{i}.npy" for i in range(n if each else 1)] for kind, each in state_kinds.items()}
    missing = [path.name for paths in files.values() for path in paths if not path.exists()]
    if missing:
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        verb = "is" if len(missing) == 1 else "are"
        whose = f"{team.env!r} has {n} learning agents" if team else f"{n} agents are assumed (--agents changes it)"
        raise DatasetError(
            f"{folder}: {shown} {verb} missing; {whose}, and the folder holds files of agents "
            f"{', '.join(map(str, indices))}"
        )
    return files


def _types(arrays: Arrays) -> str:
    """Which types the files hold, for the card."""
    kinds: dict[str, list[str]] = {}
    for kind, files in arrays.items():
        kinds.setdefault("/".join(sorted({str(array.dtype) for array in files})), []).append(kind)
    return "; ".join(f"{', '.join(names)} {dtype}" for dtype, names in kinds.items()) + "; kept as float32"


def _load(path: Path) -> NDArray[Any]:
    """A memory-mapped array of numbers; nothing is ever unpickled."""
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except PermissionError:
        raise DatasetError(f"{path}: not readable by this user") from None
    except NPY_ERRORS as error:
        raise DatasetError(f"{path}: not a plain array of numbers; nothing in it was unpickled ({error})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub" or array.ndim == 0:
        raise DatasetError(f"{path}: not an array of real numbers")
    if array.ndim == 2 and array.shape[1] == 1 and path.name.startswith(("rews", "dones")):
        array = array[:, 0]
    return array


def _require_equal_lengths(folder: Path, arrays: Arrays) -> None:
    lengths = {f"{kind}_{i}.npy": len(a) for kind, files in arrays.items() for i, a in enumerate(files)}
    expected = lengths["obs_0.npy"]
    if expected == 0:
        raise DatasetError(f"{folder}: obs_0.npy is empty")
    if odd := [f"{name} has {length}" for name, length in lengths.items() if length != expected]:
        raise DatasetError(
            f"{folder}: unequal lengths: obs_0.npy has {expected} rows, {', '.join(odd)}; was every file downloaded to "
            "its end?"
        )


def _inferred_team(arrays: Arrays, options: ImportOptions) -> TeamSpec:
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


def _require_shapes(folder: Path, arrays: Arrays, team: TeamSpec) -> None:
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
                    f"{folder}: {kind}_{i}.npy has shape {list(array.shape)} where {team.env!r} has {list(expected)}; "
                    "another --env may fit, or --infer-team, which takes the sizes from the files"
                )


def _dones(folder: Path, files: list[NDArray[Any]]) -> tuple[NDArray[np.bool_], int]:
    """[N] bool, true where all agents are done; and the number of rows in which agents differ."""
    together = np.stack([np.asarray(array) for array in files])
    if not np.isin(together, (0, 1)).all():
        agent, row = np.argwhere(~np.isin(together, (0, 1)))[0]
        raise DatasetError(f"{folder}: dones_{agent}.npy, row {row}: {together[agent, row]} is neither 0 nor 1")
    done = together.astype(bool)
    return np.asarray(done.all(axis=0)), int((done != done[0]).any(axis=0).sum())


def _groups(
    folder: Path, arrays: Arrays, ends: Ends, hashes: SourceHashes, options: ImportOptions, reading: Reading
) -> Iterator[dict[str, Any]]:
    """Episodes in groups; the notes, repairs and source of `reading` are completed at the end."""
    team = reading.team
    clip, largest, begin = ActionClip(team, options.action_scale), -1.0, 0
    for episodes in pieces(ends.lengths, _ROWS_AT_ONCE):
        lengths = ends.lengths[episodes]
        rows = slice(begin, begin + int(lengths.sum()))
        part = {kind: [_finite(kind, i, a, rows) for i, a in enumerate(files)] for kind, files in arrays.items()}
        largest = max(largest, _largest_gap(folder, part, lengths, begin, options.tolerance))
        part["acs"] = [clip(action) for action in part["acs"]]
        yield _group(part, team, lengths, ends.terminated[episodes])
        begin = rows.stop
        hashes.advance(begin / reading.total)
    reading.notes["next_observations"] = (
        f"largest difference from the following row: {largest:.3g} (--tolerance allows {options.tolerance:g})"
        if largest >= 0
        else "not compared: every episode is a single row"
    )
    clip.describe(reading)
    reading.source["sha256"] = hashes.finish()


def _finite(kind: str, agent: int, array: NDArray[Any], rows: slice) -> NDArray[np.float32]:
    values = np.array(as_float32(array[rows]))  # a copy: the file stays mapped and unchanged
    require_finite(f"{kind}_{agent}.npy", values, rows.start)
    return values


def _largest_gap(folder: Path, part: Arrays, lengths: NDArray[np.int64], begin: int, tolerance: float) -> float:
    """Largest |next row as stored − following row| inside episodes, of observations and states; −1 without any.

    Raises:
        DatasetError: it is above `tolerance`.
    """
    inside = np.ones(int(lengths.sum()), dtype=bool)
    inside[np.cumsum(lengths) - 1] = False
    steps = np.flatnonzero(inside)
    if not len(steps):
        return -1.0
    largest = 0.0
    for kind in [kind for kind in ("obs", "states") if kind in part]:
        for agent, (now, following) in enumerate(zip(part[kind], part[f"next_{kind}"], strict=True)):
            gap = np.abs(following[steps] - now[steps + 1]).max(axis=1, initial=0.0)
            if gap.max() > tolerance:
                row = begin + int(steps[np.argmax(gap > tolerance)])
                raise DatasetError(
                    f"{folder}: next_{kind}_{agent}.npy, row {row}, differs from row {row + 1} of {kind}_{agent}.npy "
                    f"by up to {gap.max():.3g}, in {int((gap > tolerance).sum()):,} rows of this part: an episode "
                    "seems to end there. If episodes have another length, say so with --episode-length; if the "
                    "difference is harmless, raise --tolerance"
                )
            largest = max(largest, float(gap.max()))
    return largest


def _group(part: Arrays, team: TeamSpec, lengths: NDArray[np.int64], terminated: NDArray[np.bool_]) -> dict[str, Any]:
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

    terminal = terminated[:, None]
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
