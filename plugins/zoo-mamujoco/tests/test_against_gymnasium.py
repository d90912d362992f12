"""Step by step, every number is the one that Gymnasium's environment gives."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from zoo_mamujoco.physics import Bodies
from zoo_mamujoco.robots import ROBOTS

STEPS = 150
TWO = np.arange(2)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Gymnasium's environment; MuJoCo 4 writes its complaint about HalfCheetah's model into the working directory."""
    monkeypatch.chdir(tmp_path)
    made = []

    def get(robot, **options):
        made.append(gymnasium.make(f"{robot}-v4", **options))
        return made[-1]

    yield get
    for env in made:
        env.close()


def play(theirs, ours, seeds):
    """Yields (their observation, reward, terminated; our reward) at every step; copy 1 plays another episode."""
    random = np.random.default_rng(0)
    for seed in seeds:
        obs, _ = theirs.reset(seed=seed)
        ours.reset(np.array([seed, seed + 100]), TWO)
        yield obs, 0.0, False, 0.0
        for _ in range(STEPS):
            action = random.uniform(-1.3, 1.3, (2, len(ours.robot.joints)))  # beyond the bounds too
            obs, reward, terminated, _, _ = theirs.step(action[0])
            yield obs, reward, terminated, ours.step(action, TWO)[0]
            if terminated:
                break


@pytest.mark.parametrize("name", ROBOTS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_observations_rewards_and_endings_are_gymnasiums_to_the_bit(name, make):
    theirs, ours = make(name), Bodies(ROBOTS[name], 2)
    endings = 0
    for obs, reward, terminated, ours_reward in play(theirs, ours, range(4)):
        seen = ours.observation()[0]
        assert np.array_equal(seen[: len(obs)], obs)
        assert not seen[len(obs) :].any()
        assert ours_reward == reward
        assert ours.unhealthy()[0] == terminated
        endings += terminated
    assert (endings > 0) == (name != "HalfCheetah")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_contact_forces_are_gymnasiums_and_cost_nothing(make):
    theirs, ours = make("Ant", use_contact_forces=True), Bodies(ROBOTS["Ant"], 2, contacts=True)
    touched = 0.0
    for obs, reward, _, ours_reward in play(theirs, ours, range(2)):
        assert np.array_equal(ours.observation()[0], obs)
        cost = 5e-4 * np.sum(np.square(ours.contacts[0])) if ours_reward else 0.0
        assert ours_reward - cost == pytest.approx(reward, abs=1e-12)
        touched = max(touched, np.abs(ours.contacts).max())
    assert touched == 1.0


def test_reading_a_model_prints_nothing_and_writes_no_file(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Bodies(ROBOTS["HalfCheetah"], 1)
    assert list(tmp_path.iterdir()) == []
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
