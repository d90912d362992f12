"""The conformance kit passes a sound algorithm and catches each fault by the claim that is about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    AlgorithmEntry,
    Batch,
    Draw,
    Loss,
    Phase,
    Rows,
    Source,
    Update,
    setting,
)
from zoo_core.nn import StackedMLP
from zoo_core.testing import check_algorithm
from zoo_core.testing.checks import Claim, run_claims


@dataclass(frozen=True)
class Config(AlgorithmConfig):
    hidden: int = setting(64, "Width.")
    noise: float = setting(0.1, "Deviation of the noise on the actions that are imitated.")


class Sound(Algorithm):
    """Imitates noisy actions, from one network per agent."""

    Config = Config

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.actors = StackedMLP(team.n, team.obs_size, (config.hidden,), team.action_size)

    def phases(self):
        size, team = self.config.batch_size, self.team
        noise = {"jitter": Draw("normal", (size, team.n, team.action_size))}
        actor = Update("actor", self.loss, learns=("actors",), optimizer=Adam(1e-3), noise=noise)
        return (Phase("train", Rows(size), steps=(actor,)),)

    def policy(self, obs: Tensor) -> Tensor:
        unit = torch.tanh(self.actors(obs.transpose(0, 1)).transpose(0, 1))
        return 0.5 * (self.team.action_high - self.team.action_low) * (unit + 1.0) + self.team.action_low

    def loss(self, batch: Batch, noise) -> Loss:
        value = (self.policy(batch.obs) - batch.action - self.config.noise * noise["jitter"]).square().mean()
        return Loss(value, {"mse": value})

    def act(self, obs, mask, memory, generator):
        return self.policy(obs), None


class Climbs(Sound):
    def loss(self, batch, noise):
        value = super().loss(batch, noise).value
        return Loss(2.0 * value.detach() - value, {})


class DrawsGlobally(Sound):
    def loss(self, batch, noise):
        return super().loss(batch, {"jitter": torch.randn(())})


class CountsInPython(Sound):
    """Its loss depends on a counter that no checkpoint holds."""

    calls = 0

    def loss(self, batch, noise):
        self.calls += 1
        return super().loss(batch, {"jitter": noise["jitter"] * self.calls})


class LeavesTheGraph(Sound):
    def loss(self, batch, noise):
        loss = super().loss(batch, noise)
        return Loss(loss.value, {"mse": torch.tensor(loss.value.item())})


class Peeks(Sound):
    def act(self, obs, mask, memory, generator):
        return self.policy(obs - obs.mean(1, keepdim=True)), None


class NormalisesOverCopies(Sound):
    def act(self, obs, mask, memory, generator):
        return self.policy(obs - obs.mean(0, keepdim=True)), None


class LeavesItsBounds(Sound):
    def act(self, obs, mask, memory, generator):
        return 1e3 * self.actors(obs.transpose(0, 1)).transpose(0, 1), None


class Forgets(Sound):
    """Acts with a shift that training sets and no checkpoint holds."""

    shift = 0.0

    def loss(self, batch, noise):
        self.shift = 1e-3 * float(batch.obs.sum())
        return super().loss(batch, noise)

    def act(self, obs, mask, memory, generator):
        return self.policy(obs + self.shift), None


class Diverges(Sound):
    def loss(self, batch, noise):
        value = super().loss(batch, noise).value
        return Loss(value, {"odd": torch.log(-value)})


class LearnsNothing(Sound):
    def loss(self, batch, noise):
        return Loss(super().loss(batch, noise).value * 0.0, {})


class WrongShape(Sound):
    def act(self, obs, mask, memory, generator):
        return self.policy(obs).flatten(1), None


def entry(algorithm: type[Algorithm] = Sound, **fields) -> AlgorithmEntry:
    return AlgorithmEntry("toy", "", f"{__name__}:{algorithm.__name__}", Source("none"), **fields)


def failures(entry: AlgorithmEntry) -> dict[str, str]:
    return {check.name.partition("[")[0]: check.detail for check in check_algorithm(entry) if not check.passed}


def test_a_sound_algorithm_passes_every_claim():
    assert failures(entry()) == {}


@pytest.mark.parametrize(
    ("fault", "claim", "advice"),
    [
        (Climbs, "every_loss_descends", "mind the sign"),
        (DrawsGlobally, "global_generators_are_untouched", "declare what is random"),
        (DrawsGlobally, "equal_seeds_give_equal_weights", "only from `noise`"),
        (CountsInPython, "resumed_equals_uninterrupted", "registered buffers"),
        (LeavesTheGraph, "three_seeds_together_equal_three_apart", "item"),
        (Peeks, "acting_is_decentralised", "each agent's own row"),
        (NormalisesOverCopies, "acting_is_decentralised", "no batch statistics"),
        (LeavesItsBounds, "acting_fits_the_team", "bounds"),
        (WrongShape, "acting_fits_the_team", r"\[E, n, a\]"),
        (Forgets, "a_loaded_policy_acts_the_same", "parameters or buffers"),
        (Diverges, "twenty_iterations_stay_finite", "actor/odd"),
        (LearnsNothing, "twenty_iterations_stay_finite", "changed no weight"),
    ],
)
def test_a_fault_is_caught_by_the_claim_about_it(fault, claim, advice):
    found = failures(entry(fault))
    assert claim in found
    assert re.search(advice, found[claim])


def test_centralised_acting_is_allowed_where_declared():
    assert "acting_is_decentralised" not in failures(entry(Peeks, centralised_acting=True))


def test_unknown_words_and_undocumented_settings_are_named():
    assert "telepathy" in failures(entry(needs=("rows", "telepathy")))["words_are_known"]

    @dataclass(frozen=True)
    class Bare(Config):
        secret: int = 3

    class Undocumented(Sound):
        Config = Bare

    globals()["Undocumented"] = Undocumented
    assert "secret" in failures(entry(Undocumented))["words_are_known"]


def test_a_claim_that_raises_is_a_failure_and_does_not_stop_the_others():
    def explode() -> None:
        raise KeyError("lost")

    first, second = run_claims([Claim("first", explode), Claim("second", lambda: None)])
    assert not first.passed
    assert "KeyError: 'lost'" in first.detail
    assert second.passed
    assert str(second) == "ok   second"
