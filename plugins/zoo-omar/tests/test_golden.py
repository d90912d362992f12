"""Twenty updates on fixed data give the losses they gave when they were last compared with the equations."""

import pytest
import torch

from zoo_critics.testing import random_batch, small_team, train
from zoo_omar.algorithm import OMAR

GOLDEN = [
    20.291, 0.6266, 23.015, 0.82098, 20.691,
    0.58249, 19.483, 0.76447, 23.357, 0.62924,
    21.915, 0.65639, 21.976, 0.48749, 20.395,
    0.51438, 19.978, 0.43129, 23.714, 0.39054,
]  # fmt: skip


def test_twenty_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = OMAR.Config(batch_size=16, hidden=8, samples=4, search_samples=4, lr=0.003, rectification=0.7)
    losses = train(OMAR(team, config), random_batch(team, 40), 10)
    assert len(losses) == len(GOLDEN)
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
