"""Twenty updates on fixed data give the losses they gave when they were last compared with the papers' equations."""

import pytest
import torch

from zoo_critics.testing import random_batch, small_team, train
from zoo_spacql.algorithm import SPaCQL

GOLDEN = [
    32.276, 0.23204, 31.285, 31.005, 33.201,
    30.83, 0.2402, 30.152, 29.809, 30.889,
    31.571, 0.24061, 30.486, 29.778, 29.956,
    30.487, 0.23491, 29.987, 30.475, 29.707,
]  # fmt: skip


def test_twenty_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = SPaCQL.Config(batch_size=16, hidden=8, samples=4, critic_steps=4, lr=0.003)
    losses = train(SPaCQL(team, config), random_batch(team, 40), 4)
    assert len(losses) == 20
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
