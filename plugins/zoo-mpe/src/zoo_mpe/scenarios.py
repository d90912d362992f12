"""The three games of the benchmark: who is in the world, what each agent sees, and what it is paid.

Sources are the scenario files of the OMAR repository (github.com/ling-pan/OMAR): simple_spread, simple_tag and
simple_world. Rewards and observations are computed on the state after the move. Every observation starts with the
agent's own velocity, its own position, the landmarks and then the other agents in their order, relative to itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_core import uniforms
from zoo_mpe.physics import Body, Float, ParticleWorld

EPISODE_LIMIT = 25
PREDATORS = 3
PREY = 3
"""Predators are agents 0 to 2; the prey is agent 3 and therefore sees the predators as its three other agents."""


class Scenario(ABC):
    """Common part of the games.

    Attributes:
        name: the environment's name in the zoo.
        agents: bodies in the order of the benchmark; the team first, the prey last.
        landmarks: bodies that do not move.
        team: the number of agents the benchmark trains; the others are scripted.
        shared_reward: whether the team receives one reward.
        landmark_range: landmarks start uniformly within ±this; agents within ±1, at rest.
        obs_sizes: unpadded observation size of every agent.
    """

    name: str
    agents: tuple[Body, ...]
    landmarks: tuple[Body, ...]
    team: int
    shared_reward: bool
    landmark_range: float
    obs_sizes: tuple[int, ...]

    def start(self, seeds: Sequence[int] | NDArray[np.int64]) -> tuple[Float, Float, Float]:
        """First states of the episodes with these seeds: positions, velocities [A, 2, C] and landmarks [L, 2, C]."""
        count = len(self.agents)
        draws = 2.0 * uniforms(seeds, f"{self.name} start", (count + len(self.landmarks), 2)).transpose(1, 2, 0) - 1.0
        return draws[:count], np.zeros_like(draws[:count]), draws[count:] * self.landmark_range

    def observe(self, world: ParticleWorld) -> Float:
        """Every agent's observation, [A, o, E], padded with zeros."""
        agents, bodies, _, copies = world.relative.shape
        common = 4 + 2 * bodies
        obs = np.zeros((agents, max(self.obs_sizes), copies))
        obs[:, 0:2] = world.velocity
        obs[:, 2:4] = world.position
        obs[:, 4:common] = world.relative.reshape(agents, 2 * bodies, copies)
        self.observe_more(world, obs[:, common:])
        return obs

    @abstractmethod
    def observe_more(self, world: ParticleWorld, rest: Float) -> None:
        """Fill `rest` [A, o − common, E], zeros so far, with what the game shows beyond the common part."""

    @abstractmethod
    def reward(self, world: ParticleWorld) -> Float:
        """Every agent's reward, [A, E]."""


class Spread(Scenario):
    """Cooperative Navigation (simple_spread): three agents cover three landmarks without colliding.

    r_i = Σ over landmarks of min(1/d, 10), d the distance of the nearest agent, − 5 · (agents that overlap agent i).
    """

    name = "mpe-cn"
    agents = (Body("agent", 0.15, solid=True),) * 3
    landmarks = (Body("landmark", 0.05, solid=False),) * 3
    team = 3
    shared_reward = False
    landmark_range = 1.0
    obs_sizes = (18, 18, 18)

    def observe_more(self, world: ParticleWorld, rest: Float) -> None:
        """Four zeros: what the two others say on a channel that the benchmark keeps silent."""

    def reward(self, world: ParticleWorld) -> Float:
        cover = 1.0 / np.maximum(world.distance[:, :3].min(axis=0), 0.1)
        return cover.sum(axis=0) - 5.0 * world.overlapping(slice(None), slice(3, 5)).sum(axis=1)


class Tag(Scenario):
    """Predator-Prey (simple_tag): three predators chase a faster prey around two obstacles.

    Predators share r = −0.1 · Σ of their distances to the prey + 10 · (predators touching it). The prey gets
    +0.1 · Σ distances − 10 · touches − its penalty for leaving the arena.
    """

    name = "mpe-pp"
    agents = (
        *(Body("predator", 0.075, solid=True, accel=3.0, max_speed=1.0),) * PREDATORS,
        Body("prey", 0.05, solid=True, accel=4.0, max_speed=1.3),
    )
    landmarks: tuple[Body, ...] = (Body("obstacle", 0.2, solid=True),) * 2
    team = PREDATORS
    shared_reward = True
    landmark_range = 0.9
    obs_sizes = (16, 16, 16, 14)
    touch_reward = 10.0
    arena_weight = 1.0

    def observe_more(self, world: ParticleWorld, rest: Float) -> None:
        """Predators see the prey's velocity."""
        rest[:PREDATORS, 0:2] = world.velocity[PREY]

    def reward(self, world: ParticleWorld) -> Float:
        first = len(self.landmarks)
        chase = 0.1 * world.distance[PREY, first:].sum(axis=0)
        chase -= self.touch_reward * world.overlapping(PREY, slice(first, None)).sum(axis=0)
        reward = np.empty((len(self.agents), chase.shape[-1]))
        reward[:PREDATORS] = -chase
        reward[PREY] = chase - self.arena_weight * outside(world.position[PREY]) + self.forage(world)
        return reward

    def forage(self, world: ParticleWorld) -> Float | float:
        """What the prey gets for food; there is none here."""
        return 0.0


class ForestWorld(Tag):
    """World (simple_world): the chase with one obstacle, two pieces of food and two forests.

    As `Tag`, with +5 per touch. The prey's arena penalty is doubled, and it gets 2 per piece of food it touches and
    0.05 · (distance to the nearest food): the benchmark's sign, which pays it for staying away. Every agent counts as
    a leader there, so forests hide nobody; an agent only sees whether it stands in one (+1) or not (−1).
    """

    name = "mpe-world"
    agents = (
        *(Body("predator", 0.075, solid=True, accel=3.0, max_speed=1.0),) * PREDATORS,
        Body("prey", 0.045, solid=True, accel=4.0, max_speed=1.3),
    )
    landmarks = (
        Body("obstacle", 0.2, solid=True),
        *(Body("food", 0.03, solid=False),) * 2,
        *(Body("forest", 0.3, solid=False),) * 2,
    )
    obs_sizes = (24, 24, 24, 22)
    touch_reward = 5.0
    arena_weight = 2.0
    food, forests = slice(1, 3), slice(3, 5)

    def observe_more(self, world: ParticleWorld, rest: Float) -> None:
        """Predators see the prey's velocity; everybody sees in which of the two forests it stands."""
        hidden = np.where(world.overlapping(slice(None), self.forests), 1.0, -1.0)
        rest[:PREDATORS, 0:2] = world.velocity[PREY]
        rest[:PREDATORS, 2:4] = hidden[:PREDATORS]
        rest[PREY, 0:2] = hidden[PREY]

    def forage(self, world: ParticleWorld) -> Float:
        meals = world.overlapping(PREY, self.food).sum(axis=0)
        return 2.0 * meals + 0.05 * world.distance[PREY, self.food].min(axis=0)


def outside(position: Float) -> Float:
    """The penalty for leaving the arena, [E], from positions [2, E]; summed over both axes.

    Per axis, with x the absolute coordinate: 0 below 0.9, 10·(x − 0.9) below 1, then min(exp(2x − 2), 10).
    """
    x = np.abs(position)
    edge = np.where(x < 1.0, 10.0 * (x - 0.9), np.exp(np.minimum(2.0 * x - 2.0, np.log(10.0))))
    return np.where(x < 0.9, 0.0, np.minimum(edge, 10.0)).sum(axis=0)
