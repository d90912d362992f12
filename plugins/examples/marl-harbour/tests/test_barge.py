"""The barge obeys its formulas, and its reference returns are what the command prints."""

import numpy as np
import pytest
from harbour.__main__ import expert, mean_return, uniform
from harbour.barge import ARM, DRAG, DT, INERTIA, TURN_DRAG, Barge, pilot
from harbour.plugin import REFERENCE, zoo_datasets

from zoo_core import UsageError
from zoo_core.data import Dataset, build_dataset

zoo_plugin = "harbour.plugin"
(MIXED,) = zoo_datasets()


def test_conformance(zoo_claim):
    zoo_claim()


def test_one_step_is_the_formula():
    env = Barge(1)
    env.reset([3])
    env.velocity[:], env.rate[:] = (0.3, -0.2), 0.1
    (x, y), theta = env.position[0], env.heading[0]
    shown = env.step(np.array([[[0.5, -1.0], [0.8, 0.0]]]))
    fx = 0.5 * np.cos(theta) - (-1.0 + 0.8) * np.sin(theta)
    fy = 0.5 * np.sin(theta) + (-1.0 + 0.8) * np.cos(theta)
    vx, vy = 0.3 + DT * (fx - DRAG * 0.3), -0.2 + DT * (fy + DRAG * 0.2)
    rate = 0.1 + DT * (ARM * (0.8 + 1.0) / INERTIA - TURN_DRAG * 0.1)
    x, y, theta = x + DT * vx, y + DT * vy, theta + DT * rate
    assert env.position[0] == pytest.approx([x, y])
    assert env.heading[0] == pytest.approx(theta)
    assert shown.reward[0] == pytest.approx([-np.hypot(x, y) - 0.5 * abs(theta)] * 2)


def test_equal_pushes_across_shift_and_opposed_pushes_turn():
    env = Barge(2)
    env.reset([0, 1])
    before = env.heading.copy(), env.position.copy()
    env.step(np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, -1.0], [1.0, 0.0]]]))
    assert env.heading[0] == before[0][0]
    assert env.heading[1] > before[0][1]
    assert not np.array_equal(env.position[0], before[1][0])
    assert np.array_equal(env.position[1], before[1][1])


def test_at_rest_in_the_berth_the_episode_terminates():
    env = Barge(1)
    env.reset([0])
    env.position[:], env.heading[:] = 0.01, 0.01
    shown = env.step(np.zeros((1, 2, 2)))
    assert shown.terminated.all()
    assert not shown.truncated.any()


def test_the_pilot_docks_from_every_start():
    _, _, docked = mean_return(expert, episodes=500)
    assert docked == 1.0


@pytest.mark.parametrize(("policy", "stated"), [(uniform, REFERENCE.random), (expert, REFERENCE.expert)])
def test_the_reference_scores_are_what_the_command_measures(policy, stated):
    mean, error, _ = mean_return(policy, episodes=1000)
    assert mean == pytest.approx(stated, abs=4 * error)


def test_the_thruster_steers_by_what_it_sees():
    obs = Barge(8).reset(range(8)).obs
    changed = obs.copy()
    changed[:, 0] += 1.0
    assert np.array_equal(pilot(obs)[:, 1], pilot(changed)[:, 1])


def test_the_picture_shows_the_hull_where_the_barge_is():
    env = Barge(1)
    env.reset([0])
    env.position[:], env.heading[:] = (1.25, 1.25), 0.0
    hull = (env.render() == (196, 84, 60)).all(-1)
    rows, columns = np.nonzero(hull)
    assert rows.mean() == pytest.approx(40, abs=3)  # up is +y: a quarter from the top
    assert columns.mean() == pytest.approx(120, abs=3)


def test_an_action_of_another_shape_is_refused():
    env = Barge(2)
    env.reset([0, 1])
    with pytest.raises(UsageError, match=r"\(2, 2, 2\)"):
        env.step(np.zeros((2, 3)))


def test_equal_seeds_give_equal_data_and_half_of_it_is_the_pilots(tmp_path):
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        build_dataset(MIXED, tmp_path / name, Barge, seed=seed, transitions=10_000)
    one, again, other = (Dataset.open(tmp_path / name) for name in ("one", "again", "other"))
    assert one.hash == again.hash
    assert one.hash != other.hash
    assert 10_000 <= len(one.action) < 10_000 + Barge.team.episode_limit
    docked = np.asarray(one.terminated).sum() / len(one.returns())
    assert docked == pytest.approx(0.5, abs=0.1)
    assert not np.asarray(one.action)[:, 1, 1].any()
