"""Twenty updates on fixed data give the losses they gave when they were last compared with the papers' equations."""

import pytest
import torch

from zoo_cfcql.algorithm import CFCQL
from zoo_critics.testing import random_batch, small_team, train

GOLDEN = [
    6.0733, -0.10526, 6.086, 6.0879, 6.2261,
    5.8622, -0.075205, 5.8872, 5.9086, 6.0236,
    6.1296, -0.061528, 6.112, 6.0431, 5.7326,
    5.8231, -0.073876, 5.9636, 6.0974, 5.7694,
]  # fmt: skip


def test_twenty_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = CFCQL.Config(batch_size=16, hidden=8, samples=4, critic_steps=4, lr=0.003)
    losses = train(CFCQL(team, config), random_batch(team, 40), 4)
    assert len(losses) == 20
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
