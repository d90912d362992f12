"""What only a long run shows: finite numbers, memory that is flat, a kill that leaves no trace, a game learned."""

from __future__ import annotations

import re
import sys
from collections import deque
from dataclasses import dataclass

import pytest
import torch
from sound_algorithm import Config, Sound, entry, long

from zoo_core import Loss, Phase, setting
from zoo_core.testing import NotApplicable, learning


class Diverges(Sound):
    def loss(self, batch, noise):
        value = super().loss(batch, noise).value
        return Loss(value, {"odd": torch.log(-value)})


class KeepsLosses(Sound):
    def loss(self, batch, noise):
        loss = super().loss(batch, noise)
        self.__dict__.setdefault("history", []).append(loss.value.detach())
        return loss


class KeepsNumbers(Sound):
    def loss(self, batch, noise):
        loss = super().loss(batch, noise)
        self.__dict__.setdefault("history", []).append(float(loss.value.detach()))
        return loss


class CachesBatches(Sound):
    def loss(self, batch, noise):
        self.__dict__.setdefault("cache", {})[batch.obs.sum()] = batch
        return super().loss(batch, noise)


class GrowsATensor(Sound):
    def loss(self, batch, noise):
        self.__dict__["seen"] = torch.cat((self.__dict__.get("seen", torch.zeros(0)), batch.reward.mean().view(1)))
        return super().loss(batch, noise)


class WarmsUp(Sound):
    """Keeps its last two hundred batches: that it fills a buffer at first is no leak."""

    def loss(self, batch, noise):
        self.__dict__.setdefault("window", deque(maxlen=200)).append(batch)
        return super().loss(batch, noise)


def endured(algorithm):
    return long(algorithm, "long_training", "memory")


def test_a_metric_that_is_not_finite_is_named():
    rows = endured(Diverges)
    assert "actor/odd" in rows["long_training_stays_finite"].detail
    assert rows["memory_stays_flat"].outcome == "skip"


@pytest.mark.parametrize(
    ("leak", "what"),
    [
        (KeepsLosses, r"\d tensors"),
        (KeepsNumbers, r"[\d,]+ Python objects"),
        (CachesBatches, r"\d tensors and [\d,]+ bytes"),
        (GrowsATensor, r"\d bytes of tensors"),
    ],
)
def test_what_grows_for_ever_is_caught(leak, what):
    rows = endured(leak)
    assert rows["memory_stays_flat"].outcome == "fail"
    assert re.search(what, rows["memory_stays_flat"].detail)
    assert rows["long_training_stays_finite"].outcome == "pass"


def test_what_fills_up_at_first_is_no_leak():
    assert endured(WarmsUp)["memory_stays_flat"].outcome == "pass"


class HasItsOwnBudget(Sound):
    def phases(self):
        (phase,) = super().phases()
        return (Phase(phase.name, phase.data, phase.steps, iterations=30),)


def test_memory_says_nothing_about_a_run_that_is_too_short():
    rows = endured(HasItsOwnBudget)
    assert rows["memory_stays_flat"][1:3] == ("skip", "it trains for fewer than 1000 iterations, whatever its budget")
    assert rows["long_training_stays_finite"].outcome == "pass"


class CountsInPython(Sound):
    """Its loss depends on a counter that no checkpoint holds."""

    calls = 0

    def loss(self, batch, noise):
        self.calls += 1
        return super().loss(batch, {"jitter": noise["jitter"] * self.calls})


def test_a_killed_run_that_forgets_is_caught():
    row = long(CountsInPython, "a_killed_run")["a_killed_run_resumes_to_equal_weights"]
    assert row.outcome == "fail"
    assert "killed and resumed from iteration 6 ends, beside one that was not, with other weights" in row.detail
    assert re.search(r"in 4 tensors \(actors\S+, actors\S+, actors\S+, …\): keep", row.detail)
    assert row.detail.endswith("draws from a global generator: see global_generators_are_untouched")


class CannotBeTrainedElsewhere(Sound):
    """Refuses in any process but the one that tests it."""

    def loss(self, batch, noise):
        if sys.argv[0] == "-c":
            raise RuntimeError("where am I?")
        return super().loss(batch, noise)


def test_a_process_that_fails_is_told_of_in_one_line():
    row = long(CannotBeTrainedElsewhere, "a_killed_run")["a_killed_run_resumes_to_equal_weights"]
    assert row.outcome == "fail"
    assert "where am I?" in row.detail
    assert "\n" not in row.detail


def test_imitation_alone_learns_no_game():
    row = long(Sound, "learns_a_game[continuous]", imitates=False)["learns_a_game"]
    assert row.outcome == "fail"
    assert "of the way from random to optimal play" in row.detail


@dataclass(frozen=True)
class FitsFirst(Config):
    fit_iterations: int = setting(100_000, "Updates of a first phase.")


class Fits(Sound):
    Config = FitsFirst


def test_a_first_phase_has_the_whole_budget_of_the_learning_claim(monkeypatch):
    """Its outcome, a behaviour policy's say, decides what the last phase can learn."""
    given = []

    def note(entry, dataset, config):
        given.append(config)
        raise NotApplicable("that is all this test asks")

    monkeypatch.setattr(learning, "tiny_learner", note)
    claim = next(claim for claim in learning.learning_claims(entry(Fits, imitates=False), most=77))
    with pytest.raises(NotApplicable, match="all this test asks"):
        claim()
    assert [(config.iterations, config.fit_iterations) for config in given] == [(77, 77)]
