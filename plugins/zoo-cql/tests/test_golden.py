"""Seven iterations on fixed data give the losses they gave when they were last compared with the equations."""

import pytest

from zoo_cql.algorithm import CQLMA
from zoo_critics.testing_mixed import CONTINUOUS, DISCRETE, losses_of

GOLDEN = {
    "continuous": [
        -1.0514, -0, 1.7198, -1.8908, -0.0048776, 1.6459, -0.18247,
        -0.010777, 1.7817, -1.4919, -0.015739, 1.5119, -1.3524, -0.020005,
        1.6251, -1.2218, -0.025238, 1.6138, -1.401, -0.03102, 1.6436,
    ],
    "discrete": [
        0.9647, 1.3574, 1.094, 2.177, 1.7307, 1.2493, 0.73645,
    ],
}  # fmt: skip


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_seven_iterations_follow_the_recorded_losses(team):
    losses = losses_of(CQLMA, team, 7)
    assert losses == pytest.approx(GOLDEN[team.action_kind], rel=2e-3, abs=2e-4)
