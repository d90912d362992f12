"""Settings that the conformance kit leaves at their defaults, trained for a few iterations."""

import pytest
import torch

from zoo_core.testing import tiny_config, tiny_dataset, tiny_learner, tiny_team
from zoo_dof.plugin import zoo_algorithms

ENTRIES = {entry.name: entry for entry in zoo_algorithms()}
DATA = tiny_dataset(tiny_team("continuous"))
BOTH = {"noise_factorisation": "w-concat", "data_factorisation": "w-concat"}
CASES = [
    ("dof-policy", BOTH),
    ("dof-policy", {"choice": "softmax", "clip": None}),
    ("dof-trajectory", BOTH),
    ("dof-trajectory", {**BOTH, "network": "unet", "multipliers": (1, 2)}),
    ("dof-trajectory", {"share": True, "network": "unet", "multipliers": (1, 2), "sampler": "ddpm"}),
]


def trained(name, settings, seeds=(0,), iterations=4):
    entry = ENTRIES[name]
    learner = tiny_learner(entry, DATA, tiny_config(entry, "continuous", **settings), seeds, undeclared=True)
    for _ in range(iterations):
        learner.step()
    return learner


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_two_seeds_side_by_side_are_each_what_they_are_alone(name, settings):
    together = trained(name, settings, (3, 4))
    for index, seed in enumerate((3, 4)):
        alone = trained(name, settings, (seed,)).algorithm()
        for (label, one), other in zip(alone.named_parameters(), together.algorithm(index).parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-4, msg=label)


@pytest.mark.parametrize(("name", "settings"), [case for case in CASES if "data_factorisation" in case[1]])
def test_weights_of_both_factorisations_are_learned_for_each_agent(name, settings):
    algorithm = trained(name, settings).algorithm()
    for weights in (algorithm.noise_weights, algorithm.data_weights):
        assert weights.shape == (3,)
        assert (weights != 1).all()


@pytest.mark.parametrize("name", ENTRIES)
def test_side_by_side_weights_stay_at_one(name):
    algorithm = trained(name, {}).algorithm()
    assert (algorithm.noise_weights == 1).all()
    assert (algorithm.data_weights == 1).all()
