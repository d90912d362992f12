"""Samplers against plain loops over episodes, on random episode lengths: no batch ever joins two episodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_team import team, write_numbered

from zoo_core import DatasetError, Rows, SettingError, WholeEpisodes, Windows, generator
from zoo_core.data import Dataset, episodes

EPISODES = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=7)
"""Length of each episode, and whether it terminated."""

TEAMS = {
    "concat_obs": team(),
    "stored": team(state_kind="stored", state_size=4),
    "per_agent": team(state_kind="per_agent", state_size=2),
    "padded": team(obs_sizes=(2, 4), action_sizes=(1, 3)),
    "discrete": team(action_kind="discrete", action_sizes=(3, 5)),
}


def numbered(shape, folder, spec=None):
    write_numbered(folder / "set", [length for length, _ in shape], terminated=[t for _, t in shape], spec=spec)
    return Dataset.open(folder / "set")


def place(dataset, obs):
    """(episode, row) of observations [*, n, o]: `write_numbered` puts 1000·episode + row into the first feature."""
    number = np.round(np.asarray(obs)[..., 0, 0]).astype(int)
    return number // 1000, number % 1000


def looped_state(dataset, observation, episode, row):
    """State as the definition says, agent by agent."""
    spec = dataset.team
    if spec.state_kind == "concat_obs":
        return np.concatenate([observation[i, : spec.obs_sizes[i]] for i in range(spec.n)])
    return episode["states"][row]


@pytest.mark.parametrize("kind", TEAMS)
@settings(max_examples=25)
@given(shape=EPISODES, seed=st.integers(0, 5))
def test_rows_equal_a_plain_loop_and_never_cross_an_episodes_end(kind, shape, seed, tmp_path_factory):
    dataset = numbered(shape, tmp_path_factory.mktemp("rows"), TEAMS[kind])
    stored = list(episodes(dataset))
    sampler = dataset.sampler(Rows(40, next_action=True, initial_obs=True, truncation="full"))
    batch = sampler.sample(generator(seed))
    places = zip(*place(dataset, batch.obs), strict=True)
    for b, (e, t) in enumerate(places):
        episode, length = stored[e], shape[e][0]
        np.testing.assert_array_equal(batch.obs[b], episode["observations"][t])
        np.testing.assert_array_equal(batch.next_obs[b], episode["observations"][t + 1])
        np.testing.assert_array_equal(batch.action[b], episode["actions"][t])
        np.testing.assert_array_equal(batch.reward[b], episode["rewards"][t])
        assert bool(batch.has_next_action[b]) == (t + 1 < length)
        after = min(t + 1, length - 1)  # on the last step its own action, never one of another episode
        np.testing.assert_array_equal(batch.next_action[b], episode["actions"][after])
        assert bool(batch.terminated[b]) == (t + 1 == length and shape[e][1])
        assert bool(batch.truncated[b]) == (t + 1 == length and not shape[e][1])
        np.testing.assert_array_equal(batch.state[b], looped_state(dataset, episode["observations"][t], episode, t))
        after = looped_state(dataset, episode["observations"][t + 1], episode, t + 1)
        np.testing.assert_array_equal(batch.next_state[b], after)
        if dataset.team.discrete:
            np.testing.assert_array_equal(batch.action_mask[b], episode["action_masks"][t])
            np.testing.assert_array_equal(batch.next_action_mask[b], episode["action_masks"][t + 1])
    starts = place(dataset, batch.initial_obs)
    assert set(starts[1]) == {0}
    for b, e in enumerate(starts[0]):
        first = looped_state(dataset, stored[e]["observations"][0], stored[e], 0)
        np.testing.assert_array_equal(batch.initial_state[b], first)


@settings(max_examples=25)
@given(shape=EPISODES, length=st.integers(1, 8), seed=st.integers(0, 5))
@pytest.mark.parametrize("kind", ["concat_obs", "stored", "discrete"])
def test_windows_and_episodes_equal_a_plain_loop_and_are_blank_behind_the_end(
    kind, shape, length, seed, tmp_path_factory
):
    dataset = numbered(shape, tmp_path_factory.mktemp("windows"), TEAMS[kind])
    stored = list(episodes(dataset))
    for need in (Windows(16, length), WholeEpisodes(16)):
        batch = dataset.sampler(need).sample(generator(seed))
        steps = batch.action.shape[1]
        first_episode, first_row = place(dataset, batch.obs[:, 0])
        for b, (e, t0) in enumerate(zip(first_episode, first_row, strict=True)):
            episode, end = stored[e], shape[e][0]
            if isinstance(need, WholeEpisodes):
                assert t0 == 0
            for k in range(steps):
                t = t0 + k
                real = t < end
                assert bool(batch.filled[b, k]) == real
                assert bool(batch.terminated[b, k]) == (t == end - 1 and shape[e][1])
                assert bool(batch.truncated[b, k]) == (t == end - 1 and not shape[e][1])
                assert bool(batch.has_next_action[b, k]) == (t < end - 1)
                np.testing.assert_array_equal(batch.action[b, k], episode["actions"][t] if real else 0)
                np.testing.assert_array_equal(batch.reward[b, k], episode["rewards"][t] if real else 0)
                np.testing.assert_array_equal(batch.next_action[b, k], episode["actions"][t + 1] if t < end - 1 else 0)
            for k in range(steps + 1):
                t = t0 + k
                expected = episode["observations"][t] if t <= end else np.zeros_like(episode["observations"][0])
                np.testing.assert_array_equal(batch.obs[b, k], expected)
                state = looped_state(dataset, expected, episode, t) if t <= end else 0
                np.testing.assert_array_equal(batch.state[b, k], state)
                if dataset.team.discrete:
                    np.testing.assert_array_equal(
                        batch.action_mask[b, k], episode["action_masks"][t] if t <= end else 1
                    )
        np.testing.assert_array_equal(batch.next_obs, batch.obs[:, 1:])
        if isinstance(need, WholeEpisodes):
            assert steps == max(shape[e][0] for e in first_episode)


@settings(max_examples=25)
@given(shape=EPISODES, length=st.integers(1, 8), seed=st.integers(0, 5))
def test_returns_to_go_sum_the_rest_of_the_episode_and_not_of_the_window_alone(shape, length, seed, tmp_path_factory):
    dataset = numbered(shape, tmp_path_factory.mktemp("to_go"))
    stored = list(episodes(dataset))
    batch = dataset.sampler(Windows(16, length, discount=0.9)).sample(generator(seed))
    for b, (e, t0) in enumerate(zip(*place(dataset, batch.obs[:, 0]), strict=True)):
        for k in range(length):
            rest = stored[e]["rewards"][t0 + k :]
            expected = sum((0.9**j * r for j, r in enumerate(rest)), np.zeros(dataset.team.n))
            np.testing.assert_allclose(batch.return_to_go[b, k], expected, rtol=1e-5)
            assert int(batch.step[b, k]) == (t0 + k if len(rest) else 0)
    plain = dataset.sampler(Windows(16, length)).sample(generator(seed))
    assert plain.return_to_go is None
    assert plain.step is None


@settings(max_examples=30)
@given(shape=EPISODES)
def test_skipping_truncated_rows_leaves_exactly_those_that_have_a_next_action_or_terminated(shape, tmp_path_factory):
    dataset = numbered(shape, tmp_path_factory.mktemp("skip"))
    expected = {
        (e, t) for e, (length, terminated) in enumerate(shape) for t in range(length) if t < length - 1 or terminated
    }
    if not expected:
        with pytest.raises(DatasetError, match="truncation=full"):
            dataset.sampler(Rows(8, next_action=True))
        return
    sampler = dataset.sampler(Rows(60 * len(expected), next_action=True))
    batch = sampler.sample(generator(0))
    assert set(zip(*place(dataset, batch.obs), strict=True)) == expected
    assert sampler.population == len(expected)
    assert not (batch.truncated & ~batch.terminated).any()


def test_every_row_is_drawn_equally_often(tmp_path):
    dataset = numbered([(3, True), (1, False), (4, False)], tmp_path)
    sampler = dataset.sampler(Rows(10_000))
    episode, row = place(dataset, torch.cat([sampler.sample(generator(1, k)).obs for k in range(8)]))
    counts = np.unique(episode * 10 + row, return_counts=True)[1]
    assert len(counts) == 8
    np.testing.assert_allclose(counts, 10_000, rtol=0.05)


@pytest.mark.parametrize(
    "need", [Rows(32, next_action=True, initial_obs=True), Windows(8, 3, discount=0.9), WholeEpisodes(8)]
)
def test_a_batch_is_a_function_of_the_generator_alone(need, tmp_path):
    shape = [(4, False), (2, True), (5, False)]
    dataset = numbered(shape, tmp_path / "a")
    one, other = dataset.sampler(need), numbered(shape, tmp_path / "b").sampler(need)
    other.sample(generator(99))
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second = one.sample(generator(5)), other.sample(generator(5))
    assert torch.equal(torch.get_rng_state(), before), "the global generator must not be touched"
    assert dict(first.present()).keys() == dict(second.present()).keys()
    for (name, x), (_, y) in zip(first.present(), second.present(), strict=True):
        assert torch.equal(x, y), name
    assert not torch.equal(first.obs, one.sample(generator(6)).obs)


def test_equal_and_unequal_lengths_find_the_same_rows(tmp_path):
    dataset = numbered([(3, False)] * 5, tmp_path)
    assert dataset.equal_length == 3
    steps = torch.arange(15)
    assert torch.equal(dataset.sampler(Rows(1))._rows_of(steps), dataset.obs_rows)


@pytest.mark.parametrize(
    "need", [Rows(8, next_action=True, initial_obs=True), Windows(8, 3, discount=0.9), WholeEpisodes(8)]
)
@pytest.mark.parametrize("kind", TEAMS)
def test_a_batch_is_made_on_the_device_asked_for(need, kind, tmp_path):
    lengths = [(3, True)] * 4 if isinstance(need, WholeEpisodes) else [(3, True), (2, False), (5, False)]
    dataset = numbered(lengths, tmp_path, TEAMS[kind])
    here = dataset.sampler(need).sample(generator(0))
    there = dataset.sampler(need, device="meta").sample(generator(0))  # every tensor elsewhere: mixing devices raises
    assert {tensor.device.type for _, tensor in there.present()} == {"meta"}
    assert {name: t.shape for name, t in there.present()} == {name: t.shape for name, t in here.present()}


def test_a_batch_far_larger_than_the_data_is_refused_with_both_numbers(tmp_path, monkeypatch):
    dataset = numbered([(3, False)], tmp_path)
    assert dataset.sampler(Rows(10_000)).sample(generator(0)).size == 10_000  # small, whatever the data
    with pytest.raises(SettingError, match=r"batch_size 10,001 is too large: .* 3 rows .* 10,000 at most"):
        dataset.sampler(Rows(10_001))
    monkeypatch.setattr("zoo_core.data.sampling.SMALL_BATCH", 0)
    assert dataset.sampler(Rows(12)).sample(generator(0)).size == 12
    with pytest.raises(SettingError, match=r"batch_size 9 .* 2 rows .* 8 at most"):
        dataset.sampler(Rows(9, next_action=True))


def test_state_can_be_left_out_and_unasked_fields_are_none(tmp_path):
    dataset = numbered([(3, False)], tmp_path)
    batch = dataset.sampler(Rows(4), state=False).sample(generator(0))
    absent = ("state", "next_state", "next_action", "has_next_action", "action_mask", "filled")
    absent += ("initial_obs", "initial_state")
    assert [name for name in absent if getattr(batch, name) is not None] == []


@pytest.mark.parametrize(
    ("need", "word"),
    [(Rows(4, truncation="sometimes"), "truncation"), (Rows(0), "batch_size"), (Windows(4, 0), "length")],
)
def test_impossible_requests_are_refused(need, word, tmp_path):
    with pytest.raises(SettingError, match=word):
        numbered([(3, False)], tmp_path).sampler(need)
