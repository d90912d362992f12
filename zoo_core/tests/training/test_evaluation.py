"""Returns are those of single episodes played one by one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from zoo_core.evaluation import Evaluator, evaluate
from zoo_core.training.construct import seeded
from zoo_toy.algorithm import Toy, ToyConfig
from zoo_toy.env import TEAM, Line
from zoo_toy.plugin import zoo_envs

ENTRY = zoo_envs()[0]


@pytest.fixture
def algorithm():
    return seeded(0, lambda: Toy(TEAM, ToyConfig())).eval()


def one_by_one(algorithm, seeds):
    """A plain loop over episodes and steps."""
    found = []
    for seed in seeds:
        env, total = Line(1), 0.0
        view = env.reset([seed])
        while not view.terminated[0]:
            action, _ = algorithm.act(torch.as_tensor(view.obs, dtype=torch.float32), None, None, None)
            view = env.step(action.detach().numpy())
            total += view.reward[0].mean()
        found.append(total)
    return np.array(found)


@pytest.mark.parametrize("copies", [1, 3, 7, 50])
def test_returns_do_not_depend_on_how_many_are_played_side_by_side(algorithm, copies):
    returns = Evaluator(ENTRY, copies=copies).returns(algorithm, 7, 100)
    assert returns == pytest.approx(one_by_one(algorithm, range(100, 107)), abs=1e-5)


def test_episodes_of_unequal_length_are_counted_to_their_own_end(algorithm):
    env = Line(40)
    env.reset(range(40))
    assert len(set(env.left.tolist())) > 1
    # A reward after an episode's end must not count, whatever the environment returns there.
    entry = dataclasses.replace(ENTRY, factory="zoo_toy.env:Line")
    noisy = Evaluator(entry, copies=40)
    env = noisy._env(40)
    honest = env.step

    def step(action):
        over = env.left == 0
        view = honest(action)
        return view._replace(reward=np.where(over[:, None], 1e6, view.reward))

    env.step = step
    returns = noisy.returns(algorithm, 40, 0)
    assert returns == pytest.approx(one_by_one(algorithm, range(40)), abs=1e-5)


def test_evaluation_changes_neither_mode_nor_buffers(algorithm):
    algorithm.train()
    before = {name: tensor.clone() for name, tensor in algorithm.state_dict().items()}
    evaluate(algorithm, ENTRY, 5, 0)
    assert algorithm.training
    assert all(torch.equal(before[name], tensor) for name, tensor in algorithm.state_dict().items())


def test_an_interruption_ends_an_evaluation(algorithm):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Evaluator(ENTRY).returns(algorithm, 5, 0, interrupted=interrupted)
