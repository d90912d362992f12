"""The `.npy` layout of OMAR and CFCQL: what is read, what is worked out, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace

import numpy as np
import pytest
import toy_team

from zoo_core import DatasetError, EnvEntry, Source
from zoo_core.data import Dataset, ImportOptions
from zoo_core.data.importers import read_source, write_reading
from zoo_core.data.importers.episode_ends import find_ends
from zoo_core.errors import UnknownName
from zoo_core.plugins import Offer, Zoo

LENGTH, EPISODES, AGENTS = 5, 6, 2
ROWS = LENGTH * EPISODES
GUESS = ImportOptions(env="toy", infer_team=True, agents=AGENTS, episode_length=LENGTH)


@pytest.fixture
def folder(tmp_path):
    """Six episodes of five steps of two learners and a prey, float64, no dones; numbers that tell where they stand."""
    write_folder(tmp_path / "seed_0_data")
    return tmp_path / "seed_0_data"


def write_folder(folder, *, dones=None, states=False):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(AGENTS + 1):
        obs = rng.normal(size=(EPISODES, LENGTH + 1, 3))
        np.save(folder / f"obs_{i}.npy", obs[:, :-1].reshape(ROWS, 3))
        np.save(folder / f"next_obs_{i}.npy", obs[:, 1:].reshape(ROWS, 3))
        np.save(folder / f"acs_{i}.npy", rng.uniform(-1, 1, (ROWS, 2)))
        np.save(folder / f"rews_{i}.npy", rng.normal(size=ROWS))
        np.save(folder / f"dones_{i}.npy", np.zeros(ROWS) if dones is None else dones)
        if states:
            state = np.random.default_rng(1).normal(size=(EPISODES, LENGTH + 1, 7))
            np.save(folder / f"states_{i}.npy", state[:, :-1].reshape(ROWS, 7))
            np.save(folder / f"next_states_{i}.npy", state[:, 1:].reshape(ROWS, 7))


def load(folder, options=GUESS, target=None):
    target = target or folder.parent / "imported"
    write_reading(read_source("npy", str(folder), options), target, "imported")
    return Dataset.open(target)


def array(folder, name):
    return np.load(folder / f"{name}.npy")


def change(folder, name, edit):
    values = array(folder, name)
    np.save(folder / f"{name}.npy", edit(values))


def with_value(row, value):
    def edit(values):
        values[row] = value
        return values

    return edit


def test_every_number_arrives_at_its_place_and_the_prey_is_left_out(folder):
    dataset = load(folder)
    assert (dataset.num_episodes, dataset.num_transitions, dataset.team.n) == (EPISODES, ROWS, AGENTS)
    flat_rows = dataset.obs_rows.numpy()
    for i in range(AGENTS):
        np.testing.assert_array_equal(dataset.obs[flat_rows, i], array(folder, f"obs_{i}").astype(np.float32))
        np.testing.assert_array_equal(dataset.obs[flat_rows + 1, i], array(folder, f"next_obs_{i}").astype(np.float32))
        np.testing.assert_array_equal(dataset.action[:, i], array(folder, f"acs_{i}").astype(np.float32))
        np.testing.assert_array_equal(dataset.reward[:, i], array(folder, f"rews_{i}").astype(np.float32))
    assert "agents [2]" in dataset.card.notes["ignored_agents"]
    assert dataset.card.source["format"] == "npy"


def test_no_dones_and_dones_at_the_time_limit_give_the_same_truncated_episodes(folder, tmp_path):
    at_limit = np.arange(ROWS) % LENGTH == LENGTH - 1
    write_folder(tmp_path / "with_dones", dones=at_limit.astype(float))
    without, with_dones = load(folder), load(tmp_path / "with_dones", target=tmp_path / "other")
    assert without.hash == with_dones.hash
    assert int(without.truncated.sum()) == EPISODES
    assert not without.terminated.any()
    assert "0 of 6 episodes have a done" in without.card.notes["dones_found"]
    assert "6 of 6 episodes have a done" in with_dones.card.notes["dones_found"]
    for dataset in (without, with_dones):
        assert "--timeouts-are-terminal" in dataset.card.notes["dones_assumed"]
        assert "--episode-length" in dataset.card.notes["episode_length"]


def test_timeouts_can_be_made_terminal(folder):
    dataset = load(folder, ImportOptions("toy", True, AGENTS, LENGTH, timeouts_are_terminal=True))
    assert int(dataset.terminated.sum()) == EPISODES
    assert not dataset.truncated.any()


def test_an_early_done_is_a_termination_and_starts_a_new_episode(tmp_path):
    ends = find_ends(np.array([0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0], dtype=bool), 5)
    assert ends.lengths.tolist() == [3, 5, 2, 1]
    assert ends.terminated.tolist() == [True, False, True, False]
    assert "1 episodes end before the time limit without a done" in ends.notes["cut"]


def test_the_episode_length_is_found_where_all_dones_are_equally_far_apart():
    ends = find_ends(np.tile([False, False, True], 4), None)
    assert ends.lengths.tolist() == [3] * 4
    assert not ends.terminated.any()
    assert "found" in ends.notes["episode_length"]
    uneven = find_ends(np.array([False, True, False, False, True]), None)
    assert (uneven.lengths.tolist(), uneven.terminated.tolist()) == ([2, 3], [True, True])


def test_without_dones_or_a_length_the_import_asks(folder):
    with pytest.raises(DatasetError, match="--episode-length"):
        load(folder, ImportOptions(env="toy", infer_team=True, agents=AGENTS))


def test_a_wrong_episode_length_is_found_by_the_next_observations(folder):
    with pytest.raises(DatasetError, match=r"next_obs_0\.npy, row 4, differs from row 5.*--episode-length"):
        load(folder, ImportOptions("toy", True, AGENTS, 10))


def test_the_largest_difference_of_next_observations_is_reported(folder):
    assert dataset_gap(load(folder)) == "0 (--tolerance allows 0.001)"
    change(folder, "next_obs_1", lambda x: x + 5e-4 * (np.arange(ROWS) == 7)[:, None])
    assert dataset_gap(load(folder, target=folder.parent / "b")).startswith("0.0005")
    loose = ImportOptions("toy", True, AGENTS, LENGTH, tolerance=1e-4)
    with pytest.raises(DatasetError, match="--tolerance"):
        load(folder, loose, target=folder.parent / "c")


def dataset_gap(dataset):
    return dataset.card.notes["next_observations"].removeprefix("largest difference from the following row: ")


def test_states_are_compared_with_the_following_row_too(tmp_path):
    write_folder(tmp_path / "cheetah", states=True)
    change(tmp_path / "cheetah", "next_states_0", lambda x: x + 2.0 * (np.arange(ROWS) == 8)[:, None])
    with pytest.raises(
        DatasetError, match=r"next_states_0\.npy, row 8, differs from row 9 of states_0\.npy by up to 2"
    ):
        load(tmp_path / "cheetah")


def test_episodes_of_one_step_have_no_following_row_and_the_card_says_so(folder):
    dataset = load(folder, ImportOptions("toy", True, AGENTS, 1))
    assert dataset.num_episodes == ROWS
    assert dataset.card.notes["next_observations"].startswith("not compared")


def test_groups_of_any_size_give_the_same_dataset(folder, monkeypatch):
    whole = load(folder)
    monkeypatch.setattr("zoo_core.data.importers.npy_folder._ROWS_AT_ONCE", 7)
    late = ROWS - 2
    change(folder, "next_obs_1", lambda x: x + 5e-4 * (np.arange(ROWS) == late)[:, None])
    in_pieces = load(folder, target=folder.parent / "pieces")
    assert in_pieces.hash == whole.hash
    assert dataset_gap(in_pieces).startswith("0.0005"), "the last group is compared too"


def test_the_card_names_every_file_read_with_its_hash_and_type(folder):
    change(folder, "rews_0", lambda x: x.astype(np.float32))
    card = load(folder).card
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*_[01].npy")}
    assert card.source["sha256"] == files
    assert card.notes["types"] == "obs, acs, next_obs, dones float64; rews float32/float64; kept as float32"
    assert card.notes["actions"].startswith("from -0.9")


def test_stored_actions_can_be_scaled_before_they_are_clipped(folder):
    dataset = load(folder, ImportOptions("toy", True, AGENTS, LENGTH, action_scale=4.0))
    expected = (array(folder, "acs_0").astype(np.float32) * 4).clip(-1, 1)
    np.testing.assert_array_equal(dataset.action[:, 0], expected)
    assert "(--action-scale)" in dataset.card.notes["actions"]


def test_agents_that_are_not_done_together_are_counted_and_end_no_episode(folder):
    change(folder, "dones_1", with_value(7, 1.0))
    dataset = load(folder)
    assert "differ in 1 rows" in dataset.card.notes["dones_differ"]
    assert not dataset.terminated.any()


def test_states_are_read_where_the_folder_has_them(tmp_path):
    write_folder(tmp_path / "cheetah", states=True)
    dataset = load(tmp_path / "cheetah")
    assert (dataset.team.state_kind, dataset.team.state_size) == ("stored", 7)
    expected = array(tmp_path / "cheetah", "next_states_0").astype(np.float32)
    np.testing.assert_array_equal(dataset.state[dataset.obs_rows + 1], expected)


def test_actions_beyond_their_bounds_are_clipped_and_counted(folder):
    change(folder, "acs_1", with_value((3, 0), 1.25))
    dataset = load(folder)
    assert float(dataset.action[3, 1, 0]) == 1.0
    assert dataset.card.repairs == ("1 of 120 action values clipped to [-1, 1]; the largest lay 0.25 outside",)


class Evil:
    def __reduce__(self):
        return pytest.fail, ("a pickle was executed",)


def save_objects(folder, name):
    with (folder / f"{name}.npy").open("wb") as file:
        np.lib.format.write_array(file, np.array([Evil()] * ROWS, dtype=object), allow_pickle=True)


def edit_header(path, old, new):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda f: (f / "acs_1.npy").unlink(), r"acs_1\.npy is missing; .*files of agents 0, 1, 2"),
        (lambda f: [(f / f"{k}_1.npy").unlink() for k in ("obs", "rews")], r"obs_1\.npy, rews_1\.npy are missing"),
        (lambda f: (f / "obs_0.npy").unlink(), r"obs_0\.npy is missing"),
        (lambda f: (f / "next_obs_0.npy").unlink(), r"next_obs_0\.npy is missing"),
        (lambda f: (f / "obs_1.npy").unlink(), r"obs_1\.npy is missing"),
        (lambda f: change(f, "rews_1", lambda x: x[:-1]), "unequal lengths.*rews_1.npy has 29"),
        (lambda f: change(f, "acs_0", lambda x: x[..., None]), r"acs_0\.npy: shape \[30, 2, 1\]"),
        (lambda f: change(f, "next_obs_1", lambda x: x[:, :2]), r"next_obs_1\.npy has shape \[30, 2\].*\[30, 3\]"),
        (lambda f: change(f, "rews_0", lambda x: np.stack([x, x], 1)), r"rews_0\.npy has shape \[30, 2\]"),
        (lambda f: change(f, "obs_1", with_value((17, 2), np.nan)), r"'obs_1\.npy', row 17: nan"),
        (lambda f: change(f, "rews_0", with_value(29, np.inf)), r"'rews_0\.npy', row 29: inf"),
        (lambda f: change(f, "dones_1", with_value(4, 0.5)), r"dones_1\.npy, row 4: 0\.5 is neither 0 nor 1"),
        (lambda f: change(f, "rews_1", with_value(3, 1e300)), r"'rews_1\.npy', row 3: inf"),
        (lambda f: np.save(f / "dones_0.npy", np.float64(0)), r"dones_0\.npy: not an array of real numbers"),
        (lambda f: change(f, "obs_0", lambda x: x.astype("U8")), r"obs_0\.npy: not an array of real numbers"),
        (lambda f: save_objects(f, "acs_1"), r"acs_1\.npy: .*nothing in it was unpickled"),
        (lambda f: (f / "obs_0.npy").write_bytes(pickle.dumps([1.0])), r"obs_0\.npy: .*nothing in it was unpickled"),
        (lambda f: edit_header(f / "obs_0.npy", b"(30, 3)", b"(30, 3("), r"obs_0\.npy: not a plain array"),
        (lambda f: (f / "obs_0.npy").write_bytes(b""), r"obs_0\.npy"),
        (lambda f: (f / "obs_0.npy").write_bytes((f / "obs_0.npy").read_bytes()[:-8]), r"obs_0\.npy"),
        (lambda f: [change(f, n.stem, lambda x: x[:0]) for n in f.iterdir()], "empty"),
    ],
)
def test_a_malformed_folder_is_named_and_nothing_is_left_behind(folder, damage, word):
    damage(folder)
    with pytest.raises(DatasetError, match=word):
        load(folder)
    assert not (folder.parent / "imported").exists()
    assert not list(folder.parent.glob(".imported.partial-*"))


def test_a_parent_folder_and_an_absent_one_are_explained(folder):
    with pytest.raises(DatasetError, match="did you mean what it holds: seed_0_data"):
        load(folder.parent)
    write_folder(folder.parent / "seed_1_data")
    with pytest.raises(DatasetError, match=r"one of those it holds .*: seed_0_data, seed_1_data"):
        load(folder.parent)
    with pytest.raises(DatasetError, match="no folder"):
        load(folder / "absent")
    with pytest.raises(DatasetError, match="is a file; this format is a folder"):
        load(folder / "obs_0.npy")
    (folder.parent / "empty").mkdir()
    with pytest.raises(DatasetError, match="is empty"):
        load(folder.parent / "empty")


SPEC = toy_team.team()
"""Two learners of 3 numbers and 2 actions, five steps: what `write_folder` holds, with a third agent's files."""


@pytest.fixture
def install(monkeypatch):
    """Install one environment whose team is given, and nothing else."""

    def installed(team):
        monkeypatch.setattr(toy_team.OfSpec, "team", team, raising=False)
        entry = EnvEntry("toy", "a toy", "toy_team:OfSpec", Source("none"), agents=team.n, convention="toys")
        zoo = Zoo.assemble([Offer(entry, "zoo-toy", "1")], [])
        monkeypatch.setattr("zoo_core.plugins.load_zoo", lambda: zoo)
        return ImportOptions(env="toy")

    return installed


def test_an_installed_environment_gives_team_episode_length_and_convention(folder, install):
    dataset = load(folder, install(replace(SPEC, scripted=("prey",))))
    assert dataset.team.scripted == ("prey",)
    assert dataset.card.convention == "toys"
    assert (dataset.num_episodes, dataset.num_transitions) == (EPISODES, ROWS)
    assert "agents [2]" in dataset.card.notes["ignored_agents"]


def test_more_agents_than_the_environment_has_are_refused_unless_asked_for(folder, install):
    options = install(SPEC)
    with pytest.raises(DatasetError, match=r"files of 3 agents \(0, 1, 2\); 'toy' has 2 learning\. .*--agents 2"):
        load(folder, options)
    assert load(folder, replace(options, agents=2)).team.n == 2
    with pytest.raises(DatasetError, match="has 2 learning agents, not --agents 3"):
        load(folder, replace(options, agents=3), target=folder.parent / "b")


def test_fewer_agents_than_the_environment_has_are_refused(folder, install):
    four = toy_team.team(agents=("a", "b", "c", "d"), obs_sizes=(3,) * 4, action_sizes=(2,) * 4)
    with pytest.raises(DatasetError, match=r"files of 3 agents .*'toy' has 4 learning.*--infer-team"):
        load(folder, install(four))


def test_another_observation_size_than_the_environments_is_refused_with_both(folder, install):
    options = replace(install(toy_team.team(obs_sizes=(4, 4))), agents=2)
    with pytest.raises(DatasetError, match=r"obs_0\.npy has shape \[30, 3\] where 'toy' has \[30, 4\].*--infer-team"):
        load(folder, options)


def test_discrete_actions_are_refused(folder, install):
    options = replace(install(toy_team.team(action_kind="discrete")), agents=2)
    with pytest.raises(DatasetError, match="continuous actions; 'toy' has discrete ones"):
        load(folder, options)


def test_an_unknown_environment_and_format_are_usage_errors(folder):
    with pytest.raises(UnknownName, match="--infer-team"):
        load(folder, ImportOptions(env="no-such-env"))
    with pytest.raises(UnknownName, match="npy"):
        read_source("npz", str(folder), GUESS)
