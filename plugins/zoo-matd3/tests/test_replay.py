"""The replay is a ring, and what it hands out is a function of the generator."""

import numpy as np
import torch

from zoo_core import TeamSpec, generator
from zoo_matd3.replay import Replay

TEAM = TeamSpec(env="test", agents=("a", "b"), obs_sizes=(3, 3), action_sizes=(1, 1))


def add(replay, values):
    """Transitions whose every number is their value; odd ones terminate."""
    rows = torch.tensor(values, dtype=torch.float32)
    obs = rows.view(-1, 1, 1).expand(-1, 2, 3)
    reward = np.repeat(np.array(values)[:, None], 2, axis=1)
    replay.add(obs, obs[..., :1], reward, obs + 1, np.array(values) % 2 == 1)


def held(replay):
    batch = replay.sample(500, generator(0, "test"))
    return set(batch.obs[:, 0, 0].tolist())


def test_the_oldest_transitions_leave_first():
    replay = Replay(TEAM, capacity=5)
    add(replay, [0, 1, 2])
    assert held(replay) == {0, 1, 2}
    add(replay, [3, 4, 5])
    assert held(replay) == {1, 2, 3, 4, 5}
    add(replay, [6, 7, 8])
    assert held(replay) == {4, 5, 6, 7, 8}


def test_the_parts_of_a_transition_stay_together():
    replay = Replay(TEAM, capacity=4)
    add(replay, [0, 1, 2])
    add(replay, [3, 4, 5])
    batch = replay.sample(100, generator(1, "test"))
    value = batch.obs[:, 0, 0]
    assert torch.equal(batch.action[:, 1, 0], value)
    assert torch.equal(batch.reward[:, 1], value)
    assert torch.equal(batch.next_obs[:, 1, 2], value + 1)
    assert torch.equal(batch.terminated, value % 2 == 1)


def test_equal_generators_draw_equal_batches():
    replay = Replay(TEAM, capacity=100)
    add(replay, list(range(100)))
    one, again, other = (replay.sample(50, generator(seed, "draw")).obs for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
