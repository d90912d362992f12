"""What the claims about an algorithm say: reasons, causes and names, and no more of them than can be read."""

from __future__ import annotations

import re

import torch
from sound_algorithm import Sound, entry, failures, quick

from zoo_core.nn import StackedMLP

PERMUTING = "permuting_agents_permutes_the_algorithm"
GENERATORS = "global_generators_are_untouched"


class UpdatesInTurn(Sound):
    reason = "they are updated one after the other"

    def relabel(self, order):
        raise NotImplementedError(self.reason)


class SaysNoReason(UpdatesInTurn):
    reason = ""


def test_agents_that_are_not_exchangeable_may_say_so_with_the_reason():
    row = quick(entry(UpdatesInTurn))[PERMUTING]
    assert row[1:3] == ("skip", "its agents cannot be exchanged: they are updated one after the other")
    row = quick(entry(SaysNoReason))[PERMUTING]
    assert row[1:3] == ("fail", 'relabel must say why agents cannot be exchanged: raise NotImplementedError("…")')


class DrawsGlobally(Sound):
    """Has more tensors than anyone reads the names of."""

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.actors = StackedMLP(team.n, team.obs_size, (config.hidden,) * 5, team.action_size)

    def loss(self, batch, noise):
        return super().loss(batch, {"jitter": torch.randn(())})


def test_what_a_global_generator_spoils_names_that_cause_and_the_claim_about_it_comes_first():
    found = failures(entry(DrawsGlobally))
    assert next(iter(found)) == GENERATORS
    assert {"equal_seeds_give_equal_weights", "resumed_equals_uninterrupted", PERMUTING} < found.keys()
    assert "cannot be given random numbers in a loss" in found["three_seeds_together_equal_three_apart"]
    assert all(
        f"draws from a global generator: see {GENERATORS}" in found[name] for name in found if name != GENERATORS
    )


def test_of_many_tensors_that_differ_a_few_are_named():
    found = failures(entry(DrawsGlobally))
    for claim in ("equal_seeds_give_equal_weights", "resumed_equals_uninterrupted"):
        assert re.search(r"\d\d tensors \(actors\S+, actors\S+, actors\S+, …\)", found[claim])
    assert max(map(len, found.values())) < 600
