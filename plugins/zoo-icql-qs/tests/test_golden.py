"""Twenty updates on fixed data give the losses they gave when they were last compared with the papers' equations."""

import pytest
import torch

from zoo_critics.testing import random_batch, small_team, train
from zoo_icql_qs.algorithm import ICQLQS

GOLDEN = [
    6.1185, -0.10676, 6.0856, 6.1131, 6.2458,
    5.8702, -0.077351, 5.8692, 5.8877, 6.016,
    6.1181, -0.063576, 6.1078, 6.0252, 5.7332,
    5.7976, -0.077411, 5.9572, 6.0756, 5.7744,
]  # fmt: skip


def test_twenty_updates_follow_the_recorded_losses():
    torch.manual_seed(0)
    team = small_team()
    config = ICQLQS.Config(batch_size=16, hidden=8, samples=4, critic_steps=4, lr=0.003)
    losses = train(ICQLQS(team, config), random_batch(team, 40), 4)
    assert len(losses) == 20
    assert losses == pytest.approx(GOLDEN, rel=2e-3, abs=2e-4)
