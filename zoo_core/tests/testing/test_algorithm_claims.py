"""The conformance kit passes a sound algorithm and catches each fault by the claim that is about it."""

from __future__ import annotations

import re
from collections import deque
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
from zoo_core.testing import Check, algorithm_claims, check_algorithm
from zoo_core.testing.checks import run_claims

LONG = ("long_training_stays_finite", "memory_stays_flat", "a_killed_run_resumes_to_equal_weights", "learns_a_game")


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


# --- training ----------------------------------------------------------------------------------------------------


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


class LearnsNothing(Sound):
    def phases(self):
        (phase,) = super().phases()
        (step,) = phase.steps
        idle = Update(step.name, step.loss, step.learns, step.optimizer, step.noise, descends=False)
        return (Phase(phase.name, phase.data, (idle,)),)

    def loss(self, batch, noise):
        return Loss(super().loss(batch, noise).value * 0.0, {})


# --- acting ------------------------------------------------------------------------------------------------------


class Peeks(Sound):
    def act(self, obs, mask, memory, generator):
        return self.policy(obs - obs.mean(1, keepdim=True)), None


class NormalisesOverCopies(Sound):
    def act(self, obs, mask, memory, generator):
        return self.policy(obs - obs.mean(0, keepdim=True)), None


class LeavesItsBounds(Sound):
    def act(self, obs, mask, memory, generator):
        return 1e3 * self.policy(obs), None


class Forgets(Sound):
    """Acts with a shift that was drawn when it was built, and that no checkpoint holds."""

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.shift = torch.randn(())

    def act(self, obs, mask, memory, generator):
        return self.policy(obs + self.shift), None


class WrongShape(Sound):
    def act(self, obs, mask, memory, generator):
        return self.policy(obs)[..., :1], None


# --- exchanged agents --------------------------------------------------------------------------------------------


class FavoursTheFirst(Sound):
    def loss(self, batch, noise):
        value = super().loss(batch, noise).value
        return Loss(value + (self.policy(batch.obs) - batch.action)[:, 0].square().mean(), {})


class SharesWithIds(Sound):
    """One network for all agents, which see who they are; the default `relabel` knows nothing of that."""

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.actors = StackedMLP(1, team.obs_size + team.n, (config.hidden,), team.action_size)

    def policy(self, obs):
        ids = torch.eye(self.team.n).expand(len(obs), -1, -1)
        rows = torch.cat((obs, ids), -1).flatten(0, 1)
        unit = torch.tanh(self.actors(rows.unsqueeze(0))).view(*obs.shape[:2], -1)
        return 0.5 * (self.team.action_high - self.team.action_low) * (unit + 1.0) + self.team.action_low


class RelabelsItsIds(SharesWithIds):
    @torch.no_grad()
    def relabel(self, order):
        weight = self.actors.layers[0].weight  # [1, o + n, H]
        ids = self.team.obs_size + torch.as_tensor(order)
        weight.copy_(weight[:, torch.cat((torch.arange(self.team.obs_size), ids))])


class RelabelsBackwards(RelabelsItsIds):
    def relabel(self, order):
        super().relabel(torch.as_tensor(order).argsort())


class OneUpdateForEachAgent(Sound):
    """Its updates change places with the agents; their losses are the same."""

    def phases(self):
        size = self.config.batch_size
        noise = {"jitter": Draw("normal", (size, self.team.n, self.team.action_size))}

        def of_agent(i):
            def loss(batch, noise):
                error = self.policy(batch.obs) - batch.action - self.config.noise * noise["jitter"]
                return Loss(error[:, i].square().mean(), {})

            return Update(f"actor{i}", loss, ("actors",), Adam(1e-3), noise)

        return (Phase("train", Rows(size), tuple(of_agent(i) for i in range(self.team.n))),)


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


def entry(algorithm: type[Algorithm] = Sound, **fields) -> AlgorithmEntry:
    given = {"imitates": True, **fields}
    return AlgorithmEntry("toy", "", f"{__name__}:{algorithm.__name__}", Source("none"), **given)


def quick(entry: AlgorithmEntry) -> dict[str, Check]:
    """Every claim that takes a fraction of a second, by its name without the kind of action."""
    claims = [claim for claim in algorithm_claims(entry) if not claim.name.startswith(LONG)]
    return {row.name.partition("[")[0]: row for row in run_claims(claims)}


def failures(entry: AlgorithmEntry) -> dict[str, str]:
    return {name: row.detail for name, row in quick(entry).items() if row.outcome == "fail"}


def test_a_sound_algorithm_passes_every_claim():
    rows = check_algorithm(entry())
    assert [str(row) for row in rows if row.outcome in ("fail", "warn")] == []
    skipped = {row.name: row.detail for row in rows if row.outcome == "skip"}
    assert skipped.keys() == {
        "every_preset_runs[continuous]",
        "a_state_for_each_agent_will_do[continuous]",
        "learns_a_game[continuous]",
        "learns_a_game[discrete]",
    }
    assert "imitates" in skipped["learns_a_game[continuous]"]
    assert skipped["learns_a_game[discrete]"] == "it declares no discrete actions"


@pytest.mark.parametrize(
    ("fault", "claim", "advice", "also"),
    [
        (Climbs, "every_loss_descends", "mind the sign", ()),
        (
            DrawsGlobally,
            "global_generators_are_untouched",
            "declare what is random",
            ("equal_seeds", "resumed", "three_seeds", "every_loss", "perm"),
        ),
        (
            DrawsGlobally,
            "equal_seeds_give_equal_weights",
            "only from `noise`",
            ("global", "resumed", "three_seeds", "every_loss", "perm"),
        ),
        (CountsInPython, "resumed_equals_uninterrupted", "registered buffers", ("every_loss", "perm")),
        (LeavesTheGraph, "three_seeds_together_equal_three_apart", "item", ()),
        (LearnsNothing, "training_changes_weights", "changed no weight", ()),
        (Peeks, "acting_is_decentralised", "each agent's own row", ()),
        (NormalisesOverCopies, "copies_act_apart", "no batch statistics", ("acting_is_decentralised",)),
        (LeavesItsBounds, "acting_fits_the_team", "bounds", ()),
        (WrongShape, "acting_fits_the_team", r"\[E, n, a\]", ()),
        (Forgets, "a_loaded_policy_acts_the_same", "parameters or buffers", ()),
        (FavoursTheFirst, "permuting_agents_permutes_the_algorithm", "Treat all agents alike", ()),
        (SharesWithIds, "permuting_agents_permutes_the_algorithm", r"override Algorithm.relabel\(order\)", ()),
        (RelabelsBackwards, "permuting_agents_permutes_the_algorithm", r"override Algorithm.relabel\(order\)", ()),
        (ForThreeAgents, "declared_capabilities_run", "two agents that are alike", ()),
    ],
)
def test_a_fault_is_caught_by_the_claim_about_it(fault, claim, advice, also):
    """`also`: beginnings of the names of other claims that it breaks."""
    found = failures(entry(fault))
    assert re.search(advice, found[claim])
    assert [name for name in found if name != claim and not name.startswith(also or "?")] == []


@pytest.mark.parametrize("sound", [RelabelsItsIds, OneUpdateForEachAgent])
def test_agents_may_share_a_network_or_have_updates_of_their_own(sound):
    assert failures(entry(sound)) == {}


def test_centralised_acting_is_allowed_where_declared():
    row = quick(entry(Peeks, centralised_acting=True))["acting_is_decentralised"]
    assert row[1:3] == ("skip", "it declares centralised_acting")


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


# --- settings ----------------------------------------------------------------------------------------------------


def with_setting(**made) -> AlgorithmEntry:
    """The sound algorithm with more settings, name → field."""
    fields = {"__annotations__": dict.fromkeys(made, float), **made, "__module__": __name__}
    grown = type("Grown", (Sound,), {"Config": dataclass(frozen=True)(type("GrownConfig", (Config,), fields))})
    globals()["Grown"] = grown
    return entry(grown)


def test_undocumented_settings_are_named():
    assert "['secret']" in failures(with_setting(secret=3.0))["settings_are_documented"]


def test_a_config_that_takes_any_name_is_caught():
    found = failures(with_setting(no_such_setting=setting(0.0, "A trap.")))
    assert found.keys() == {"unknown_settings_are_refused"}


def test_a_setting_that_json_cannot_hold_is_caught():
    found = failures(with_setting(odd=setting(complex(0, 1), "Not a number that JSON knows.")))
    assert found.keys() >= {"settings_survive_json"}


def test_a_preset_that_does_not_run_is_named(tmp_path, monkeypatch):
    (tmp_path / "toy_presets").mkdir()
    (tmp_path / "toy_presets" / "__init__.py").touch()
    (tmp_path / "toy_presets" / "defaults.yaml").write_text(
        "presets:\n  zoo: {continuous: {}}\n  wild: {continuous: {noise: {value: -1.0, reason: a test}}}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    class RefusesNegativeNoise(Sound):
        def __init__(self, team, config, *, statistics=None, mixer=None):
            super().__init__(team, config, statistics=statistics, mixer=mixer)
            if config.noise < 0:
                raise ValueError("noise is negative")

    globals()["RefusesNegativeNoise"] = RefusesNegativeNoise
    found = failures(entry(RefusesNegativeNoise, settings="toy_presets:defaults.yaml"))
    assert found.keys() == {"every_preset_runs"}
    assert "preset 'wild' it raised ValueError: noise is negative" in found["every_preset_runs"]


def test_a_heavy_hook_module_is_named(tmp_path, monkeypatch):
    (tmp_path / "heavy_hooks.py").write_text("import numpy\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("zoo_core.testing.settings.hook_modules", lambda entry: ["heavy_hooks"])
    found = failures(entry())
    assert found.keys() == {"the_hook_module_is_light"}
    assert "import heavy_hooks brings in numpy" in found["the_hook_module_is_light"]


def test_of_an_online_trainer_only_the_entry_is_tested():
    names = [claim.name for claim in algorithm_claims(entry(online="python -m toy"))]
    assert names == ["the_factory_can_be_imported", "words_are_known", "settings_are_documented"]


# --- long runs ---------------------------------------------------------------------------------------------------


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


def long_run(algorithm: type[Algorithm]) -> dict[str, Check]:
    claims = [claim for claim in algorithm_claims(entry(algorithm)) if claim.name.startswith(LONG[:2])]
    return {row.name.partition("[")[0]: row for row in run_claims(claims)}


def test_a_metric_that_is_not_finite_is_named():
    rows = long_run(Diverges)
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
    rows = long_run(leak)
    assert rows["memory_stays_flat"].outcome == "fail"
    assert re.search(what, rows["memory_stays_flat"].detail)
    assert rows["long_training_stays_finite"].outcome == "pass"


def test_what_fills_up_at_first_is_no_leak():
    assert long_run(WarmsUp)["memory_stays_flat"].outcome == "pass"


def test_a_killed_run_that_forgets_is_caught():
    claims = [claim for claim in algorithm_claims(entry(CountsInPython)) if "killed" in claim.name]
    (row,) = run_claims(claims)
    assert row.outcome == "fail"
    assert "killed and resumed from iteration 6 ends with other weights" in row.detail


def test_imitation_alone_learns_no_game():
    claims = [c for c in algorithm_claims(entry(imitates=False)) if c.name == "learns_a_game[continuous]"]
    (row,) = run_claims(claims)
    assert row.outcome == "fail"
    assert "of the way from random to optimal play" in row.detail
