"""Ten updates of each network on fixed data give the losses they gave when last compared with the equations."""

import pytest

from zoo_core.testing import tiny_config, tiny_dataset, tiny_learner, tiny_team
from zoo_omar_mix.plugin import zoo_algorithms

UPDATES = ("policy", "critic")
GOLDEN = {
    "continuous": [
        0.4003, 9.8423, 0.39782, 9.8853, 0.34089,
        10.16, 0.33835, 9.9294, 0.36893, 10.011,
        0.35779, 9.7617, 0.37341, 10.123, 0.37444,
        9.8003, 0.37586, 9.7127, 0.37014, 9.8478,
    ],
    "discrete": [
        0.46633, 3.5596, 0.45078, 3.5141, 0.4799,
        3.6358, 0.44059, 3.1659, 0.45464, 3.6675,
        0.44947, 3.471, 0.43648, 3.3197, 0.43293,
        3.2809, 0.44345, 3.5029, 0.44687, 3.3517,
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
