"""The environment contract: copies, ends of episodes, actions, and what bad input gets."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_core import UsageError
from zoo_mamujoco.envs import EPISODE_LIMIT, MultiAgentMujoco


def make(robot="HalfCheetah", partition="6x1", copies=2, **options):
    return MultiAgentMujoco(copies, robot=robot, partition=partition, **options)


def still(env):
    return np.zeros((env.num_envs, env.team.n, env.team.action_size))


def test_a_cheetahs_episode_is_truncated_after_a_thousand_steps_and_stays_so():
    env = make(copies=1)
    env.reset([0])
    for _ in range(EPISODE_LIMIT - 1):
        view = env.step(still(env))
    assert not view.truncated[0]
    view = env.step(still(env))
    assert view.truncated[0]
    assert not view.terminated[0]
    after = env.step(still(env))
    assert np.array_equal(after.obs, view.obs)
    assert not after.reward.any()
    assert after.truncated[0]


def test_a_hopper_that_falls_terminates_alone():
    env = make("Hopper", "3x1", copies=2)
    env.reset([0, 1])
    push = np.zeros((2, 3, 1))
    push[0] = 1.0
    for _ in range(60):
        view = env.step(push)
        if view.terminated.any():
            break
    assert view.terminated.tolist() == [True, False]
    assert view.reward[0, 0] > 0  # alive_reward is given on the last step too, as in -v2
    fallen = env.bodies.position[0].copy()
    view = env.step(push)
    assert np.array_equal(env.bodies.position[0], fallen)
    assert not view.reward[0].any()
    assert not view.truncated.any()


def test_every_agent_receives_the_robots_reward():
    env = make()
    env.reset([0, 1])
    view = env.step(still(env) + 0.5)
    assert view.reward.shape == (2, 6)
    assert (view.reward == view.reward[:, :1]).all()
    assert view.reward[0, 0] != view.reward[1, 0]


def test_beyond_the_bounds_the_physics_holds_the_action_and_the_cost_counts_it():
    rewards, positions = [], []
    for strength in (1.0, 3.0):
        env = make(copies=1)
        env.reset([5])
        rewards.append(env.step(still(env) + strength).reward[0, 0])
        positions.append(env.bodies.position.copy())
    assert np.array_equal(*positions)
    assert rewards[0] - rewards[1] == pytest.approx(0.1 * 6 * (9.0 - 1.0))


@pytest.mark.parametrize(
    ("case", "obs"),
    [
        (("Ant", "2x4"), "omiga"),
        (("Ant", "2x4"), "local"),
        (("Ant", "4x2"), "local"),
        (("HalfCheetah", "2x3"), "omiga"),
        (("HalfCheetah", "2x3"), "omar"),
        (("HalfCheetah", "2x3"), "local"),
    ],
)
def test_a_control_is_dealt_out_to_the_agents_that_drive_it(case, obs):
    env = make(*case, obs=obs, copies=1)
    control = np.arange(len(env.bodies.robot.joints))[None] / 10
    env.reset([0])
    env.step(env.deal(control))
    assert np.array_equal(env.bodies.data[0].ctrl, control[0])


def test_bad_input_is_refused():
    env = make()
    with pytest.raises(UsageError, match="call reset first"):
        env.step(still(env))
    with pytest.raises(UsageError, match="one seed per copy, 2"):
        env.reset([1])
    with pytest.raises(UsageError, match="0 or more, not -1"):
        env.reset([0, -1])
    with pytest.raises(UsageError, match="numbers from 0 to 1"):
        env.reset([0], copies=[2])
    env.reset([0, 1])
    with pytest.raises(UsageError, match=r"\(2, 6, 1\), not \(2, 3, 2\)"):
        env.step(np.zeros((2, 3, 2)))
    bad = still(env)
    bad[1, 4, 0] = np.nan
    with pytest.raises(UsageError, match=r"action\[1, 4, 0\] is nan"):
        env.step(bad)
    with pytest.raises(UsageError, match="at least 1, not 0"):
        make(copies=0)
