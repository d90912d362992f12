"""Data for the toy plugin in memory, and requests to train it."""

from __future__ import annotations

import pytest
import torch

from zoo_core.batch import Batch


class MemorySampler:
    """Rows of random tensors; which rows is a function of the generator alone."""

    def __init__(self, need, rows=200):
        source = torch.Generator().manual_seed(7)
        obs, next_obs = torch.randn(2, rows, 2, 2, generator=source)
        self.need = need
        self.rows = Batch(
            obs=obs,
            action=torch.rand(rows, 2, 1, generator=source) * 2 - 1,
            reward=torch.randn(rows, 2, generator=source),
            next_obs=next_obs,
            terminated=torch.rand(rows, generator=source) < 0.1,
            truncated=torch.zeros(rows, dtype=torch.bool),
            state=obs.flatten(1),
            next_state=next_obs.flatten(1),
            next_action=torch.rand(rows, 2, 1, generator=source) * 2 - 1,
            has_next_action=torch.ones(rows, dtype=torch.bool),
        )

    def sample(self, generator):
        index = torch.randint(self.rows.size, (self.need.batch_size,), generator=generator)
        return self.rows.map(lambda t: t[index])


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def memory_sampler():
    return MemorySampler


@pytest.fixture
def ask(tmp_path):
    """A request for a short toy run below the test's own folder."""
    from zoo_core.training import TrainRequest

    def request(**given):
        asked = {
            "algo": "toy", "env": "toy-line", "out": str(tmp_path / "runs"), "iterations": 20, "eval_every": 10,
            "eval_episodes": 20, "final_episodes": 40, "compile": "off", "device": "cpu",
        }  # fmt: skip
        return TrainRequest(**{**asked, **given})

    return request
