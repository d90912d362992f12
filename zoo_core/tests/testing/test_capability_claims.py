"""What an algorithm declares must run, and what it uses must be declared: each fault is named with its remedy."""

from __future__ import annotations

import pytest
import torch
from sound_algorithm import Sound, entry, failures, quick

from zoo_core import Loss, Phase, Rows

# --- capabilities ------------------------------------------------------------------------------------------------


class ReadsTheState(Sound):
    def loss(self, batch, noise):
        loss = super().loss(batch, noise)
        return Loss(loss.value + 0.0 * batch.state.flatten(1).mean(), {})


class JoinsObservations(Sound):
    """Takes any state for the joint observation."""

    def loss(self, batch, noise):
        loss = super().loss(batch, noise)
        width = sum(self.team.obs_sizes)
        return Loss(loss.value + 0.0 * (batch.state @ torch.ones(width)).mean(), {})


class MixesAStateOfTheTeam(Sound):
    """A state for each agent does not fit into what it computes."""

    def loss(self, batch, noise):
        loss = super().loss(batch, noise)
        return Loss(loss.value + 0.0 * (batch.state @ torch.ones(self.team.state_size)).view(batch.size).mean(), {})


class AsksForTheNextAction(Sound):
    def phases(self):
        (phase,) = super().phases()
        return (Phase(phase.name, Rows(self.config.batch_size, next_action=True), phase.steps),)


class ReadsStatistics(Sound):
    def policy(self, obs):
        return super().policy(obs - self.statistics.obs_mean)


class TakesAMixer(Sound):
    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.mixer = mixer(team.n, team.state_size)


class WeighsByTheMixer(TakesAMixer):
    def loss(self, batch, noise):
        loss = super().loss(batch, noise)
        return Loss(loss.value + 0.0 * self.mixer.weights(batch.state)[0].mean(), {})


class ForThreeAgents(Sound):
    def loss(self, batch, noise):
        assert self.team.n == 3, "written for three agents"
        return super().loss(batch, noise)


# --- what is declared --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ReadsTheState, '"state"'),
        (AsksForTheNextAction, '"next_action"'),
        (ReadsStatistics, '"statistics"'),
    ],
)
def test_what_is_used_must_be_declared(fault, words):
    found = failures(entry(fault))
    assert found.keys() == {"data_needs_are_declared"}
    assert f"add {words} to the entry's needs" in found["data_needs_are_declared"]
    declared = words.strip('"')
    assert failures(entry(fault, needs=("rows", declared))) == {}


def test_the_shape_of_the_data_must_be_declared():
    assert 'add "rows" to the entry\'s needs' in failures(entry(needs=()))["data_needs_are_declared"]


def test_a_mixer_must_be_declared():
    assert "mixer=()" in failures(entry(TakesAMixer))["data_needs_are_declared"]
    assert failures(entry(TakesAMixer, mixer=())) == {}


def test_a_mixers_traits_must_be_declared():
    weighs = {"needs": ("rows", "state"), "mixer": ("monotone",)}
    found = failures(entry(WeighsByTheMixer, **weighs))
    assert "CurvedMixer is not linear" in found["declared_capabilities_run"]
    assert failures(entry(WeighsByTheMixer, **{**weighs, "mixer": ("linear",)})) == {}


def test_an_algorithm_for_one_size_of_team_is_caught():
    found = failures(entry(ForThreeAgents))
    assert found.keys() == {"declared_capabilities_run"}
    assert "two agents that are alike it raised AssertionError: written for three" in found["declared_capabilities_run"]


def test_a_need_for_the_state_is_a_need_for_every_kind_of_state():
    found = failures(entry(JoinsObservations, needs=("rows", "state")))
    assert found.keys() == {"declared_capabilities_run"}
    assert "a stored state [B, s]" in found["declared_capabilities_run"]


def test_a_state_for_each_agent_is_advice():
    rows = quick(entry(MixesAStateOfTheTeam, needs=("rows", "state")))
    assert {name for name, row in rows.items() if row.outcome == "warn"} == {"a_state_for_each_agent_will_do"}
    assert {name for name, row in rows.items() if row.outcome == "fail"} == set()
    assert "flatten(1)" in rows["a_state_for_each_agent_will_do"].detail


def test_an_unknown_word_is_named():
    assert "telepathy" in failures(entry(needs=("rows", "telepathy")))["words_are_known"]
    assert "smooth" in failures(entry(mixer=("smooth",)))["words_are_known"]
    assert "actions=" in failures(entry(actions=()))["words_are_known"]


def test_capabilities_that_nothing_refuses_are_caught(monkeypatch):
    monkeypatch.setattr("zoo_core.testing.capabilities.missing", lambda algorithm, env: [])
    assert failures(entry()).keys() == {"what_is_not_declared_is_refused"}
