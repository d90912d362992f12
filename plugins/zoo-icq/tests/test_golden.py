"""Seven iterations on fixed data give the losses they gave when they were last compared with the equations."""

import pytest

from zoo_critics.testing_mixed import CONTINUOUS, DISCRETE, losses_of
from zoo_icq.algorithm import ICQ

GOLDEN = {
    "continuous": [
        1.156, 1.4954, 0.73209, 1.4874, 1.3272, 1.5075, 0.50926,
        1.4472, 0.72137, 1.4476, 0.93209, 1.4445, 1.3197, 1.3798,
    ],
    "discrete": [
        1.4977, 0.66844, 1.913, 0.67706, 1.5445, 0.65207, 3.8614,
        0.50052, 1.6985, 0.67449, 2.6042, 0.59956, 1.2713, 0.63168,
    ],
}  # fmt: skip


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_seven_iterations_follow_the_recorded_losses(team):
    losses = losses_of(ICQ, team, 7, heads=2)
    assert losses == pytest.approx(GOLDEN[team.action_kind], rel=2e-3, abs=2e-4)
