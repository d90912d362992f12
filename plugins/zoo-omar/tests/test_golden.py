"""Twenty updates on fixed data give the losses they gave when they were last compared with the equations."""

import pytest
import torch

from zoo_critics.testing import random_batch, small_team, train
from zoo_omar.algorithm import OMAR

GOLDEN = [
    20.291, 0.6266, 23.015, 0.8666, 20.689,
    0.58224, 19.48, 0.78206, 23.356, 0.62833,
    21.915, 0.67826, 21.969, 0.4854, 20.393,
    0.50653, 19.976, 0.42133, 23.706, 0.36398,
]  # fmt: skip


def test_twenty_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = OMAR.Config(batch_size=16, hidden=8, samples=4, search_samples=4, lr=0.003, rectification=0.7)
    losses = train(OMAR(team, config), random_batch(team, 40), 10)
    assert len(losses) == len(GOLDEN)
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
