"""Twenty-one updates on fixed data give the losses they gave when they were last compared with the equations."""

import pytest
import torch

from zoo_core import Statistics
from zoo_critics.testing import random_batch, small_team, train
from zoo_iql.algorithm import IQL

GOLDEN = [
    0.027056, 2.1751, 1.3738, 0.024857, 1.9098,
    1.3872, 0.027459, 4.864, 1.8084, 0.018829,
    4.0791, 1.1802, 0.02386, 15.612, 1.9029,
    0.021309, 6.2554, 1.3681, 0.016388, 31.384,
    1.6793,
]  # fmt: skip
STATISTICS = Statistics(torch.zeros(3, 4), torch.ones(3, 4), None, None, 0.0, 1.0, 0.0, -1.0, 1.0)


def test_twenty_one_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = IQL.Config(batch_size=16, hidden=8, lr=0.003)
    losses = train(IQL(team, config, statistics=STATISTICS), random_batch(team, 40), 7)
    assert len(losses) == len(GOLDEN)
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
