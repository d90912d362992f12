"""Seven iterations on fixed data give the losses they gave when they were last compared with the equations."""

import pytest

from zoo_critics.testing_mixed import CONTINUOUS, DISCRETE, losses_of
from zoo_icq.algorithm import ICQ

GOLDEN = {
    "continuous": [
        1.1559, 0.86939, 0.73216, 0.70649, 1.3271, 0.84937, 0.50906,
        0.83677, 0.72186, 0.81035, 0.93142, 0.76346, 1.3208, 0.85284,
    ],
    "discrete": [
        1.4975, 0.70307, 1.9126, 0.76594, 1.5445, 0.74346, 3.8602,
        0.64579, 1.6986, 0.71377, 2.6039, 0.6866, 1.2712, 0.66232,
    ],
}  # fmt: skip


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_seven_iterations_follow_the_recorded_losses(team):
    losses = losses_of(ICQ, team, 7)
    assert losses == pytest.approx(GOLDEN[team.action_kind], rel=2e-3, abs=2e-4)
