"""Local Minari datasets: one agent (a team of one), a `Dict` of agents, or what our own exporter wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.build import Progress
from zoo_core.data.card import CARD_FILE, Card
from zoo_core.data.dataset import Dataset
from zoo_core.data.folders import locked, slug
from zoo_core.data.importers import ImportOptions, Reading, installed_team, write_reading
from zoo_core.data.marks import set_verified, verified_as
from zoo_core.data.minari_spaces import (
    CARD_KEY,
    flat_observation,
    flat_size,
    join_agents,
    minari_root,
    require_id,
    require_minari,
)
from zoo_core.entries import CONTINUOUS, DISCRETE
from zoo_core.errors import DatasetError, ZooError
from zoo_core.paths import data_home
from zoo_core.team import TeamSpec

_EPISODES_AT_ONCE = 512


def converted(
    dataset_id: str, *, progress: Progress | None = None, waiting: Callable[[str], None] | None = None
) -> Dataset:
    """The Minari dataset as one of ours, converted on first use and kept by the content of its files."""
    folder = data_home() / "minari" / slug(dataset_id) / content_hash(_data_folder(dataset_id))[:16]
    if not (folder / CARD_FILE).exists():
        with locked(folder, waiting):
            if not (folder / CARD_FILE).exists():  # nor has the process this one waited for converted it
                write_reading(read(dataset_id, ImportOptions()), folder, f"minari:{dataset_id}", progress=progress)
    return Dataset.open(folder)


def content_hash(data: Path) -> str:
    """SHA-256 over the files of a Minari dataset; remembered while their sizes and times stay."""
    files = sorted(path for path in data.rglob("*") if path.is_file())
    known = verified_as(data, files)
    if known:
        return known
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(f"{path.relative_to(data)}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    set_verified(data, whole.hexdigest(), files)
    return whole.hexdigest()


def read(source: str, options: ImportOptions) -> Reading:
    """Start reading the local Minari dataset `source`, with or without the prefix `minari:`.

    Raises:
        DatasetError: Minari is not installed, there is no such dataset, or its spaces are not supported.
    """
    if options.action_scale != 1.0:
        raise DatasetError("--action-scale is for files that state no bounds; a Minari dataset's spaces state them")
    dataset_id = source.removeprefix("minari:")
    data = _data_folder(dataset_id)
    minari_dataset = _open(dataset_id, data)
    metadata = json.loads((data / "metadata.json").read_text(encoding="utf-8"))
    card = _card_in(metadata, dataset_id)
    team, convention = installed_team(options)
    if team is None and card is not None:
        team, convention = card.team, card.convention
    spaces = minari_dataset.observation_space, minari_dataset.action_space
    if team is None:
        team = _inferred_team(minari_dataset, metadata, dataset_id, options)
        convention = f"that of the Minari dataset {dataset_id}"
    _require_team(team, *spaces, dataset_id)
    reading = Reading(
        team=team,
        groups=iter(()),
        total=int(minari_dataset.total_steps),
        source={"kind": "imported", "format": "minari", "id": dataset_id, "content": content_hash(data)},
        convention=convention,
    )
    if card is not None:
        reading.notes |= {**card.notes, "exported_from": {"name": card.name, "hash": card.hash, **card.source}}
        reading.repairs += card.repairs
    reading.groups = _groups(minari_dataset, team, spaces, reading)
    return reading


def _data_folder(dataset_id: str) -> Path:
    require_id(dataset_id)
    data = minari_root() / dataset_id / "data"
    if not (data / "metadata.json").exists():
        raise DatasetError(
            f"no local Minari dataset {dataset_id!r} under {minari_root()}; `minari list local` shows what is there, "
            f"`minari download {dataset_id}` fetches it"
        )
    return data


def _open(dataset_id: str, data: Path) -> Any:
    require_minari()
    from minari import MinariDataset

    with _named(dataset_id):
        metadata = json.loads((data / "metadata.json").read_text(encoding="utf-8"))
        if not {"observation_space", "action_space"} <= metadata.keys():
            raise DatasetError(
                f"minari:{dataset_id} does not state its spaces; to find them, its environment would have to be run"
            )
        return MinariDataset(data)


@contextmanager
def _named(dataset_id: str) -> Iterator[None]:
    """Minari and h5py raise errors of many kinds for a damaged folder; all become one that names the dataset."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        raise DatasetError(
            f"minari:{dataset_id} is damaged or of an unknown kind: {type(error).__name__}: {error}"
        ) from error


def _card_in(metadata: dict[str, Any], dataset_id: str) -> Card | None:
    if CARD_KEY not in metadata:
        return None
    try:
        return Card.from_json(json.loads(metadata[CARD_KEY]), f"minari:{dataset_id}")
    except (TypeError, json.JSONDecodeError) as error:
        raise DatasetError(f"minari:{dataset_id}: its {CARD_KEY} cannot be read ({error})") from error


def _inferred_team(dataset: Any, metadata: dict[str, Any], dataset_id: str, options: ImportOptions) -> TeamSpec:
    from gymnasium.spaces import Box, Dict

    where = f"minari:{dataset_id}"
    observation_space, action_space = dataset.observation_space, dataset.action_space
    if isinstance(action_space, Dict):
        if not isinstance(observation_space, Dict) or set(observation_space.spaces) != set(action_space.spaces):
            raise DatasetError(f"{where}: a Dict of actions needs a Dict of observations with the same agents")
        agents = tuple(observation_space.spaces)
        pairs = [(observation_space[agent], action_space[agent]) for agent in agents]
    else:
        agents, pairs = ("agent_0",), [(observation_space, action_space)]
    actions = [action for _, action in pairs]
    discrete = not all(isinstance(action, Box) for action in actions)
    low, high = (-1.0, 1.0) if discrete else _bounds(actions, where, options)
    limit = options.episode_length or _episode_limit(metadata)
    team = TeamSpec(
        env=options.env or slug(dataset_id.rsplit("-v", 1)[0]).replace("/", "-"),
        agents=agents,
        obs_sizes=tuple(flat_size(obs, where) for obs, _ in pairs),
        action_sizes=tuple(_action_size(action, where) for action in actions),
        action_kind=DISCRETE if discrete else CONTINUOUS,
        episode_limit=limit,
        reward="shared" if len(agents) == 1 else "per_agent",
        action_low=low,
        action_high=high,
    )
    with _named(dataset_id):
        infos = next(iter(dataset.iterate_episodes([0]))).infos or {}
    state = np.asarray(infos["state"]) if "state" in infos else np.zeros(0)
    if state.ndim not in (2, 3) or len(agents) == 1:
        return team
    return replace(team, state_kind="stored" if state.ndim == 2 else "per_agent", state_size=int(state.shape[-1]))


def _action_size(space: Any, where: str) -> int:
    from gymnasium.spaces import Box, Discrete

    if isinstance(space, Discrete):
        return int(space.n)
    if isinstance(space, Box):
        return int(np.prod(space.shape))
    raise DatasetError(f"{where}: actions in a {type(space).__name__} space are not supported (Box, Discrete)")


def _bounds(actions: list[Any], where: str, options: ImportOptions) -> tuple[float, float]:
    """One pair of bounds for the team: the widest of the spaces'."""
    if options.action_bound:
        return -options.action_bound, options.action_bound
    low = min(float(space.low.min()) for space in actions)
    high = max(float(space.high.max()) for space in actions)
    if not np.isfinite([low, high]).all():
        raise DatasetError(f"{where}: its actions are unbounded; state a bound with --action-bound")
    return low, high


def _episode_limit(metadata: dict[str, Any]) -> int:
    """`max_episode_steps` of the environment named in the metadata; 0 if it names none."""
    try:
        return int(json.loads(metadata["env_spec"]).get("max_episode_steps") or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        return 0


def _require_team(team: TeamSpec, observation_space: Any, action_space: Any, dataset_id: str) -> None:
    """Raise `DatasetError` unless the spaces are those of `team`."""
    where = f"minari:{dataset_id}"
    by_agent = team.n > 1 or hasattr(action_space, "spaces")
    for i, agent in enumerate(team.agents):
        try:
            parts = (observation_space[agent], action_space[agent]) if by_agent else (observation_space, action_space)
        except (KeyError, TypeError):
            raise DatasetError(f"{where}: agent {agent!r} of {team.env!r} is not in its spaces") from None
        found = flat_size(parts[0], where), _action_size(parts[1], where)
        if found != (team.obs_sizes[i], team.action_sizes[i]):
            raise DatasetError(
                f"{where}: agent {agent!r} has observation and action sizes {found}, the team of {team.env!r} has "
                f"{(team.obs_sizes[i], team.action_sizes[i])}"
            )


def _groups(dataset: Any, team: TeamSpec, spaces: tuple[Any, Any], reading: Reading) -> Iterator[dict[str, Any]]:
    """Episodes in groups padded to their longest; the repairs of `reading` are completed at the end."""
    unflagged = 0
    for first in range(0, dataset.total_episodes, _EPISODES_AT_ONCE):
        wanted = range(first, min(first + _EPISODES_AT_ONCE, dataset.total_episodes))
        with _named(dataset.id):
            group = [_episode(episode, team, spaces) for episode in dataset.iterate_episodes(wanted)]
        for arrays in group:
            if not (arrays["terminated"][-1] or arrays["truncated"][-1]):
                arrays["truncated"][-1] = True
                unflagged += 1
        yield _padded(group)
    if unflagged:
        reading.repairs.append(f"{unflagged:,} episodes ended neither terminated nor truncated; marked truncated")


def _episode(episode: Any, team: TeamSpec, spaces: tuple[Any, Any]) -> dict[str, NDArray[Any]]:
    """One episode's arrays in our layout, of its own length."""
    observation_space, action_space = spaces
    steps, infos = len(episode.rewards), episode.infos or {}
    if isinstance(episode.actions, dict):
        obs = {agent: flat_observation(observation_space[agent], episode.observations[agent]) for agent in team.agents}
        joint_obs = join_agents(team, obs, team.obs_size)
        start = [getattr(action_space[agent], "start", 0) for agent in team.agents] if team.discrete else 0
        action = (
            join_agents(team, episode.actions, team.action_size) - np.asarray(start, dtype=np.int64) * team.discrete
        )
    else:
        joint_obs = flat_observation(observation_space, episode.observations)[:, None]
        flat = np.asarray(episode.actions).reshape(steps, -1)
        action = flat - int(getattr(action_space, "start", 0)) if team.discrete else flat[:, None]
    rewards = np.asarray(episode.rewards, dtype=np.float64)
    arrays = {
        "obs": joint_obs,
        "action": action,
        "reward": np.repeat(rewards[:, None], team.n, axis=1),
        "terminated": np.array(episode.terminations, dtype=bool),
        "truncated": np.array(episode.truncations, dtype=bool),
    }
    if "agent_rewards" in infos:
        arrays["reward"] = np.asarray(infos["agent_rewards"])[-steps:]
    if team.state_kind != "concat_obs":
        if "state" not in infos:
            raise DatasetError(f"episode {episode.id}: its infos hold no 'state', which the team of {team.env!r} has")
        arrays["state"] = np.asarray(infos["state"])
    if team.discrete and "action_mask" in infos:
        arrays["action_mask"] = np.asarray(infos["action_mask"])
    return arrays


def _padded(group: list[dict[str, NDArray[Any]]]) -> dict[str, Any]:
    """Episodes of unequal lengths as one group, padded with zeros to the longest."""
    lengths = np.array([len(arrays["terminated"]) for arrays in group])
    stacked: dict[str, Any] = {"lengths": lengths}
    for name, model in group[0].items():
        rows = lengths.max() + (name in ("obs", "state", "action_mask"))
        array = np.zeros((len(group), rows, *model.shape[1:]), dtype=model.dtype)
        for target, arrays in zip(array, group, strict=True):
            part = arrays.get(name)
            if part is None or part.shape[1:] != model.shape[1:]:
                raise DatasetError(f"the episodes of one dataset differ in the shape of {name!r}")
            target[: len(part)] = part
        stacked[name] = array
    return stacked
