"""Docking a barge: two agents of unequal size move one body.

The stern tug pushes along and across the hull; the bow thruster pushes across it only. Pushes across at both ends turn
the barge when opposed and shift it sideways when alike, so what one of them should do depends on the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harbour.plugin import REFERENCE
from zoo_core import Step, TeamSpec, UsageError, uniforms

Float = NDArray[np.float64]

DT = 0.2  # seconds
ARM = 0.5  # from the centre to either end, where the forces act
INERTIA = 0.25
DRAG, TURN_DRAG = 0.4, 0.4
START, START_HEADING = 1.5, 2.0  # the largest offset along each axis, the largest heading in radians
BERTH = np.array([0.1, 0.15, 0.15, 0.2])  # docked within this distance, heading, speed and turn rate
HEADING_COST = 0.5
PIXELS, VIEW = 160, 2.5  # of a picture; half its width in metres


class Barge:
    """E copies of the task; a `zoo_core.BatchedEnv`.

    The berth is the origin, heading 0. Every step costs the distance to it plus half the heading error in radians.
    An episode terminates once the barge lies in its berth at rest, and is truncated after 60 steps.

    Attributes:
        position, velocity: [E, 2]; heading, rate: [E], radians and radians per second.
    """

    team = TeamSpec(
        env="barge",
        agents=("tug", "thruster"),
        obs_sizes=(7, 5),
        action_sizes=(2, 1),
        state_kind="stored",
        state_size=7,
        episode_limit=60,
        reference=REFERENCE,
    )

    def __init__(self, num_envs: int) -> None:
        if num_envs < 1:
            raise UsageError(f"barge: num_envs must be at least 1, not {num_envs}")
        self.num_envs = num_envs
        self.position, self.velocity = np.zeros((2, num_envs, 2))
        self.heading, self.rate = np.zeros((2, num_envs))
        self.clock = np.zeros(num_envs, dtype=np.int64)
        self.terminated = np.zeros(num_envs, dtype=bool)

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        """At rest, at a place and heading that are functions of the seed."""
        chosen = np.arange(self.num_envs) if copies is None else np.asarray(copies, dtype=np.int64)
        start = 2.0 * uniforms(seeds, "barge", (3,)) - 1.0
        self.position[chosen], self.heading[chosen] = START * start[:, :2], START_HEADING * start[:, 2]
        self.velocity[chosen], self.rate[chosen], self.clock[chosen] = 0.0, 0.0, 0
        self.terminated[chosen] = False
        return self._show(np.zeros(self.num_envs))

    def step(self, action: NDArray) -> Step:
        """action [E, 2, 2]: along and across the hull at the stern, across it at the bow (its second number: none)."""
        if np.shape(action) != (self.num_envs, 2, 2):
            raise UsageError(f"barge: action must have shape {(self.num_envs, 2, 2)}, not {np.shape(action)}")
        live = ~(self.terminated | self.truncated)
        push = np.clip(action, -1.0, 1.0)
        stern, bow = push[:, 0], push[:, 1, 0]
        force = self._to_world(np.stack([stern[:, 0], stern[:, 1] + bow], -1))
        torque = ARM * (bow - stern[:, 1])
        self.velocity += DT * live[:, None] * (force - DRAG * self.velocity)
        self.rate += DT * live * (torque / INERTIA - TURN_DRAG * self.rate)
        self.position += DT * live[:, None] * self.velocity
        self.heading = wrapped(self.heading + DT * live * self.rate)
        self.clock += live
        distance, speed = np.linalg.norm(self.position, axis=1), np.linalg.norm(self.velocity, axis=1)
        errors = np.stack([distance, np.abs(self.heading), speed, np.abs(self.rate)], -1)
        self.terminated |= (errors < BERTH).all(-1)
        return self._show(-(distance + HEADING_COST * np.abs(self.heading)) * live)

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """[E]: out of time and not docked."""
        return (self.clock >= self.team.episode_limit) & ~self.terminated

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        """The berth as a frame, the barge as a hull with a pointed bow."""
        axis = (np.arange(PIXELS) + 0.5) / PIXELS * 2 * VIEW - VIEW
        world = np.stack(np.meshgrid(axis, -axis), -1)
        picture = np.full((PIXELS, PIXELS, 3), (214, 230, 240), dtype=np.uint8)
        berth = np.abs(world) / (ARM + 0.15, 0.4)
        picture[(berth.max(-1) < 1) & (berth.max(-1) > 0.85)] = (90, 110, 130)
        cos, sin = np.cos(self.heading[copy]), np.sin(self.heading[copy])
        along, across = np.moveaxis((world - self.position[copy]) @ np.array([[cos, -sin], [sin, cos]]), -1, 0)
        picture[(np.abs(along) < ARM) & (np.abs(across) < np.minimum(0.2, ARM - along))] = (196, 84, 60)
        return picture

    def _show(self, reward: Float) -> Step:
        """Both agents see their barge's own frame; the thruster knows nothing of what lies along the hull."""
        berth, velocity = self._to_body(-self.position), self._to_body(self.velocity)
        turn = np.stack([np.sin(-self.heading), np.cos(self.heading)], -1)
        rate = self.rate[:, None]
        obs = np.zeros((self.num_envs, 2, 7))
        obs[:, 0] = np.concatenate([berth, turn, velocity, rate], -1)
        obs[:, 1, :5] = np.concatenate([berth[:, 1:], turn, velocity[:, 1:], rate], -1)
        state = np.concatenate([self.position, turn, self.velocity, rate], -1)
        shared = np.repeat(reward[:, None], 2, axis=1)
        return Step(obs, shared, self.terminated.copy(), self.truncated.copy(), state)

    def _to_world(self, vector: Float) -> Float:
        return turned(vector, self.heading)

    def _to_body(self, vector: Float) -> Float:
        return turned(vector, -self.heading)


def pilot(obs: Float) -> Float:
    """A decentralised expert: each agent works out the force and torque wanted and gives its own part of them.

    obs [E, 2, 7] → action [E, 2, 2]. A proportional-derivative law in the barge's frame; the ends share what is across.
    """
    tug, thruster = obs[:, 0], obs[:, 1]
    along = 2.0 * tug[:, 0] - 1.5 * tug[:, 4]
    stern = _across(tug[:, 1], tug[:, 2], tug[:, 3], tug[:, 5], tug[:, 6], end=-1)
    bow = _across(*thruster[:, :5].T, end=1)
    action = np.stack([np.stack([along, stern], -1), np.stack([bow, np.zeros_like(bow)], -1)], 1)
    return np.clip(action, -1.0, 1.0)


def _across(offset: Float, sin: Float, cos: Float, drift: Float, rate: Float, *, end: int) -> Float:
    """What one end pushes across the hull: half the sideways force, and half the turn with its end's sign."""
    force = 2.0 * offset - 1.5 * drift
    torque = np.arctan2(sin, cos) - 0.5 * rate
    return (force + end * torque / ARM) / 2


def turned(vector: Float, angle: Float) -> Float:
    """[E, 2] turned by [E] radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * vector[:, 0] - sin * vector[:, 1], sin * vector[:, 0] + cos * vector[:, 1]], -1)


def wrapped(angle: Float) -> Float:
    """The same angle within [−π, π)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
