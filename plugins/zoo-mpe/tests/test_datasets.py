"""The built-in datasets: equal seeds give equal bits, returns lie in their bands, the replay is what was recorded."""

import numpy as np
import pytest

from zoo_core import DatasetError
from zoo_core.data import Dataset, build_dataset
from zoo_mpe import datasets
from zoo_mpe.envs import CooperativeNavigation
from zoo_mpe.plugin import DATASETS
from zoo_mpe.policies import random_policy, shipped

ENTRIES = {entry.quality: entry for entry in DATASETS}
QUALITIES = sorted(ENTRIES)


def build(folder, quality, episodes, seed=0):
    build_dataset(ENTRIES[quality], folder, CooperativeNavigation, seed=seed, transitions=25 * episodes)
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """quality → a dataset of 1,000 episodes, built once (medium-replay: all 3,900)."""
    built = {}

    def get(quality):
        if quality not in built:
            folder = tmp_path_factory.mktemp("data") / quality
            built[quality] = build(folder, quality, 3900 if quality == "medium-replay" else 1000)
        return built[quality]

    return get


@pytest.mark.parametrize(
    ("quality", "low", "high"),
    [
        ("expert", 520, 545),  # published 530.9
        ("medium", 265, 295),  # 273.4
        ("medium-replay", 195, 210),  # 203.7
        ("random", 160.5 - 6, 160.5 + 6),  # standard error 1.9
    ],
)
def test_mean_return_lies_in_its_band(thousand, quality, low, high):
    assert low <= thousand(quality).returns().mean() <= high


@pytest.mark.parametrize("quality", ["expert", "medium", "random"])
def test_returns_spread_as_the_published_ones_do(thousand, quality):
    published = {"expert": 71, "medium": 92, "random": 60}
    assert thousand(quality).returns().std() == pytest.approx(published[quality], rel=0.1)


@pytest.mark.parametrize("quality", QUALITIES)
def test_equal_seeds_give_equal_bits(tmp_path, quality):
    one, again = (build(tmp_path / name, quality, 40, seed=5) for name in ("one", "again"))
    assert one.hash == again.hash


@pytest.mark.parametrize("quality", [quality for quality in QUALITIES if quality != "medium-replay"])
def test_another_seed_gives_other_episodes(tmp_path, quality):
    one, other = (build(tmp_path / str(seed), quality, 40, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one.obs[:26], other.obs[:26])
    assert not np.array_equal(one.action[:25], other.action[:25])


@pytest.mark.parametrize("quality", QUALITIES)
def test_episodes_do_not_depend_on_how_many_are_played_side_by_side(tmp_path, quality, monkeypatch):
    at_once = build(tmp_path / "at-once", quality, 40)
    monkeypatch.setattr(datasets, "COPIES", 7)
    in_sevens = build(tmp_path / "in-sevens", quality, 40)
    assert at_once.hash == in_sevens.hash


def test_qualities_start_from_different_states(thousand):
    starts = [np.asarray(thousand(quality).obs[0]).tobytes() for quality in QUALITIES]
    assert len(set(starts)) == len(QUALITIES)


def test_random_actions_are_uniform_and_independent_over_agents(thousand):
    action = np.asarray(thousand("random").action).reshape(-1, 6)
    assert np.abs(action).max() <= 1.0
    histogram, _ = np.histogram(action, bins=20, range=(-1, 1))
    assert histogram == pytest.approx(action.size / 20, rel=0.03)
    assert np.corrcoef(action.T) - np.eye(6) == pytest.approx(0.0, abs=0.03)


@pytest.fixture(params=["expert", "medium"])
def behaviour(request, thousand):
    """What the shipped policy does without noise, the data's actions minus that, both [N, 3, 2], and the card."""
    data = thousand(request.param)
    obs = np.delete(np.asarray(data.obs), np.arange(25, len(data.obs), 26), axis=0)  # without last observations
    intended = shipped(f"mpe-cn-{request.param}").policy()(obs.astype(np.float64))
    return intended, np.asarray(data.action) - intended, data.card


def test_actions_are_the_checkpoints_with_the_noise_the_card_states(behaviour):
    intended, noise, card = behaviour
    unclipped = np.abs(noise[np.abs(intended) < 0.1])  # a median below 0.9 is blind to the clipping at 1
    assert np.median(unclipped) == pytest.approx(0.6745 * card.notes["noise_sd"], rel=0.03)
    saturated = noise[intended > 0.999]
    assert saturated.max() < 1e-2
    assert np.median(saturated[saturated < 0]) < -0.1


def test_noise_is_independent_over_agents_dimensions_and_steps(behaviour):
    intended, noise, _ = behaviour
    free = np.abs(intended) < 0.7
    sign = np.where(free, np.sign(noise), 0.0).reshape(-1, 6)
    together = (sign.T @ sign) / (free.reshape(-1, 6).T.astype(float) @ free.reshape(-1, 6))
    assert together - np.eye(6) == pytest.approx(0.0, abs=0.05)
    both = (free[1:] & free[:-1]).sum()
    assert (sign[1:] * sign[:-1]).sum() / both == pytest.approx(0.0, abs=0.05)


def test_the_card_names_checkpoint_trainer_seed_and_behaviour(thousand):
    notes = thousand("expert").card.notes
    assert notes["checkpoint_sha256"] == shipped("mpe-cn-expert").sha256
    assert notes["trained_by"].startswith("python -m zoo_matd3 ship")
    assert notes["training"]["seed"] == 0
    assert notes["training"]["return_mean"] > 500
    assert "independently" in notes["factorised"]


def test_medium_is_the_policy_at_the_end_of_the_replay():
    medium, replay = (shipped(f"mpe-cn-{name}").about for name in ("medium", "medium-replay"))
    assert medium == replay
    assert medium["transitions"] == ENTRIES["medium-replay"].transitions
    assert 230 <= medium["return_mean"] <= 330


def test_the_replay_holds_the_recorded_actions_in_the_learners_order(thousand):
    data, record = thousand("medium-replay"), shipped("mpe-cn-medium-replay").tensors
    assert np.array_equal(np.asarray(data.action), record["actions"].reshape(97_500, 3, 2).astype(np.float32))
    env = CooperativeNavigation(20)
    for first in (0, 2000, 3880):
        view = env.reset(record["seeds"][first : first + 20])
        for t in range(25):
            rows = np.arange(first, first + 20) * 26 + t
            assert np.array_equal(np.asarray(data.obs)[rows], view.obs.astype(np.float32))
            view = env.step(record["actions"][first : first + 20, t])
            steps = np.arange(first, first + 20) * 25 + t
            assert np.array_equal(np.asarray(data.reward)[steps], view.reward.astype(np.float32))


def test_the_replay_begins_at_random_and_ends_in_the_medium_band(thousand):
    returns = thousand("medium-replay").returns()
    assert returns[:400].mean() == pytest.approx(160.5, abs=10)
    assert 230 <= returns[-200:].mean() <= 330


def test_the_replay_cannot_be_built_larger_than_it_is(tmp_path):
    with pytest.raises(DatasetError, match="97,500"):
        build(tmp_path / "large", "medium-replay", 3901)
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize("name", ["mpe-cn-expert", "mpe-cn-medium", "mpe-cn-medium-replay"])
def test_shipped_files_are_small_and_of_mpe_cn(name):
    file = shipped(name)
    assert file.about["env"] == "mpe-cn"
    assert sum(tensor.nbytes for tensor in file.tensors.values()) < 2_500_000


def test_a_missing_file_says_what_to_do():
    with pytest.raises(DatasetError, match="reinstall"):
        shipped("mpe-cn-superb")


def test_a_policy_acts_alike_in_any_batch():
    policy = shipped("mpe-cn-expert").policy()
    obs = np.random.default_rng(0).normal(size=(500, 3, 18))
    together = policy(obs).astype(np.float32)
    alone = np.concatenate([policy(obs[i : i + 1]) for i in range(500)]).astype(np.float32)
    assert np.array_equal(together, alone)


def test_an_agents_action_depends_on_its_own_observation_alone():
    policy = shipped("mpe-cn-expert").policy()
    obs = np.random.default_rng(1).normal(size=(10, 3, 18))
    changed = obs.copy()
    changed[:, 1:] += 1.0
    assert np.array_equal(policy(obs)[:, 0], policy(changed)[:, 0])


def test_a_random_policy_is_a_function_of_its_seed():
    obs = np.random.default_rng(2).normal(size=(10, 3, 18))
    one, again, other = (random_policy(seed, 3, 18, 2)(obs) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert 0.01 < np.abs(one).mean() < 0.5  # neither still nor saturated
