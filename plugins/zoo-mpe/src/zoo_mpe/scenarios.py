"""The three games of the benchmark: who is in the world, what each agent sees, and what it is paid.

Sources are the scenario files of the OMAR repository (github.com/ling-pan/OMAR): simple_spread, simple_tag and
simple_world. Rewards and observations are computed on the state after the move. Every observation starts with the
agent's own velocity, its own position, the landmarks and then the other agents in their order, relative to itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_core import ReferenceScores, uniforms
from zoo_mpe.physics import Body, Float, ParticleWorld

EPISODE_LIMIT = 25


class Scenario:
    """Common part of the games.

    Attributes:
        name: the environment's name in the zoo.
        agents: bodies in the order of the benchmark; learners first, prey last.
        landmarks: bodies that do not move.
        team: the number of agents the benchmark trains.
        shared_reward: whether these receive one reward.
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
    reference: ReferenceScores | None = None

    def start(self, seeds: Sequence[int]) -> tuple[Float, Float, Float]:
        """First states of the episodes with these seeds: positions, velocities [A, 2, C] and landmarks [L, 2, C]."""
        count = len(self.agents)
        draws = 2.0 * uniforms(seeds, f"{self.name} start", (count + len(self.landmarks), 2)).transpose(1, 2, 0) - 1.0
        return draws[:count], np.zeros_like(draws[:count]), draws[count:] * self.landmark_range

    def observe(self, world: ParticleWorld) -> Float:
        """Every agent's observation, [A, o, E], padded with zeros."""
        agents, bodies, _, copies = world.relative.shape
        obs = np.zeros((agents, max(self.obs_sizes), copies))
        obs[:, 0:2] = world.velocity
        obs[:, 2:4] = world.position
        obs[:, 4 : 4 + 2 * bodies] = world.relative.reshape(agents, 2 * bodies, copies)
        self.observe_more(world, obs, 4 + 2 * bodies)
        return obs

    def observe_more(self, world: ParticleWorld, obs: Float, at: int) -> None:
        """Fill `obs[:, at:]`, where the game shows more than the common part."""

    def reward(self, world: ParticleWorld) -> Float:
        """Every agent's reward, [A, E]."""
        raise NotImplementedError


class Spread(Scenario):
    """Cooperative Navigation (simple_spread): three agents cover three landmarks without colliding.

    r_i = Σ over landmarks of min(1/d, 10), d the distance of the nearest agent, − 5 · (agents that overlap agent i).
    The last four numbers of an observation belong to a silent communication channel and are zero.
    """

    name = "mpe-cn"
    agents = (Body("agent", 0.15, solid=True),) * 3
    landmarks = (Body("landmark", 0.05, solid=False),) * 3
    team = 3
    shared_reward = False
    landmark_range = 1.0
    obs_sizes = (18, 18, 18)
    reference = ReferenceScores(159.8, 516.8, "OMAR and CFCQL (published random and expert returns)")

    def reward(self, world: ParticleWorld) -> Float:
        cover = 1.0 / np.maximum(world.distance[:, :3].min(axis=0), 0.1)
        overlaps = (world.distance[:, 3:] < world.touch[:, 3:]).sum(axis=1)
        return cover.sum(axis=0) - 5.0 * overlaps
