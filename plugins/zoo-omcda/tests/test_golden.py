"""Updates on fixed data give the losses they gave when they were last compared with the equations."""

import pytest

from zoo_core.testing import tiny_dataset, tiny_team
from zoo_core.testing.tiny import play_out
from zoo_core.training import Learner, build_algorithm
from zoo_critics.testing_mixed import LinearMixer
from zoo_omcda.plugin import zoo_algorithms

STEPS = ("value_r", "value_c", "critic_r", "critic_c", "policy", "alpha")
GOLDEN = {
    "continuous": [
        0.0057841, 1.0261, 0.51197, 0.056443, 1.3685, 0.6,
        0.0050173, 1.025, 0.32925, 0.047148, 1.3579, 0.6,
        0.0046168, 1.0387, 0.55188, 0.054629, 1.4245, 0.59955,
        0.0045167, 1.0418, 0.56428, 0.038109, 1.3606, 0.59904,
    ],
    "discrete": [
        0.062313, 0.80764, 0.25153, 0.066851, 0.84786, 0.59999,
        0.052399, 0.81728, 0.41662, 0.059965, 0.81322, 0.59998,
        0.052037, 0.8351, 0.4973, 0.08012, 0.86913, 0.59952,
        0.039045, 0.85681, 0.32947, 0.036475, 0.806, 0.59899,
    ],
}  # fmt: skip
"""One row an update, in the order of `STEPS`."""


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_four_updates_follow_the_recorded_losses(kind):
    entry, team = zoo_algorithms()[0], tiny_team(kind)
    config = entry.load().Config(
        batch_size=16,
        hidden=8,
        lr=3e-3,
        policy_lr=3e-3,
        bc_iterations=3,
        warm_up=0.25,
        alpha_lr=1e-3,
        alpha_budget=None,
        iterations=4,
    )
    built = build_algorithm(entry, team, config, 0, mixer=LinearMixer)
    learner = Learner([built], [0], tiny_dataset(team, masked=team.discrete).sampler)
    play_out(learner, 3)
    found = [float(metrics[f"{step}/loss"]) for metrics in play_out(learner, 4) for step in STEPS]
    assert found == pytest.approx(GOLDEN[kind], rel=2e-3, abs=2e-4)
