"""Ten updates of each network on fixed data give the losses they gave when last compared with the equations."""

import pytest

from zoo_core.testing import tiny_config, tiny_dataset, tiny_learner, tiny_team
from zoo_omiga.plugin import zoo_algorithms

UPDATES = ("local", "critic")
GOLDEN = {
    "continuous": [
        1.3975, 0.2927, 1.4394, 0.29216, 1.4152,
        0.29721, 1.3962, 0.26298, 1.3652, 0.263,
        1.0541, 0.2453, 1.0128, 0.18997, 0.98718,
        0.1533, 1.0033, 0.17065, 0.99866, 0.20635,
    ],
    "discrete": [
        1.3372, 0.59133, 1.3832, 0.37156, 1.2744,
        0.44485, 1.3567, 0.32889, 1.2574, 0.59811,
        1.2979, 0.50076, 1.3883, 0.41559, 1.3805,
        0.36861, 1.2416, 0.47674, 1.4746, 0.34962,
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_ten_iterations_follow_the_recorded_losses(kind):
    (entry,) = zoo_algorithms()
    config = tiny_config(entry, kind, lr=0.003, iterations=10)
    learner = tiny_learner(entry, tiny_dataset(tiny_team(kind), masked=kind == "discrete"), config)
    losses = []
    while not learner.finished:
        metrics = learner.step()
        losses += [float(metrics[f"{name}/loss"]) for name in UPDATES]
    assert losses == pytest.approx(GOLDEN[kind], rel=2e-3, abs=2e-4)
