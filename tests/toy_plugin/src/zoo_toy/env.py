"""Two agents on a line, each with a goal: reward is minus the mean distance. Episodes end after 6 to 9 steps."""

from __future__ import annotations

import numpy as np

from zoo_core import ReferenceScores, Step, TeamSpec, uniforms

TEAM = TeamSpec(
    env="toy-line",
    agents=("left", "right"),
    obs_sizes=(2, 2),
    action_sizes=(1, 1),
    episode_limit=9,
    reference=ReferenceScores(random=-6.0, expert=-2.0, source="measured"),
)


class Line:
    """E copies. Observation: own position and goal; an action moves by at most 0.25."""

    def __init__(self, num_envs: int, **options: object) -> None:
        self.team, self.num_envs = TEAM, num_envs
        self.position = np.zeros((num_envs, 2))
        self.goal = np.zeros((num_envs, 2))
        self.left = np.zeros(num_envs, dtype=np.int64)

    def reset(self, seeds, copies=None):
        copies = list(range(self.num_envs)) if copies is None else list(copies)
        start = uniforms(np.asarray(seeds), "line", (5,))
        self.position[copies] = 2.0 * start[:, :2] - 1.0
        self.goal[copies] = 2.0 * start[:, 2:4] - 1.0
        self.left[copies] = 6 + (start[:, 4] * 4).astype(np.int64)
        return self._view(np.zeros((self.num_envs, 2)), np.zeros(self.num_envs, dtype=bool))

    def step(self, action):
        running = self.left > 0
        move = 0.25 * np.clip(action[..., 0], -1.0, 1.0)
        self.position = np.clip(self.position + move * running[:, None], -1.0, 1.0)
        self.left = np.maximum(self.left - 1, 0)
        distance = np.abs(self.goal - self.position).mean(-1, keepdims=True)
        return self._view(-np.repeat(distance, 2, axis=1) * running[:, None], self.left == 0)

    def render(self, copy: int = 0):
        picture = np.full((32, 64, 3), 255, dtype=np.uint8)
        for agent, row in enumerate((8, 24)):
            picture[row, int((self.position[copy, agent] + 1) * 31)] = (200, 0, 0)
            picture[row, int((self.goal[copy, agent] + 1) * 31)] = (0, 120, 0)
        return picture

    def _view(self, reward, terminated):
        obs = np.stack([self.position, self.goal], axis=-1)
        return Step(obs, reward, terminated, np.zeros(self.num_envs, dtype=bool))


def build_random(build):
    """Uniform random actions until the build has enough transitions."""
    env = build.env(100)
    first = 0
    while build.added < build.transitions:
        seeds = np.arange(first, first + 100)
        first += 100
        view = env.reset(seeds)
        draws = uniforms(seeds, "actions", (9, 2, 1)) * 2.0 - 1.0
        obs, rewards, lengths = [view.obs], [], np.zeros(100, dtype=np.int64)
        for t in range(9):
            lengths += ~view.terminated
            view = env.step(draws[:, t])
            obs.append(view.obs)
            rewards.append(view.reward)
        ended = np.arange(9)[None] == lengths[:, None] - 1
        build.add(np.stack(obs, 1), draws, np.stack(rewards, 1), ended, np.zeros_like(ended), lengths=lengths)
