"""Seven iterations on fixed data give the losses they gave when they were last compared with the equations."""

import pytest

from zoo_bcq.algorithm import BCQMA
from zoo_critics.testing_mixed import CONTINUOUS, DISCRETE, losses_of

GOLDEN = {
    "continuous": [
        0.34354, 0.57794, -0.27342, 0.33002, 1.2027, -0.39001, 0.24916,
        1.2664, -0.28989, 0.30081, 0.76359, -0.25352, 0.32281, 0.82179,
        -0.21335, 0.39782, 0.99255, -0.30373, 0.26896, 0.66871, -0.52329,
    ],
    "discrete": [
        0.44606, 0.31132, 0.56846, 0.25708, 0.60765, 0.23664, 0.54018,
        0.32338, 0.47261, 0.22395, 0.51302, 0.32513, 0.50364, 0.45747,
    ],
}  # fmt: skip


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_seven_iterations_follow_the_recorded_losses(team):
    losses = losses_of(BCQMA, team, 7)
    assert losses == pytest.approx(GOLDEN[team.action_kind], rel=2e-3, abs=2e-4)
