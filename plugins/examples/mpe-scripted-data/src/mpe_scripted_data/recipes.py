"""Two recipes for Cooperative Navigation that differ in one thing: whether the agents' behaviour is coordinated.

Methods that replace some agents' logged actions assume that the others' remain plausible, which holds when agents acted
independently given what they saw (`nearest`) and fails when one planner moved them all (`assigned`).
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from zoo_core import derive, normals, uniforms
from zoo_core.data import Build, collect

STIFFNESS, DAMPING = 5.0, 1.0
NOISE = 0.3
RANDOM = 0.25  # of an agent's actions are uniform instead
COPIES = 250  # episodes side by side; sets the speed, not the data


def assigned(build: Build) -> None:
    """Targets by the assignment of agents to landmarks whose distances sum to the least."""
    build.note("factorised", "no: one planner reads all observations, and a random choice of one agent stands alone")
    play(build, "assigned", shortest_assignment)


def nearest(build: Build) -> None:
    """Targets by each agent's own distances."""
    build.note("factorised", "yes: given their observations the agents act independently")
    play(build, "nearest", own_nearest)


def play(build: Build, quality: str, choose) -> None:
    """Episodes of consecutive seeds; every number is a function of its episode's own seed."""
    build.note("behaviour", f"to the chosen landmark, noise of deviation {NOISE}, {RANDOM:.0%} uniform actions")

    def policy(obs, mask, seeds, t):
        action = towards(obs, choose(distances(obs))) + NOISE * normals(seeds, f"noise {t}", (3, 2))
        random = 2.0 * uniforms(seeds, f"random {t}", (3, 2)) - 1.0
        at_random = uniforms(seeds, f"at random {t}", (3, 1)) < RANDOM
        return np.clip(np.where(at_random, random, action), -1.0, 1.0).astype(np.float32)

    env = build.env(COPIES)
    episodes = -(-build.transitions // env.team.episode_limit)
    seeds = derive(build.seed, "mpe-cn", quality) % (1 << 62) + np.arange(episodes)
    for group in collect(env, policy, seeds, copies=COPIES):
        build.add(**group)


def landmarks(obs):
    """Landmarks relative to each agent, [E, agents, landmarks, 2]: an observation holds them after its own motion."""
    return obs[..., 4:10].reshape(*obs.shape[:2], 3, 2)


def distances(obs):
    """[E, agents, landmarks]."""
    return np.linalg.norm(landmarks(obs), axis=-1)


def own_nearest(distance):
    """Each agent's target, [E, agents]."""
    return distance.argmin(-1)


def shortest_assignment(distance):
    """Each agent's target, [E, agents], no landmark twice."""
    orders = np.array(list(permutations(range(3))))
    total = distance[:, np.arange(3), orders].sum(-1)  # [E, orders]
    return orders[total.argmin(-1)]


def towards(obs, target):
    """A force towards the target, less what the velocity needs no more, [E, agents, 2]."""
    offset = np.take_along_axis(landmarks(obs), target[..., None, None], axis=2)[:, :, 0]
    return np.clip(STIFFNESS * offset - DAMPING * obs[..., :2], -1.0, 1.0)
