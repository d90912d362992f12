"""Minari: what we export it reads, what it holds we read, and a round trip keeps every bit."""

from __future__ import annotations

import builtins
import json

import numpy as np
import pytest
from toy_team import team, write_numbered

from zoo_core import DatasetError, ReferenceScores
from zoo_core.data import Dataset, ImportOptions, export_minari, resolve_dataset
from zoo_core.data.importers import read_source, write_reading

minari = pytest.importorskip("minari")
gymnasium = pytest.importorskip("gymnasium")
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete  # noqa: E402
from minari.data_collector import EpisodeBuffer  # noqa: E402
from minari.dataset.minari_storage import MinariStorage  # noqa: E402

LENGTHS, TERMINATED = [4, 1, 3], [True, False, False]

TEAMS = {
    "concat_obs": team(reference=ReferenceScores(-1.0, 9.0, "a test")),
    "stored": team(state_kind="stored", state_size=4),
    "per_agent": team(state_kind="per_agent", state_size=2),
    "padded": team(obs_sizes=(2, 4), action_sizes=(1, 3), action_high=2.0),
    "discrete": team(action_kind="discrete", action_sizes=(3, 5)),
    "one": team(agents=("solo",), obs_sizes=(3,), action_sizes=(2,)),
    "unsorted": team(agents=("z", "a")),
}


@pytest.fixture(autouse=True)
def private_minari(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def exported(tmp_path, kind="concat_obs", **options):
    write_numbered(tmp_path / "set", LENGTHS, terminated=TERMINATED, spec=TEAMS[kind])
    dataset = Dataset.open(tmp_path / "set")
    export_minari(dataset, "toy/numbered-v0", **options)
    return dataset


def load(source, folder, options=None):
    write_reading(read_source("minari", source, options or ImportOptions()), folder, "back")
    return Dataset.open(folder)


@pytest.mark.parametrize("kind", TEAMS)
def test_a_round_trip_keeps_every_bit_and_the_team(tmp_path, kind):
    dataset = exported(tmp_path, kind)
    back = load("toy/numbered-v0", tmp_path / "back")
    assert back.hash == dataset.hash
    assert back.team == dataset.team
    assert back.card.notes["exported_from"]["hash"] == dataset.hash


def test_minari_itself_reads_what_was_exported(tmp_path):
    dataset = exported(tmp_path, "stored")
    found = minari.load_dataset("toy/numbered-v0")
    assert (found.total_episodes, found.total_steps) == (len(LENGTHS), sum(LENGTHS))
    assert list(minari.list_local_datasets()) == ["toy/numbered-v0"]
    start = 0
    for e, episode in enumerate(found.iterate_episodes()):
        rows, steps = slice(start + e, start + e + LENGTHS[e] + 1), slice(start, start + LENGTHS[e])
        for i, agent in enumerate(dataset.team.agents):
            np.testing.assert_array_equal(episode.observations[agent], dataset.obs[rows, i])
            np.testing.assert_array_equal(episode.actions[agent], dataset.action[steps, i])
        np.testing.assert_allclose(episode.rewards, dataset.reward[steps].double().mean(1), rtol=1e-6)
        np.testing.assert_array_equal(episode.terminations, dataset.terminated[steps])
        np.testing.assert_array_equal(episode.truncations, dataset.truncated[steps])
        np.testing.assert_array_equal(episode.infos["state"], dataset.state[rows])
        np.testing.assert_array_equal(episode.infos["agent_rewards"][1:], dataset.reward[steps])
        start += LENGTHS[e]


def test_reference_scores_and_the_card_travel_in_the_metadata(tmp_path):
    dataset = exported(tmp_path)
    metadata = minari.load_dataset("toy/numbered-v0").storage.metadata
    assert (metadata["ref_min_score"], metadata["ref_max_score"]) == (-1.0, 9.0)
    assert json.loads(metadata["zoo_card"]) == json.loads(dataset.card.text())


def test_a_part_can_be_exported_with_progress(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo_core.data.exporters.minari._EPISODES_AT_ONCE", 1)
    seen = []
    exported(tmp_path, episodes=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    assert minari.load_dataset("toy/numbered-v0").total_episodes == 2


def test_an_existing_minari_dataset_is_replaced_only_on_request(tmp_path):
    dataset = exported(tmp_path)
    with pytest.raises(DatasetError, match="nothing was overwritten"):
        export_minari(dataset, "toy/numbered-v0")
    export_minari(dataset, "toy/numbered-v0", episodes=1, replace=True)
    assert minari.load_dataset("toy/numbered-v0").total_episodes == 1


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(MinariStorage, "update_metadata", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        exported(tmp_path)
    assert [p for p in (tmp_path / "minari").rglob("*") if p.is_file()] == []
    assert list(minari.list_local_datasets()) == []


@pytest.mark.parametrize("name", ["no version", "../up-v0", "a b-v0", ""])
def test_malformed_ids_are_refused(tmp_path, name):
    write_numbered(tmp_path / "set", LENGTHS)
    with pytest.raises(DatasetError, match="no Minari id"):
        export_minari(Dataset.open(tmp_path / "set"), name)
    with pytest.raises(DatasetError, match="no Minari id"):
        read_source("minari", name, ImportOptions())


def test_a_missing_dataset_says_how_to_fetch_it():
    with pytest.raises(DatasetError, match="minari download D4RL/door/human-v2"):
        resolve_dataset("minari:D4RL/door/human-v2")


def test_minari_ids_are_converted_once_and_again_only_when_their_content_changed(tmp_path, monkeypatch):
    dataset = exported(tmp_path)
    first = resolve_dataset("minari:toy/numbered-v0")
    assert first.hash == dataset.hash
    with monkeypatch.context() as patch:
        patch.setattr("zoo_core.data.importers.minari.read", lambda *_: pytest.fail("converted twice"))
        assert resolve_dataset("minari:toy/numbered-v0").folder == first.folder
    export_minari(dataset, "toy/numbered-v0", episodes=1, replace=True)
    assert resolve_dataset("minari:toy/numbered-v0").num_episodes == 1


def write_minari(observation_space, action_space, episodes, **metadata):
    """A Minari dataset as someone else would write it."""
    folder = minari.storage.datasets_root_dir.get_dataset_path("other/set-v1")
    folder.mkdir(parents=True)
    storage = MinariStorage.new(folder / "data", observation_space, action_space)
    storage.update_episodes(episodes)
    storage.update_metadata({"dataset_id": "other/set-v1", "minari_version": minari.__version__, **metadata})


def episode(observations, actions, length=3, *, ended=True, infos=None):
    last = np.arange(length) == length - 1
    rewards = np.arange(length) / 3
    return EpisodeBuffer(
        observations=observations,
        actions=actions,
        rewards=rewards,
        terminations=last & False,
        truncations=last & ended,
        infos=infos,
    )


def test_a_single_agent_dataset_is_a_team_of_one(tmp_path):
    obs = np.random.default_rng(0).normal(size=(4, 2, 2))
    action = np.random.default_rng(1).uniform(-3, 3, (3, 2)).astype(np.float32)
    spec = gymnasium.envs.registration.EnvSpec("Toy-v0", entry_point="no:where", max_episode_steps=3).to_json()
    write_minari(Box(-9, 9, (2, 2)), Box(-3, 3, (2,)), [episode(obs, action)] * 2)
    metadata = tmp_path / "minari/other/set-v1/data/metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"env_spec": spec}))
    dataset = load("minari:other/set-v1", tmp_path / "back")
    assert (dataset.team.n, dataset.team.obs_sizes, dataset.team.action_sizes) == (1, (4,), (2,))
    assert (dataset.team.action_low, dataset.team.action_high, dataset.team.episode_limit) == (-3, 3, 3)
    np.testing.assert_array_equal(dataset.obs[:4, 0], obs.reshape(4, 4).astype(np.float32))
    np.testing.assert_array_equal(dataset.action[3:, 0], action)
    np.testing.assert_array_equal(dataset.reward[:3, 0], np.float32([0, 1 / 3, 2 / 3]))


def test_discrete_actions_start_at_zero(tmp_path):
    write_minari(Box(-1, 1, (2,)), Discrete(3, start=5), [episode(np.zeros((4, 2)), np.array([5, 7, 6]))])
    dataset = load("other/set-v1", tmp_path / "back")
    assert dataset.team.discrete
    assert dataset.action[:, 0].tolist() == [0, 2, 1]


def test_a_dict_of_agents_without_our_card_is_a_team_with_its_infos(tmp_path):
    rng = np.random.default_rng(0)
    obs = {"red": rng.normal(size=(4, 2)), "blue": rng.normal(size=(4, 3))}
    actions = {"red": rng.uniform(-1, 1, (3, 1)), "blue": rng.uniform(-1, 1, (3, 2))}
    infos = {"state": rng.normal(size=(4, 5)), "agent_rewards": rng.normal(size=(4, 2))}
    spaces = [Dict({a: Box(-9, 9, (v.shape[1],)) for a, v in part.items()}) for part in (obs, actions)]
    spaces[1] = Dict({a: Box(-1, 1, (v.shape[1],)) for a, v in actions.items()})
    write_minari(*spaces, [episode(obs, actions, infos=infos)])
    dataset = load("other/set-v1", tmp_path / "back")
    spec = dataset.team
    assert dict(zip(spec.agents, spec.obs_sizes, strict=True)) == {"red": 2, "blue": 3}
    assert (spec.state_kind, spec.state_size) == ("stored", 5)
    for i, agent in enumerate(spec.agents):
        np.testing.assert_array_equal(dataset.obs[:, i, : spec.obs_sizes[i]], obs[agent].astype(np.float32))
        assert not dataset.obs[:, i, spec.obs_sizes[i] :].any()
    np.testing.assert_array_equal(dataset.reward, infos["agent_rewards"][1:].astype(np.float32))


def test_episodes_without_an_end_are_marked_truncated_and_counted(tmp_path):
    parts = [episode(np.zeros((4, 2)), np.zeros((3, 1)), ended=ended) for ended in (True, False, False)]
    write_minari(Box(-1, 1, (2,)), Box(-1, 1, (1,)), parts)
    dataset = load("other/set-v1", tmp_path / "back")
    assert int(dataset.truncated.sum()) == 3
    assert dataset.card.repairs == ("2 episodes ended neither terminated nor truncated; marked truncated",)


@pytest.mark.parametrize(
    ("spaces", "word"),
    [
        ((Box(-1, 1, (2,)), Box(-np.inf, np.inf, (1,))), "--action-bound"),
        ((Box(-1, 1, (2,)), MultiDiscrete([2, 2])), "MultiDiscrete"),
        ((Discrete(4), Box(-1, 1, (1,))), "Discrete"),
    ],
)
def test_unsupported_spaces_are_named(tmp_path, spaces, word):
    observations = np.zeros(4, int) if isinstance(spaces[0], Discrete) else np.zeros((4, 2))
    actions = np.zeros((3, 2), int) if isinstance(spaces[1], MultiDiscrete) else np.zeros((3, 1))
    write_minari(*spaces, [episode(observations, actions)])
    with pytest.raises(DatasetError, match=word):
        load("other/set-v1", tmp_path / "back")
    if word == "--action-bound":
        assert load("other/set-v1", tmp_path / "back", ImportOptions(action_bound=2.0)).team.action_high == 2


def test_nan_in_a_minari_dataset_is_refused(tmp_path):
    observations = np.zeros((4, 2))
    observations[2, 1] = np.nan
    write_minari(Box(-1, 1, (2,)), Box(-1, 1, (1,)), [episode(observations, np.zeros((3, 1)))])
    with pytest.raises(DatasetError, match="array 'obs', row 2: nan"):
        load("other/set-v1", tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("content", ["", "{", "{}", "[]"])
def test_damaged_metadata_is_one_clear_error(tmp_path, content):
    exported(tmp_path)
    (tmp_path / "minari/toy/numbered-v0/data/metadata.json").write_text(content)
    with pytest.raises(DatasetError, match="minari:toy/numbered-v0"):
        resolve_dataset("minari:toy/numbered-v0")


def test_a_damaged_data_file_is_one_clear_error(tmp_path):
    exported(tmp_path)
    (tmp_path / "minari/toy/numbered-v0/data/main_data.hdf5").write_bytes(b"not hdf5")
    with pytest.raises(DatasetError, match="minari:toy/numbered-v0"):
        resolve_dataset("minari:toy/numbered-v0")


def test_without_minari_the_error_says_what_to_install(tmp_path, monkeypatch):
    original = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "minari" or name.startswith("minari."):
            raise ImportError("No module named 'minari'")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(DatasetError, match=r'pip install "minari\[hdf5\]"'):
        resolve_dataset("minari:toy/numbered-v0")
