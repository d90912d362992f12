"""What agents see: OMIGA's convention, OMAR's, and Gymnasium-Robotics' local observations."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_core import UsageError
from zoo_mamujoco.envs import MultiAgentMujoco
from zoo_mamujoco.observations import neighbourhood, view_of
from zoo_mamujoco.robots import ROBOTS
from zoo_mamujoco.tasks import Task

RECORDED = {
    ("Ant", "2x4", 0): [
        [8, 22, *range(41, 59), 10, 24, *range(59, 77), 7, 21, *range(35, 41), 9, 23, *range(2, 7), *range(15, 21)],
        [12, 26, *range(77, 95), 14, 28, *range(95, 113), 11, 25, *range(35, 41), 13, 27, *range(2, 7), *range(15, 21)],
    ],
    ("Ant", "4x2", 1): [
        [8, 22, *range(41, 59), 7, 21, *range(35, 41), 9, 11, 13, *range(2, 7), *range(15, 21)],
        [10, 24, *range(59, 77), 9, 23, *range(35, 41), 7, 11, 13, *range(2, 7), *range(15, 21)],
        [12, 26, *range(77, 95), 11, 25, *range(35, 41), 7, 9, 13, *range(2, 7), *range(15, 21)],
        [14, 28, *range(95, 113), 13, 27, *range(35, 41), 7, 9, 11, *range(2, 7), *range(15, 21)],
    ],
    ("Hopper", "3x1", 1): [
        [3, 9, 4, 1, 2, 6, 7, 8],
        [4, 10, 5, 3, 1, 2, 6, 7, 8],
        [5, 11, 4, 1, 2, 6, 7, 8],
    ],
    ("HalfCheetah", "6x1", 2): [
        [3, 12, 4, 6, 5, 7, 1, 2, 9, 10, 11],
        [4, 13, 5, 3, 6, 1, 2, 9, 10, 11],
        [5, 14, 4, 3, 1, 2, 9, 10, 11],
        [6, 15, 3, 7, 4, 8, 1, 2, 9, 10, 11],
        [7, 16, 8, 6, 3, 1, 2, 9, 10, 11],
        [8, 17, 7, 6, 1, 2, 9, 10, 11],
    ],
    ("HalfCheetah", "2x3", 1): [
        [5, 14, 4, 13, 3, 12, 6, 1, 2, 9, 10, 11],
        [8, 17, 7, 16, 6, 15, 3, 1, 2, 9, 10, 11],
    ],
}
"""(robot, partition, obsk) → what each agent sees in gymnasium-robotics 1.4.2, as entries of (positions, velocities,
contact forces)."""

ACTUATORS = {
    ("Ant", "2x4"): [[2, 3, 4, 5], [6, 7, 0, 1]],
    ("Ant", "2x4d"): [[2, 3, 0, 1], [4, 5, 6, 7]],
    ("Ant", "4x2"): [[2, 3], [4, 5], [6, 7], [0, 1]],
    ("Hopper", "3x1"): [[0], [1], [2]],
    ("HalfCheetah", "6x1"): [[0], [1], [2], [3], [4], [5]],
    ("HalfCheetah", "2x3"): [[0, 1, 2], [3, 4, 5]],
}
"""Which actuators each agent drives there."""


def make(robot, partition, copies=2, **options):
    env = MultiAgentMujoco(copies, robot=robot, partition=partition, **options)
    view = env.reset(range(copies))
    for t in range(3):
        action = np.random.default_rng(t).uniform(-1, 1, (copies, env.team.n, env.team.action_size))
        view = env.step(action)
    return env, view


@pytest.mark.parametrize(("case", "seen"), RECORDED.items(), ids=str)
def test_local_observations_are_gymnasium_robotics(case, seen):
    robot, partition, obsk = case
    assert [neighbourhood(ROBOTS[robot], part, obsk) for part in ROBOTS[robot].partitions[partition]] == seen
    env, view = make(robot, partition, obs="local", obsk=obsk, contacts=True)
    state = np.concatenate([env.bodies.position, env.bodies.seen_velocity(), env.bodies.contacts], axis=1)
    assert env.team.obs_sizes == tuple(map(len, seen))
    for agent, entries in enumerate(seen):
        assert np.array_equal(view.obs[:, agent, : len(entries)], state[:, entries])
        assert not view.obs[:, agent, len(entries) :].any()
    assert np.array_equal(view.state, env.bodies.observation())


@pytest.mark.parametrize(("case", "driven"), ACTUATORS.items(), ids=str)
def test_agents_drive_their_own_joints_in_local_and_the_models_order_otherwise(case, driven):
    robot, partition = case
    assert [list(own) for own in view_of(Task(robot, partition, "local")).actuators] == driven
    for convention in ("omiga", "omar") if robot == "HalfCheetah" else ("omiga",):
        in_order = view_of(Task(robot, partition, convention)).actuators
        assert [actuator for own in in_order for actuator in own] == list(range(len(ROBOTS[robot].joints)))
        assert list(map(len, in_order)) == list(map(len, driven))


@pytest.mark.parametrize(
    ("robot", "partition", "size"), [("Ant", "2x4", 113), ("Hopper", "3x1", 14), ("HalfCheetah", "6x1", 23)]
)
def test_omiga_is_everything_and_the_agents_number_standardised_per_vector(robot, partition, size):
    env, view = make(robot, partition)
    assert env.team.obs_sizes == (size,) * env.team.n
    assert view.state is None
    for copy in range(env.num_envs):
        for agent in range(env.team.n):
            number = [float(agent == other) for other in range(env.team.n)]
            whole = np.array([*env.bodies.observation()[copy], *number])
            assert view.obs[copy, agent] == pytest.approx((whole - whole.mean()) / whole.std(), abs=1e-12)


def test_ants_contact_entries_are_zeros_before_standardising_unless_asked_for():
    plain, filled = (make("Ant", "2x4", contacts=contacts) for contacts in (False, True))
    assert np.ptp(plain[1].obs[..., 27:111], axis=-1).max() == 0.0
    assert np.ptp(filled[1].obs[..., 27:111], axis=-1).max() > 0.1
    assert plain[0].team.obs_sizes == filled[0].team.obs_sizes
    assert np.array_equal(plain[1].reward, filled[1].reward)


def test_omar_shows_an_agent_its_own_joints_sorted_by_name_and_stores_the_full_state():
    env, view = make("HalfCheetah", "2x3")
    position, velocity = env.bodies.position, env.bodies.velocity
    bthigh, bshin, bfoot, fthigh, fshin, ffoot = range(3, 9)
    for agent, joints in enumerate([(bfoot, bshin, bthigh), (ffoot, fshin, fthigh)]):
        expected = np.stack([values[:, joint] for joint in joints for values in (position, velocity)], axis=1)
        assert np.array_equal(view.obs[:, agent], expected)
    assert np.array_equal(view.state, np.concatenate([position[:, 1:], velocity], axis=1))
    assert env.team.state_size == 17


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"robot": "HalfCheetah", "partition": "3x2"}, r"no partition '3x2'; there are 2x3 \(2 agents\), 6x1"),
        ({"robot": "Ant", "partition": "8x1"}, r"Ant has 8 joints and no partition '8x1'; there are 2x4 .*4x2"),
        ({"robot": "Hoper", "partition": "3x1"}, "no robot is called 'Hoper'.*Hopper"),
        ({"robot": "Hopper", "partition": "3x1", "obs": "locl"}, r"'locl'\. Did you mean 'local'"),
        ({"robot": "Ant", "partition": "2x4", "obs": "omar"}, "obs=omar is defined for HalfCheetah alone.*obs=local"),
        (
            {"robot": "Hopper", "partition": "3x1", "obs": "omar"},
            "defined for HalfCheetah alone.*hide the root of Hopper",
        ),
        ({"robot": "Hopper", "partition": "3x1", "obs": "local", "obsk": -1}, "0 or more, not -1"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(options, message):
    with pytest.raises(UsageError, match=message):
        MultiAgentMujoco(1, **options)
