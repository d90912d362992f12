"""Twenty-one updates on fixed data give the losses they gave when they were last compared with the equations."""

import pytest
import torch

from zoo_core import Statistics
from zoo_critics.testing import random_batch, small_team, train
from zoo_td3bc.algorithm import TD3BC

GOLDEN = [
    3.7082, 6.4396, -2.3929, 4.1402, 2.9206,
    -1.5195, 6.7804, 5.2856, -0.77603, 5.4311,
    3.7689, 1.8332, 3.3957, 7.0862, 1.5436,
    4.3842, 4.2101, 2.4637, 2.6782, 5.6792,
    3.315,
]  # fmt: skip
STATISTICS = Statistics(torch.zeros(3, 4), torch.ones(3, 4), None, None, 0.0, 1.0, 0.0, -1.0, 1.0)


def test_twenty_one_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = TD3BC.Config(batch_size=16, hidden=8, lr=0.003)
    losses = train(TD3BC(team, config, statistics=STATISTICS), random_batch(team, 40), 14)
    assert len(losses) == len(GOLDEN)
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
