"""An opened dataset: its arrays, returns, statistics and views, against loops."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import numpy as np
import pytest
import torch
from toy_team import team, write_numbered

import zoo_core.data as data
from zoo_core.data import Dataset, EpisodeWriter
from zoo_core.data.statistics import STATISTICS_FILE, compute_statistics

LENGTHS = [3, 1, 5, 2]


@pytest.fixture
def dataset(tmp_path):
    write_numbered(tmp_path / "set", LENGTHS, terminated=[True, False, False, True])
    return Dataset.open(tmp_path / "set")


@pytest.fixture
def random_dataset(tmp_path):
    rng = np.random.default_rng(0)
    writer = EpisodeWriter(tmp_path, team())
    for length in (4, 7, 1):
        last = np.arange(length) == length - 1
        obs, action = rng.normal(3, 2, (1, length + 1, 2, 3)), rng.uniform(-1, 1, (1, length, 2, 2))
        writer.add(obs, action, rng.normal(-1, 4, (1, length, 2)), [last & False], [last])
    writer.finish("random", {"kind": "test"})
    return Dataset.open(tmp_path)


def test_every_exported_name_is_there():
    assert data.__all__ == sorted(data._HOME)
    for name in data.__all__:
        assert getattr(data, name) is not None


def test_shapes_and_types_are_those_of_the_contract(dataset):
    n, m = sum(LENGTHS), len(LENGTHS)
    assert (dataset.num_transitions, dataset.num_episodes) == (n, m)
    shapes = {"obs": (n + m, 2, 3), "action": (n, 2, 2), "reward": (n, 2), "terminated": (n,), "truncated": (n,)}
    for name, shape in shapes.items():
        assert getattr(dataset, name).shape == shape
    assert dataset.obs.dtype == dataset.action.dtype == dataset.reward.dtype == torch.float32
    assert dataset.terminated.dtype == dataset.truncated.dtype == torch.bool
    assert dataset.episode_starts.tolist() == [0, 3, 4, 9, 11]
    assert dataset.state is None
    assert dataset.action_mask is None


def test_returns_are_the_sum_over_steps_of_the_mean_over_learners(random_dataset):
    team_reward = random_dataset.reward.double().mean(1)
    expected = [float(sum(team_reward[a:b])) for a, b in pairwise(random_dataset.episode_starts.tolist())]
    np.testing.assert_allclose(random_dataset.returns(), expected, rtol=1e-12)
    card = random_dataset.card.returns
    np.testing.assert_allclose(
        [card["mean"], card["std"], card["min"], card["max"]],
        [np.mean(expected), np.std(expected), min(expected), max(expected)],
    )


@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_statistics_equal_those_of_the_stacked_steps(random_dataset, chunk, monkeypatch):
    monkeypatch.setattr("zoo_core.data.statistics._CHUNK", chunk)
    found = compute_statistics(random_dataset)
    steps = np.concatenate([e["observations"][:-1] for e in data.episodes(random_dataset)]).astype(np.float64)
    np.testing.assert_allclose(found.obs_mean, steps.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.obs_std, steps.std(0), rtol=1e-5)
    action = random_dataset.action.double()
    np.testing.assert_allclose(found.action_mean, action.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.action_std, action.std(0, correction=0), rtol=1e-5)
    assert found.reward_mean == pytest.approx(float(random_dataset.reward.double().mean()))
    assert found.reward_std == pytest.approx(float(random_dataset.reward.double().std(correction=0)))
    assert found.return_max == pytest.approx(float(random_dataset.returns().max()))


def test_cached_statistics_are_used_and_damaged_or_foreign_ones_are_computed_again(random_dataset):
    first = random_dataset.statistics()
    path = random_dataset.folder / STATISTICS_FILE
    whole = path.read_bytes()
    damaged = [whole[:50], b"{}", whole.replace(b'"reward_mean": ', b'"reward_mean": 1'), b"[]", b"\xff"]
    foreign = json.loads(whole) | {"data": "0" * 64}
    for content in [whole, *damaged, json.dumps(foreign).encode()]:
        path.write_bytes(content)
        again = Dataset.open(random_dataset.folder).statistics()
        assert again.reward_mean == first.reward_mean
        assert torch.equal(again.obs_mean, first.obs_mean)
        assert path.read_bytes() == whole


def test_discrete_actions_have_no_statistics(tmp_path):
    write_numbered(tmp_path / "set", [3, 2], spec=team(action_kind="discrete", action_sizes=(3, 4)))
    found = Dataset.open(tmp_path / "set").statistics()
    assert found.action_mean is None
    assert found.action_std is None


def test_the_flat_view_pairs_each_observation_with_the_next_of_its_own_episode(dataset):
    flat = data.transitions(dataset)
    assert set(flat) == {"observations", "actions", "rewards", "next_observations", "terminals", "timeouts"}
    now, after = flat["observations"][:, 0, 0], flat["next_observations"][:, 0, 0]
    np.testing.assert_array_equal(after - now, np.ones(sum(LENGTHS)))
    np.testing.assert_array_equal(np.flatnonzero(flat["terminals"]), [2, 10])
    np.testing.assert_array_equal(np.flatnonzero(flat["timeouts"]), [3, 8])
    flat["rewards"][:] = 0
    assert float(dataset.reward.abs().max()) > 0, "the view must be a copy"


def test_the_episode_view_gives_every_row_once(dataset):
    found = list(data.episodes(dataset))
    assert [len(e["actions"]) for e in found] == LENGTHS
    assert [len(e["observations"]) for e in found] == [length + 1 for length in LENGTHS]
    np.testing.assert_array_equal(np.concatenate([e["observations"] for e in found]), dataset.obs)
    np.testing.assert_array_equal(np.concatenate([e["rewards"] for e in found]), dataset.reward)


def test_views_carry_states_and_masks_where_the_data_has_them(tmp_path):
    spec = team(action_kind="discrete", action_sizes=(3, 4), state_kind="stored", state_size=2)
    write_numbered(tmp_path / "set", [3, 2], spec=spec)
    flat = data.transitions(str(tmp_path / "set"))
    np.testing.assert_array_equal(flat["next_states"] - flat["states"], np.ones((5, 2)))
    assert flat["action_masks"].all()
    assert flat["next_action_masks"].shape == (5, 2, 4)


def test_the_hash_is_of_the_arrays_alone(tmp_path):
    write_numbered(tmp_path / "a", [3, 2])
    write_numbered(tmp_path / "b", [2, 3])
    write_numbered(tmp_path / "c", [3, 2], spec=team(agents=("x", "y")))
    a, b, c = (Dataset.open(tmp_path / name).hash for name in "abc")
    assert a == c != b


def test_padding_does_not_change_the_hash(tmp_path):
    spec = team(obs_sizes=(2, 3), action_sizes=(1, 2))
    hashes = []
    for junk in (0.0, 7.0):
        folder = tmp_path / str(junk)
        folder.mkdir()
        writer = EpisodeWriter(folder, spec)
        obs, action = np.full((1, 2, 2, 3), 0.5), np.full((1, 1, 2, 2), 0.5)
        obs[:, :, 0, 2:], action[:, :, 0, 1:] = junk, junk
        writer.add(obs, action, np.zeros((1, 1, 2)), [[False]], [[True]])
        hashes.append(writer.finish("padded", {}).hash)
    assert hashes[0] == hashes[1]


def test_opening_a_large_dataset_again_reads_no_array(tmp_path, monkeypatch):
    write_numbered(tmp_path / "set", [50] * 40)
    Dataset.open(tmp_path / "set")
    monkeypatch.setattr("zoo_core.data.verification.hash_array", lambda *_: pytest.fail("hashed again"))
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        Dataset.open(tmp_path / "set")
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.2
