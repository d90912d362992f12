"""Twenty updates on fixed data give the losses they gave when they were last compared with the papers' equations."""

import pytest
import torch

from zoo_critics.testing import random_batch, small_team, train
from zoo_macql.algorithm import MACQL

GOLDEN = [
    11.628, -0.10598, 11.646, 11.638, 11.771,
    11.419, -0.079632, 11.437, 11.445, 11.586,
    11.66, -0.06688, 11.656, 11.588, 11.271,
    11.379, -0.077209, 11.497, 11.662, 11.314,
]  # fmt: skip


def test_twenty_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = MACQL.Config(batch_size=16, hidden=8, samples=4, critic_steps=4, lr=0.003)
    losses = train(MACQL(team, config), random_batch(team, 40), 4)
    assert len(losses) == 20
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
