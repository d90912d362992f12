"""Seven iterations on fixed data give the losses they gave when they were last compared with the equations."""

import pytest

from zoo_comadice.algorithm import ComaDICE
from zoo_critics.testing_mixed import CONTINUOUS, DISCRETE, losses_of

GOLDEN = {
    "continuous": [
        0.4478, -0.035485, 0.10407, 0.39901, -0.038307, 0.13861, 0.42723,
        -0.039486, 0.35878, 0.30373, -0.035883, 0.24259, 0.58141, -0.037339,
        0.12549, 0.35927, -0.026091, 0.22079, 0.69713, -0.03639, 0.24543,
    ],
    "discrete": [
        1.0179, -0.038138, 0.073917, 1.0896, -0.040858, 0.056809, 0.94118,
        -0.037894, 0.078202, 1.9114, -0.036203, 0.21274, 1.7801, -0.036928,
        0.33705, 0.96133, -0.040363, 0.032179, 0.6052, -0.036081, 0.055931,
    ],
}  # fmt: skip


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_seven_iterations_follow_the_recorded_losses(team):
    losses = losses_of(ComaDICE, team, 7)
    assert losses == pytest.approx(GOLDEN[team.action_kind], rel=2e-3, abs=2e-4)
