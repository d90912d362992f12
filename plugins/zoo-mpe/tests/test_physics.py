"""The batched world against the scalar one, and properties any such world has."""

from __future__ import annotations

import numpy as np
import pytest
from scalar_world import ScalarWorld

from zoo_core import uniforms
from zoo_mpe.envs import CooperativeNavigation, ParticleEnv, PredatorPrey, World
from zoo_mpe.physics import Body, ParticleWorld

EPISODES = 36


def everybody_learns(name: str, copies: int) -> ParticleEnv:
    if name == "mpe-cn":
        return CooperativeNavigation(copies)
    return (PredatorPrey if name == "mpe-pp" else World)(copies, control="all")


def starts(env: ParticleEnv) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A third as after a reset, a third crowded and fast in the middle, a third at and beyond the arena's edge."""
    agents, landmarks = len(env.scenario.agents), len(env.scenario.landmarks)
    draw = 2.0 * uniforms(range(EPISODES), "test starts", (2 * agents + landmarks, 2)) - 1.0
    position, velocity, marks = draw[:, :agents].copy(), draw[:, agents : 2 * agents].copy(), draw[:, 2 * agents :]
    velocity[::3] = 0.0
    position[1::3] *= 0.25
    velocity[1::3] *= 2.0
    position[2::3] = np.sign(position[2::3]) * (0.75 + 0.5 * np.abs(position[2::3]))
    return position, velocity, marks * 0.5


@pytest.mark.parametrize("name", ["mpe-cn", "mpe-pp", "mpe-world"])
def test_every_step_equals_the_scalar_world(name):
    env = everybody_learns(name, EPISODES)
    position, velocity, landmarks = starts(env)
    actions = 2.0 * uniforms(range(EPISODES), "test actions", (25, env.team.n, 2)) - 1.0
    scalar = [
        ScalarWorld.build(name, *(x[e].tolist() for x in (position, velocity, landmarks))) for e in range(EPISODES)
    ]
    view = env.set_state(position, velocity, landmarks)
    for t in range(26):
        for e, world in enumerate(scalar):
            for i, size in enumerate(env.team.obs_sizes):
                np.testing.assert_allclose(view.obs[e, i, :size], world.observation(i), rtol=0, atol=1e-10)
                assert not view.obs[e, i, size:].any()
            if t:
                np.testing.assert_allclose(view.reward[e], world.rewards(), rtol=0, atol=1e-10)
        if t < 25:
            view = env.step(actions[:, t])
            for e, world in enumerate(scalar):
                world.step(actions[e, t].tolist())
    assert sum(world.contacts for world in scalar) > 60
    if name != "mpe-cn":
        assert sum(world.speeding for world in scalar) > 200
        assert set.union(*(world.outside for world in scalar)) == {"inside", "edge", "beyond"}


@pytest.mark.parametrize(
    ("name", "agent", "move", "speed"),
    [("mpe-cn", 0, 0.065, 0.65), ("mpe-pp", 0, 0.10, 1.0), ("mpe-world", 3, 0.13, 1.3)],
)
def test_one_step_moves_with_the_new_velocity_and_the_acceleration_applied_twice(name, agent, move, speed):
    """The benchmark's own figures for v = 0.2 and a full push; mpe2 would move by 0.02 in each game."""
    env = everybody_learns(name, 1)
    agents, landmarks = len(env.scenario.agents), len(env.scenario.landmarks)
    apart = np.stack([np.arange(agents) * 5.0, np.zeros(agents)], axis=-1)[None]
    velocity = np.zeros((1, agents, 2))
    velocity[0, agent, 0] = 0.2
    env.set_state(apart, velocity, np.full((1, landmarks, 2), -9.0))
    action = np.zeros((1, agents, 2))
    action[0, agent, 0] = 1.0
    env.step(action)
    assert env.world.velocity[agent, 0, 0] == pytest.approx(speed, abs=1e-12)
    assert env.world.position[agent, 0, 0] - apart[0, agent, 0] == pytest.approx(move, abs=1e-12)


def test_contact_conserves_momentum():
    world = ParticleWorld([Body("a", 0.2, True), Body("b", 0.3, True)], [], copies=64)
    position = 0.3 * (2.0 * uniforms(range(64), "momentum", (2, 2)).transpose(1, 2, 0) - 1.0)
    world.place(position, np.zeros_like(position), np.zeros((0, 2, 64)), slice(None))
    world.step(np.zeros((2, 2, 64)))
    assert np.abs(world.velocity).max() > 1.0
    np.testing.assert_allclose(world.velocity.sum(axis=0), 0.0, atol=1e-12)


def test_the_forces_left_out_are_below_rounding():
    """Just outside the cut-off the full formula gives less than 1e-22."""
    from zoo_mpe.physics import CONTACT_FORCE, CONTACT_MARGIN, NEGLIGIBLE_GAP

    assert CONTACT_FORCE * CONTACT_MARGIN * np.logaddexp(0.0, -NEGLIGIBLE_GAP / CONTACT_MARGIN) < 1e-22


def test_bodies_at_one_point_stay_finite():
    env = CooperativeNavigation(1)
    env.set_state(np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), np.zeros((1, 3, 2)))
    view = env.step(np.zeros((1, 3, 2)))
    assert np.isfinite(view.obs).all()
    assert view.reward.tolist() == [[20.0, 20.0, 20.0]]  # three landmarks at 10 each, two overlaps at 5


def test_a_shifted_world_behaves_the_same():
    env, moved = CooperativeNavigation(EPISODES), CooperativeNavigation(EPISODES)
    position, velocity, landmarks = starts(env)
    shift = np.array([0.37, -1.21])
    env.set_state(position, velocity, landmarks)
    moved.set_state(position + shift, velocity, landmarks + shift)
    for t in range(25):
        action = 2.0 * uniforms(range(EPISODES), t, (3, 2)) - 1.0
        here, there = env.step(action), moved.step(action)
        np.testing.assert_allclose(here.reward, there.reward, atol=1e-8)
        np.testing.assert_allclose(here.obs[:, :, 4:], there.obs[:, :, 4:], atol=1e-9)


def test_renumbering_the_agents_renumbers_their_rewards():
    env, other = CooperativeNavigation(EPISODES), CooperativeNavigation(EPISODES)
    position, velocity, landmarks = starts(env)
    order = [2, 0, 1]
    env.set_state(position, velocity, landmarks)
    other.set_state(position[:, order], velocity[:, order], landmarks)
    for t in range(25):
        action = 2.0 * uniforms(range(EPISODES), t, (3, 2)) - 1.0
        np.testing.assert_allclose(env.step(action).reward[:, order], other.step(action[:, order]).reward, atol=1e-8)
