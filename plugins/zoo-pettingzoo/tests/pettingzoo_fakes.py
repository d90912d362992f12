"""Small environments made for the tests: one that does all that the API allows, and several that cannot be used."""

import random
from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv


class Rescue(ParallelEnv):
    """Agents walk on a line from cells drawn by the seed. Cell 0 is a hole: who stands there dies and is removed.

    Agent `a2` sees one number more than the others and has one action more: 3 ends the episode for all. Left (0) is
    masked in the last cell. `masks`: where the action mask is found, `info`, `obs` or nowhere.
    """

    metadata: ClassVar = {"name": "rescue", "render_modes": ["rgb_array"]}
    cells = 5

    def __init__(self, masks="info", max_cycles=6, render_mode=None):
        self.masks, self.max_cycles, self.render_mode = masks, max_cycles, render_mode
        self.possible_agents = ["a0", "a1", "a2"]
        self.agents = []

    def observation_space(self, agent):
        box = spaces.Box(-1.0, 9.0, (3 if agent == "a2" else 2,), np.float32)
        if self.masks != "obs":
            return box
        return spaces.Dict({"observation": box, "action_mask": spaces.MultiBinary(int(self.action_space(agent).n))})

    def action_space(self, agent):
        return spaces.Discrete(4 if agent == "a2" else 3)

    def reset(self, seed=None, options=None):
        self.rng = np.random.default_rng(seed)
        self.agents, self.t = self.possible_agents[:], 0
        self.cell = {agent: int(self.rng.integers(1, self.cells)) for agent in self.agents}
        return self._seen(self.agents), self._infos(self.agents)

    def step(self, actions):
        assert set(actions) == set(self.agents)
        acted, self.t = self.agents[:], self.t + 1
        for agent, action in actions.items():
            assert self.masks == "none" or self._mask(agent)[action], "an action that was masked"
            self.cell[agent] = min(self.cell[agent] + (-1, 0, 1, 0)[action], self.cells - 1)
        rescued = actions.get("a2") == 3
        terminations = {agent: rescued or self.cell[agent] == 0 for agent in acted}
        truncations = dict.fromkeys(acted, self.t >= self.max_cycles)
        rewards = {agent: float(self.cell[agent]) for agent in acted}
        self.agents = [agent for agent in acted if not (terminations[agent] or truncations[agent])]
        return self._seen(acted), rewards, terminations, truncations, self._infos(acted)

    def state(self):
        return np.array([self.cell[agent] for agent in self.possible_agents] + [self.t])

    def render(self):
        picture = np.zeros((8, 8 * self.cells, 3), np.uint8)
        for agent in self.agents:
            picture[:, 8 * self.cell[agent] : 8 * self.cell[agent] + 8] = 255
        return picture if self.render_mode == "rgb_array" else None

    def _mask(self, agent):
        mask = np.ones(self.action_space(agent).n, np.int8)
        mask[0] = self.cell[agent] < self.cells - 1
        return mask

    def _seen(self, agents):
        found = {}
        for agent in agents:
            own = [self.cell[agent], self.t, 7][: self.observation_space_size(agent)]
            found[agent] = np.array(own, np.float32)
            if self.masks == "obs":
                found[agent] = {"observation": found[agent], "action_mask": self._mask(agent)}
        return found

    def observation_space_size(self, agent):
        return 3 if agent == "a2" else 2

    def _infos(self, agents):
        return {agent: {"action_mask": self._mask(agent)} if self.masks == "info" else {} for agent in agents}


class Levers(ParallelEnv):
    """Two agents push levers with bounds of their own for six steps; the reward is what the environment was handed.

    `careless`: the noise on the observations comes from the global generators, whatever seed `reset` is given.
    """

    metadata: ClassVar = {"name": "levers"}
    low, high = np.array([0.0, -2.0], np.float32), np.array([1.0, 6.0], np.float32)

    def __init__(self, careless=False, horizon=6):
        self.possible_agents = ["left", "right"]
        self.agents, self.careless, self.horizon = [], careless, horizon
        if not careless:
            self.max_steps = horizon

    def observation_space(self, agent):
        return spaces.Dict({"noise": spaces.Box(-9.0, 9.0, (1,)), "turn": spaces.Discrete(3)})

    def action_space(self, agent):
        return spaces.Box(self.low, self.high)

    def reset(self, seed=None, options=None):
        self.rng = np.random.default_rng(seed)
        self.agents, self.t = self.possible_agents[:], 0
        return self._seen(), {}

    def step(self, actions):
        self.t += 1
        for agent, action in actions.items():
            assert self.action_space(agent).contains(action), action
        rewards = {agent: float(action @ [1.0, 100.0]) for agent, action in actions.items()}
        over = dict.fromkeys(self.agents, self.t >= self.horizon)
        seen = self._seen()
        return seen, rewards, dict.fromkeys(self.agents, False), over, {}  # it leaves `agents` as they are

    def _seen(self):
        noise = np.random.normal() + random.random() if self.careless else self.rng.normal()  # noqa: NPY002
        return {agent: {"noise": np.array([noise], np.float32), "turn": self.t % 3} for agent in self.agents}


class _Odd(Levers):
    """Levers with other spaces."""

    spaces: dict

    def action_space(self, agent):
        return self.spaces[agent]


def _odd(left, right=None):
    env = _Odd()
    env.spaces = {"left": left, "right": right or left}
    return env


def several_choices():
    return _odd(spaces.MultiDiscrete([2, 3]))


def two_parts():
    return _odd(spaces.Tuple([spaces.Discrete(2), spaces.Discrete(2)]))


def mixed():
    return _odd(spaces.Discrete(2), spaces.Box(-1.0, 1.0, (2,)))


def unbounded():
    return _odd(spaces.Box(-np.inf, np.inf, (2,)))


def growing_observations():
    env = Levers()
    env.observation_space = lambda agent: spaces.Sequence(spaces.Discrete(2))
    return env


def nobody():
    env = Levers()
    env.possible_agents = []
    return env


class Turns(AECEnv):
    """Acts in turns and does not say that it may be made parallel."""

    metadata: ClassVar = {"name": "turns"}
    possible_agents: ClassVar = ["one"]


class Alone(gymnasium.Env):
    """A single agent's environment."""

    observation_space = spaces.Box(-1.0, 1.0, (1,))
    action_space = spaces.Discrete(2)


def demanding(size, *, colour):
    return Levers(horizon=size)


def broken():
    raise RuntimeError("no such luck")


def breaks_later():
    env = Levers()
    env.step = lambda actions: 1 / 0
    return env


NOT_CALLABLE = 7
