"""The built-in datasets: equal seeds give equal bits, returns lie in their bands, the replay is what was recorded."""

import numpy as np
import pytest

from zoo_core import DatasetError
from zoo_core.data import Dataset, build_dataset
from zoo_mpe import datasets
from zoo_mpe.envs import CooperativeNavigation, PredatorPrey, World
from zoo_mpe.plugin import DATASETS
from zoo_mpe.policies import random_policy, shipped

MAKE = {"mpe-cn": CooperativeNavigation, "mpe-pp": PredatorPrey, "mpe-world": World}
ENTRIES = {entry.name: entry for entry in DATASETS}
NAMES = sorted(ENTRIES)
CHASES = ["mpe-pp", "mpe-world"]


def build(folder, name, episodes, seed=0):
    entry = ENTRIES[name]
    build_dataset(entry, folder, MAKE[entry.env], seed=seed, transitions=25 * episodes)
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """name → a dataset of 1,000 episodes, built once (medium-replay: all it has)."""
    built = {}

    def get(name):
        if name not in built:
            folder = tmp_path_factory.mktemp("data") / name
            folder.parent.mkdir(exist_ok=True)
            whole = ENTRIES[name].transitions // 25 if name.endswith("medium-replay") else 1000
            built[name] = build(folder, name, whole)
        return built[name]

    return get


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("mpe-cn/expert", 520, 545),  # published 530.9
        ("mpe-cn/medium", 265, 295),  # 273.4
        ("mpe-cn/medium-replay", 195, 210),  # 203.7
        ("mpe-cn/random", 160.5 - 6, 160.5 + 6),  # standard error 1.9
        ("mpe-pp/expert", 194, 211),  # 207.9, of another prey, as all that follow
        ("mpe-pp/medium", 106, 123),  # 116.4
        ("mpe-pp/medium-replay", 9, 12),  # 3.9
        ("mpe-pp/random", -6.5, -3.7),  # -4.1
        ("mpe-world/expert", 80, 87),  # 85.2
        ("mpe-world/medium", 48, 57),  # 65.9
        ("mpe-world/medium-replay", 3.5, 5.5),  # 1.2
        ("mpe-world/random", -8.2, -6.8),  # -6.8
    ],
)
def test_mean_return_lies_in_its_band(thousand, name, low, high):
    assert low <= thousand(name).returns().mean() <= high


@pytest.mark.parametrize("env", MAKE)
def test_better_qualities_return_more(thousand, env):
    means = [
        thousand(f"{env}/{quality}").returns().mean() for quality in ("random", "medium-replay", "medium", "expert")
    ]
    assert means == sorted(means)
    assert len(set(means)) == 4


@pytest.mark.parametrize("quality", ["expert", "medium", "random"])
def test_returns_spread_as_the_published_ones_do(thousand, quality):
    published = {"expert": 71, "medium": 92, "random": 60}
    assert thousand(f"mpe-cn/{quality}").returns().std() == pytest.approx(published[quality], rel=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_bits(tmp_path, name):
    one, again = (build(tmp_path / folder, name, 40, seed=5) for folder in ("one", "again"))
    assert one.hash == again.hash


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("medium-replay")])
def test_another_seed_gives_other_episodes(tmp_path, name):
    one, other = (build(tmp_path / str(seed), name, 40, seed=seed) for seed in (0, 1))
    assert not np.array_equal(one.obs[:26], other.obs[:26])
    assert not np.array_equal(one.action[:25], other.action[:25])


@pytest.mark.parametrize("name", NAMES)
def test_episodes_do_not_depend_on_how_many_are_played_side_by_side(tmp_path, name, monkeypatch):
    at_once = build(tmp_path / "at-once", name, 40)
    monkeypatch.setattr(datasets, "COPIES", 7)
    in_sevens = build(tmp_path / "in-sevens", name, 40)
    assert at_once.hash == in_sevens.hash


def test_qualities_start_from_different_states(thousand):
    starts = [np.asarray(thousand(name).obs[0]).tobytes() for name in NAMES]
    assert len(set(starts)) == len(NAMES)


def test_random_actions_are_uniform_and_independent_over_agents(thousand):
    action = np.asarray(thousand("mpe-cn/random").action).reshape(-1, 6)
    assert np.abs(action).max() <= 1.0
    histogram, _ = np.histogram(action, bins=20, range=(-1, 1))
    assert histogram == pytest.approx(action.size / 20, rel=0.03)
    assert np.corrcoef(action.T) - np.eye(6) == pytest.approx(0.0, abs=0.03)


@pytest.fixture(params=["mpe-cn/expert", "mpe-cn/medium", "mpe-pp/expert", "mpe-world/medium"])
def behaviour(request, thousand):
    """What the shipped policy does without noise, the data's actions minus that, both [N, 3, 2], and the card."""
    data = thousand(request.param)
    obs = np.delete(np.asarray(data.obs), np.arange(25, len(data.obs), 26), axis=0)  # without last observations
    intended = shipped(request.param.replace("/", "-")).policy()(obs.astype(np.float64))
    return intended, np.asarray(data.action) - intended, data.card


def test_actions_are_the_checkpoints_with_the_noise_the_card_states(behaviour):
    intended, noise, card = behaviour
    unclipped = np.abs(noise[np.abs(intended) < 0.1])  # a median below 0.9 is blind to the clipping at 1
    assert np.median(unclipped) == pytest.approx(0.6745 * card.notes["noise_sd"], rel=0.04)
    near_the_bound = noise[intended > 0.9]
    assert (intended + noise).max() <= 1.0 + 1e-6
    assert np.median(near_the_bound[near_the_bound < 0]) == pytest.approx(-0.6745 * card.notes["noise_sd"], rel=0.1)


def test_noise_is_independent_over_agents_dimensions_and_steps(behaviour):
    intended, noise, _ = behaviour
    free = np.abs(intended) < 0.7
    sign = np.where(free, np.sign(noise), 0.0).reshape(-1, 6)
    together = (sign.T @ sign) / (free.reshape(-1, 6).T.astype(float) @ free.reshape(-1, 6))
    assert together - np.eye(6) == pytest.approx(0.0, abs=0.05)
    both = (free[1:] & free[:-1]).sum()
    assert (sign[1:] * sign[:-1]).sum() / both == pytest.approx(0.0, abs=0.05)


def test_correlated_noise_is_the_mediums_but_shared(thousand):
    """Signs of two normal numbers of correlation ρ agree with probability ½ + asin(ρ)/π, so their product has the
    mean 2 asin(ρ)/π; agents alike, dimensions and steps still independent."""
    data = thousand("mpe-cn/correlated")
    obs = np.delete(np.asarray(data.obs), np.arange(25, len(data.obs), 26), axis=0)
    intended = shipped("mpe-cn-medium").policy()(obs.astype(np.float64))
    noise = np.asarray(data.action) - intended
    free = np.abs(intended) < 0.7
    sign = np.where(free, np.sign(noise), 0.0).reshape(-1, 6)
    together = (sign.T @ sign) / (free.reshape(-1, 6).T.astype(float) @ free.reshape(-1, 6))
    expected = np.kron(np.full((3, 3), 2 / np.pi * np.arcsin(datasets.SHARED)), np.eye(2))
    np.fill_diagonal(expected, 1.0)
    assert together == pytest.approx(expected, abs=0.05)
    unclipped = np.abs(noise[np.abs(intended) < 0.1])
    assert np.median(unclipped) == pytest.approx(0.6745 * data.card.notes["noise_sd"], rel=0.03)
    assert data.card.notes["noise_correlation"] == datasets.SHARED
    assert data.card.notes["factorised"].startswith("no")


def test_shared_noise_correlates_the_actions_and_independent_noise_does_not(thousand):
    independent, shared = (thousand(f"mpe-cn/{quality}").action_correlation() for quality in ("medium", "correlated"))
    assert abs(independent.gain) < 0.005
    assert shared.gain > 0.3
    assert shared.canonical > 0.7


@pytest.mark.parametrize("env", MAKE)
def test_the_card_names_checkpoint_trainer_seed_and_behaviour(thousand, env):
    notes = thousand(f"{env}/expert").card.notes
    assert notes["checkpoint_sha256"] == shipped(f"{env}-expert").sha256
    assert notes["trained_by"].startswith(f"python -m zoo_matd3 ship --env {env}")
    assert notes["training"]["seed"] == 0
    assert notes["training"]["return_mean"] > thousand(f"{env}/medium").card.notes["training"]["return_mean"]
    assert notes["noise_sd"] == datasets.NOISE[env]
    assert "independently" in notes["factorised"]


@pytest.mark.parametrize("env", MAKE)
def test_medium_is_the_policy_at_the_end_of_the_replay(env):
    medium, replay = (shipped(f"{env}-{name}").about for name in ("medium", "medium-replay"))
    assert medium == replay
    assert medium["transitions"] == ENTRIES[f"{env}/medium-replay"].transitions
    low, high = {"mpe-cn": (230, 330), "mpe-pp": (100, 130), "mpe-world": (50, 65)}[env]
    assert low <= medium["return_mean"] <= high


@pytest.mark.parametrize("env", MAKE)
def test_the_replay_holds_the_recorded_actions_in_the_learners_order(thousand, env):
    data, record = thousand(f"{env}/medium-replay"), shipped(f"{env}-medium-replay").tensors
    assert np.array_equal(np.asarray(data.action), record["actions"].reshape(-1, 3, 2).astype(np.float32))
    game = MAKE[env](20)
    for first in (0, 1200, data.num_episodes - 20):
        view = game.reset(record["seeds"][first : first + 20])
        for t in range(25):
            rows = np.arange(first, first + 20) * 26 + t
            assert np.array_equal(np.asarray(data.obs)[rows], view.obs.astype(np.float32))
            view = game.step(record["actions"][first : first + 20, t].astype(np.float32))
            steps = np.arange(first, first + 20) * 25 + t
            assert np.array_equal(np.asarray(data.reward)[steps], view.reward.astype(np.float32))


def test_the_replay_begins_at_random_and_ends_in_the_medium_band(thousand):
    returns = thousand("mpe-cn/medium-replay").returns()
    assert returns[:400].mean() == pytest.approx(160.5, abs=10)
    assert 230 <= returns[-200:].mean() <= 330


@pytest.mark.parametrize("env", CHASES)
def test_a_chases_replay_begins_at_random_and_ends_far_above(thousand, env):
    returns = thousand(f"{env}/medium-replay").returns()
    random = thousand(f"{env}/random").returns().mean()
    assert returns[:400].mean() == pytest.approx(random, abs=3)
    assert returns[-200:].mean() > 30


@pytest.mark.parametrize("env", MAKE)
def test_the_card_of_a_smaller_replay_says_that_it_is_the_beginning(thousand, tmp_path, env):
    whole = ENTRIES[f"{env}/medium-replay"].transitions // 25
    assert "first to last" in thousand(f"{env}/medium-replay").card.notes["behaviour"]
    small = build(tmp_path / "small", f"{env}/medium-replay", 4)
    assert f"the first 4 of {whole:,} episodes alone" in small.card.notes["behaviour"]


@pytest.mark.parametrize("env", MAKE)
def test_the_replay_cannot_be_built_larger_than_it_is(tmp_path, env):
    whole = ENTRIES[f"{env}/medium-replay"].transitions
    with pytest.raises(DatasetError, match=f"{whole:,}"):
        build(tmp_path / "large", f"{env}/medium-replay", whole // 25 + 1)
    assert not (tmp_path / "large").exists()


@pytest.mark.parametrize("env", CHASES)
def test_data_of_a_chase_names_the_prey_that_was_chased(thousand, env):
    assert thousand(f"{env}/expert").team.scripted == (f"prey_0=network-{shipped(f'{env}-prey').sha256[:12]}",)


FILES = [(env, name) for env in MAKE for name in ("expert", "medium", "medium-replay")]


@pytest.mark.parametrize(("env", "name"), [*FILES, *((env, "prey") for env in CHASES)])
def test_shipped_files_are_small_and_of_their_environment(env, name):
    file = shipped(f"{env}-{name}")
    assert file.about["env"] == env
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
