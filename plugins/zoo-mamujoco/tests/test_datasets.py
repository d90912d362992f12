"""The built-in datasets: equal seeds give equal bits, qualities are ordered, recipes are what their cards say."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_core import DatasetError
from zoo_core.data import Dataset, build_dataset
from zoo_mamujoco import datasets, ship, train
from zoo_mamujoco.datasets import behaviour
from zoo_mamujoco.plugin import DATASETS, ENVS
from zoo_mamujoco.policies import shipped
from zoo_mamujoco.train import minds

MAKE = {entry.name: entry.load() for entry in ENVS}
ENTRIES = {entry.name: entry for entry in DATASETS}
WITH_DATA = sorted({entry.env for entry in DATASETS})
ORDER = ("random", "medium-replay", "medium", "expert")


def build(folder, name, transitions, seed=0):
    entry = ENTRIES[name]
    build_dataset(entry, folder, MAKE[entry.env], seed=seed, transitions=transitions)
    return Dataset.open(folder)


def size(env, quality):
    """Transitions that let every part of a dataset show: an episode for each snapshot of a cheetah's replay."""
    if quality == "medium-replay":
        count = len(behaviour(env, quality).policies)
        return count * (1000 if "halfcheetah" in env else 400)
    return 3000 if "halfcheetah" in env else 8000


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """name → a small build of it, made once."""
    made = {}

    def get(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("data") / "built"
            made[name] = build(folder, name, size(*name.split("/")))
        return made[name]

    return get


@pytest.mark.parametrize("env", WITH_DATA)
def test_better_qualities_return_more(built, env):
    names = [f"{env}/{quality}" for quality in ORDER]
    offered = [name for name in names if name in ENTRIES]
    means = [built(name).returns().mean() for name in offered]
    assert len(means) >= 2
    assert (np.diff(means) > 100).all()
    medium, expert = (behaviour(env, quality).about["return_mean"] for quality in ("medium", "expert"))
    assert expert > 1.3 * medium


@pytest.mark.parametrize("env", WITH_DATA)
def test_medium_expert_is_the_medium_data_then_the_expert_data(tmp_path, env):
    if f"{env}/medium-expert" not in ENTRIES:
        assert f"{env}/random" in ENTRIES
        return
    both = build(tmp_path / "both", f"{env}/medium-expert", 2000)
    medium, expert = (build(tmp_path / quality, f"{env}/{quality}", 1000) for quality in ("medium", "expert"))
    cut = medium.num_transitions
    assert np.array_equal(both.action[:cut], medium.action)
    rest = min(both.num_transitions - cut, expert.num_transitions)
    assert np.array_equal(both.action[cut : cut + rest], expert.action[:rest])
    assert both.card.notes["checkpoint_sha256"] == [behaviour(env, quality).sha256 for quality in ("medium", "expert")]
    assert both.card.notes["factorised"].startswith("within each half")


def test_episodes_do_not_depend_on_how_many_are_played_side_by_side(tmp_path, monkeypatch):
    at_once = build(tmp_path / "at-once", "mamujoco-halfcheetah-6x1/expert", 2500)
    monkeypatch.setattr(datasets, "COPIES", 2)
    in_twos = build(tmp_path / "in-twos", "mamujoco-halfcheetah-6x1/expert", 2500)
    assert at_once.hash == in_twos.hash


@pytest.mark.parametrize("env", WITH_DATA)
def test_actions_are_the_policys_with_independent_noise_of_the_deviation_that_the_card_states(built, env):
    data = built(f"{env}/expert")
    policy, card = behaviour(env, "expert").policies[0], data.card
    world = MAKE[env](1)
    full = _full_observation(data, world)
    dealt = world.deal(policy.mean(full))
    sd = world.deal(np.broadcast_to(policy.sd, (len(full), len(policy.sd))))
    noise = (np.asarray(data.action) - dealt) / sd
    near_zero = np.abs(dealt) < 0.3  # half of all noise lies within 0.67 deviations, where clipping at 1 is not felt
    assert near_zero.sum() > 500
    assert np.median(np.abs(noise[near_zero])) == pytest.approx(0.6745, rel=0.1)
    assert card.notes["action_sd"] == [round(float(value), 4) for value in policy.sd]
    sign = np.where(np.abs(dealt) < 0.9, np.sign(noise), 0.0).reshape(len(full), -1)
    both = np.abs(sign).T @ np.abs(sign)
    together = (sign.T @ sign)[both > 500] / both[both > 500]
    expected = np.eye(sign.shape[1])[both > 500]
    assert together == pytest.approx(expected, abs=0.15)
    assert np.abs(data.action).max() <= 1.0


def _full_observation(data, world):
    """The full observation before every step, in double precision as far as the data hold it."""
    first = np.delete(np.arange(len(data.obs)), _last_rows(data))
    if data.state is not None:
        return np.asarray(data.state)[first].astype(float)
    seen = np.asarray(data.obs)[first, 0].astype(float)  # agent 0's vector: its number's 1 and 0 give the scale back
    zero, one = seen[:, -1:], seen[:, -world.team.n, None]
    return ((seen - zero) / (one - zero))[:, : world.full_observation().shape[1]]


def _last_rows(data):
    starts = np.asarray(data.episode_starts)
    return starts[1:] + np.arange(len(starts) - 1)


@pytest.mark.parametrize("env", WITH_DATA)
def test_a_replay_gives_an_equal_share_to_each_snapshot_from_the_first_to_the_medium(built, env):
    data, file = built(f"{env}/medium-replay"), behaviour(env, "medium-replay")
    snapshots = [entry["transitions"] for entry in file.about["snapshots"]]
    assert len(snapshots) == len(file.policies) >= 8
    assert snapshots[-1] == behaviour(env, "medium").about["transitions"]
    gaps = np.diff(snapshots)
    assert gaps.max() - gaps.min() <= 2 * 4096
    returns = np.asarray(data.returns())
    tenth = max(1, len(returns) // 10)
    assert returns[-tenth:].mean() > 3 * max(returns[:tenth].mean(), 1.0)
    assert np.array_equal(file.policies[-1].layers[0][0], behaviour(env, "medium").policies[0].layers[0][0])


def test_the_card_of_a_replay_too_small_for_all_snapshots_says_how_many_it_holds(tmp_path):
    name, snapshots = (
        "mamujoco-halfcheetah-6x1/medium-replay",
        len(behaviour("mamujoco-halfcheetah-6x1", "medium-replay").policies),
    )
    small = build(tmp_path / "small", name, 2000)
    assert f": 2 of {snapshots} snapshots of one learner" in small.card.notes["behaviour"]


@pytest.mark.parametrize("quality", ["medium", "expert", "medium-replay"])
def test_each_half_of_a_cheetah_acts_on_what_it_observes_alone(quality):
    """Else no agent could imitate the data: what another joint does must not move it."""
    env = MAKE["mamujoco-halfcheetah-2x3"](1)
    hind, fore = minds(env)
    for policy in behaviour("mamujoco-halfcheetah-2x3", quality).policies:
        full = np.random.default_rng(0).normal(size=(1, 17))
        other = full.copy()
        other[:, [entry for entry in range(17) if entry not in hind]] += 1.0
        assert np.array_equal(policy.mean(other)[:, :3], policy.mean(full)[:, :3])
        assert not np.array_equal(policy.mean(other)[:, 3:], policy.mean(full)[:, 3:])
    assert not set(hind) & set(fore)


def test_random_actions_are_uniform(built):
    action = np.asarray(built("mamujoco-halfcheetah-2x3/random").action).ravel()
    histogram, _ = np.histogram(action, bins=10, range=(-1, 1))
    assert histogram == pytest.approx(action.size / 10, rel=0.1)


@pytest.mark.parametrize("env", WITH_DATA)
def test_shipped_files_are_small_and_say_where_they_come_from(env):
    for quality in ("expert", "medium", "medium-replay"):
        file = behaviour(env, quality)
        assert file.about["algorithm"] == "PPO"
        assert file.about["transitions"] > 0
        assert len(file.sha256) == 64
        assert sum(weight.size + bias.size for p in file.policies for weight, bias in p.layers) * 4 < 1_000_000


@pytest.mark.parametrize("env", WITH_DATA)
def test_the_command_on_the_card_trains_and_ships_what_its_file_holds(env, tmp_path, monkeypatch):
    """Both halves are taken as they stand by the programs' own parsers."""
    training, shipping = (half.split()[3:] for half in datasets.training_command(shipped(f"{env}-expert")).split(";"))
    ran = {}
    monkeypatch.setattr(train, "train", lambda name, settings, seed, out, tell: ran.update(name=name, given=settings))
    monkeypatch.setattr(ship, "ship", lambda folder, medium, expert, *_: ran.update(medium=medium, expert=expert))
    assert train.main(training) == ship.main(shipping) == 0
    about = {quality: shipped(f"{env}-{quality}").about for quality in ("medium", "expert")}
    assert ran["name"] == env
    assert ran["given"].transitions == about["expert"]["settings"]["transitions"]
    assert (ran["medium"], ran["expert"]) == (about["medium"]["transitions"], about["expert"]["transitions"])


def test_a_missing_file_says_what_to_do():
    with pytest.raises(DatasetError, match="reinstall"):
        shipped("mamujoco-hopper-3x1-superb")


def test_a_policy_acts_alike_in_any_batch():
    policy = behaviour("mamujoco-halfcheetah-6x1", "expert").policies[0]
    full, seeds = np.random.default_rng(0).normal(size=(300, 17)), np.arange(300)
    together = policy.sample(full, seeds, 3).astype(np.float32)
    alone = np.concatenate([policy.sample(full[i : i + 1], seeds[i : i + 1], 3) for i in range(300)])
    assert np.array_equal(together, alone.astype(np.float32))
