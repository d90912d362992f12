"""Twenty-one updates on fixed data give the losses they gave when they were last compared with the equations."""

import pytest
import torch

from zoo_core import Statistics
from zoo_critics.testing import random_batch, small_team, train
from zoo_td3bc.algorithm import TD3BC

GOLDEN = [
    3.7082, 6.4396, -2.4448, 4.1395, 2.9181,
    -1.5186, 6.7793, 5.2853, -0.71828, 5.4259,
    3.7667, 2.0684, 3.3929, 7.0774, 1.7976,
    4.3846, 4.2072, 2.697, 2.6833, 5.6751,
    3.3774,
]  # fmt: skip
STATISTICS = Statistics(torch.zeros(3, 4), torch.ones(3, 4), None, None, 0.0, 1.0, 0.0, -1.0, 1.0)


def test_twenty_one_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = TD3BC.Config(batch_size=16, hidden=8, lr=0.003)
    losses = train(TD3BC(team, config, statistics=STATISTICS), random_batch(team, 40), 14)
    assert len(losses) == len(GOLDEN)
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
