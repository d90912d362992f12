"""The games are what they say, and the kit catches faulty environments and mixers."""

from __future__ import annotations

import dataclasses
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from zoo_core import EnvEntry, MixerEntry, ReferenceScores, Source
from zoo_core.testing import GAMES, check, check_env, check_mixer, env_claims, game_dataset
from zoo_core.testing.games import Climbing, Tracking
from zoo_core.testing.tiny import PlainMixer

NONE = Source("none")


@pytest.mark.parametrize(
    ("game", "claim"), [(game, claim) for game in GAMES for claim in env_claims(game)], ids=lambda x: x.name
)
def test_the_games_keep_the_contract_of_an_environment(game, claim):
    claim()


@pytest.mark.parametrize("game", GAMES, ids=lambda g: g.name)
def test_solution_habit_and_random_play_are_worth_what_the_game_says(game):
    best = game.load().best_return
    assert game_dataset(game, solved=1.0).returns().numpy() == pytest.approx(best, abs=1e-6)
    assert game_dataset(game, solved=0.0, habitual=1.0).returns().mean() < best - 0.5
    uniform = game_dataset(game, episodes=4096, solved=0.0).returns().numpy()
    error = uniform.std() / len(uniform) ** 0.5
    assert uniform.mean() == pytest.approx(game.reference.random, abs=4 * error)


def test_uncoordinated_maximisation_fails_in_the_climbing_game():
    against_uniform = Climbing.PAYOFF.mean(axis=1)
    assert against_uniform.argmax() == 2  # not the 0 of the best joint action
    assert Climbing.PAYOFF[2, 2] < 0.5 * Climbing.best_return


# --- environments ------------------------------------------------------------------------------------------------


class DrawsFromOutside(Tracking):
    def observe(self):
        return super().observe() + 1e-9 * np.random.rand()  # noqa: NPY002


class ReadsItsIndex(Tracking):
    def observe(self):
        return super().observe() + 1e-9 * np.arange(self.num_envs)[:, None, None]


class ResetsAll(Tracking):
    def reset(self, seeds, copies=None):
        self.clock[:] = 0
        return super().reset(seeds, copies)


class ResetsAllClocks(Tracking):
    """Not seen at once: the others' episodes only end later."""

    def observe(self):
        return np.zeros((self.num_envs, 2, 2))

    def play(self, action, live):
        return np.ones(self.num_envs), np.zeros(self.num_envs, dtype=bool)

    def reset(self, seeds, copies=None):
        self.clock[:] = 0
        return super().reset(seeds, copies)


class ResetsItsClockOnlyWithAll(Tracking):
    """A copy that is reset alone goes on where its last episode was."""

    def reset(self, seeds, copies=None):
        kept = self.clock.copy()
        step = super().reset(seeds, copies)
        if copies is None:
            return step
        self.clock[:] = kept
        return step


class ResetsAllInPlace(ResetsAll):
    """Shows every step in the same arrays, so that what it showed before is gone."""

    def shown(self, step):
        kept = self.__dict__.setdefault("kept", deepcopy(step))
        for name, values in step._asdict().items():
            if values is not None:
                getattr(kept, name)[...] = values
        return kept

    def reset(self, seeds, copies=None):
        return self.shown(super().reset(seeds, copies))

    def step(self, action):
        return self.shown(super().step(action))


class PaysAfterTheEnd(Tracking):
    def step(self, action):
        step = super().step(action)
        return step._replace(reward=step.reward + 1.0)


class NeverEnds(Tracking):
    def step(self, action):
        step = super().step(action)
        return step._replace(truncated=np.zeros_like(step.truncated))


class FlatReward(Tracking):
    def step(self, action):
        step = super().step(action)
        return step._replace(reward=step.reward.mean(1))


class HidesItsMask(Climbing):
    def mask(self):
        return None


class PaintsInFloat(Tracking):
    def render(self, copy=0):
        return super().render(copy) / 255.0


class BreaksAtItsBounds(Tracking):
    def play(self, action, live):
        reward, ended = super().play(action, live)
        return np.where((action == 1.0).any((1, 2)), np.nan, reward), ended


class BreaksAtItsLastAction(Climbing):
    def play(self, action, live):
        reward, ended = super().play(action, live)
        return np.where((action == 2).all(1), np.inf, reward), ended


@pytest.mark.parametrize(
    ("fault", "claim"),
    [
        (DrawsFromOutside, "equal_seeds_give_equal_episodes"),
        (DrawsFromOutside, "global_generators_are_untouched"),
        (ReadsItsIndex, "batched_equals_single"),
        (ResetsAll, "one_copy_resets_alone"),
        (ResetsAllInPlace, "one_copy_resets_alone"),
        (ResetsAllClocks, "one_copy_resets_alone"),
        (ResetsItsClockOnlyWithAll, "one_copy_resets_alone"),
        (PaysAfterTheEnd, "episodes_end_and_stay_ended"),
        (NeverEnds, "episodes_end_and_stay_ended"),
        (FlatReward, "steps_have_their_shapes"),
        (HidesItsMask, "entry_agrees_with_team"),
        (BreaksAtItsBounds, "bounds_are_accepted"),
        (BreaksAtItsLastAction, "bounds_are_accepted"),
    ],
)
def test_a_faulty_environment_is_caught_by_the_claim_about_the_fault(fault, claim):
    original = next(game for game in GAMES if game.name == fault.team.env)
    entry = dataclasses.replace(original, factory=f"{__name__}:{fault.__name__}")
    assert claim in {check.name for check in check_env(entry) if not check.passed}


class CannotBeDrawn(Tracking):
    def render(self, copy=0):
        raise RuntimeError("no screen")


@pytest.mark.parametrize(("fault", "said"), [(PaintsInFloat, "not float64 [16, 16, 3]"), (CannotBeDrawn, "no screen")])
def test_an_environment_that_cannot_be_drawn_is_sound_but_warned(fault, said):
    entry = dataclasses.replace(GAMES[0], factory=f"{__name__}:{fault.__name__}")
    (row,) = [check for check in check_env(entry) if check.outcome not in ("pass", "skip")]
    assert (row.name, row.outcome) == ("frames_are_pictures", "warn")
    assert said in row.detail


@pytest.mark.parametrize("scores", [(4.0, 0.72), (4.0, 4.0), (0.0, float("nan")), (float("-inf"), 4.0)])
def test_reference_scores_that_turn_results_upside_down_are_refused(scores):
    class UpsideDown(Tracking):
        team = dataclasses.replace(Tracking.team, reference=ReferenceScores(*scores, "a slip"))

    globals()["UpsideDown"] = UpsideDown
    reference = UpsideDown.team.reference
    entry = dataclasses.replace(GAMES[0], factory=f"{__name__}:UpsideDown", reference=reference)
    (failed,) = [check for check in check_env(entry) if not check.passed]
    assert failed.name == "reference_scores_ascend"
    assert f"random = {scores[0]:g} and expert = {scores[1]:g}" in failed.detail


def Nothing(*sizes):
    return object()


class HasNoTeam(Tracking):
    team = None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            EnvEntry("n", "", f"{__name__}:Nothing", NONE, convention="c"),
            "not something of type object, which has no team and no",
        ),
        (EnvEntry("n", "", f"{__name__}:HasNoTeam", NONE, convention="c"), "its team must be a zoo_core.TeamSpec"),
        (MixerEntry("n", "", f"{__name__}:Nothing", NONE), "must build a zoo_core.Mixer, not something of type object"),
    ],
)
def test_a_factory_that_builds_something_else_is_the_only_failure(entry, said):
    rows = check(entry)
    (failed,) = [row for row in rows if row.outcome == "fail"]
    assert failed.name == "the_factory_fits_its_kind"
    assert said in failed.detail
    reason = "its factory is at fault: see the_factory_fits_its_kind"
    assert len([row for row in rows if row[1:3] == ("skip", reason)]) >= 3


def test_what_cannot_be_called_is_one_failure():
    (failed,) = [row for row in check_mixer(MixerEntry("n", "", f"{__name__}:NONE", NONE)) if not row.passed]
    assert (failed.name, failed.detail) == (
        "the_factory_can_be_imported",
        f"the factory '{__name__}:NONE' cannot be called",
    )


def test_an_entry_that_contradicts_its_team_is_caught():
    entry = EnvEntry("test-tracking", "", f"{__name__}:Tracking", NONE, agents=5)
    (failed,) = [check for check in check_env(entry) if not check.passed]
    assert "agents=5" in failed.detail


class TruncatesEarly(Tracking):
    def step(self, action):
        step = super().step(action)
        return step._replace(truncated=self.clock >= 2)


def test_an_episode_may_not_be_truncated_before_its_limit():
    entry = EnvEntry("test-tracking", "", f"{__name__}:TruncatesEarly", NONE, agents=2)
    rows = {check.name: check for check in check_env(entry)}
    assert "say terminated instead" in rows["episodes_end_and_stay_ended"].detail


def test_a_missing_convention_and_missing_reference_scores_are_advice():
    class Silent(Tracking):
        team = dataclasses.replace(Tracking.team, reference=None)

    globals()["Silent"] = Silent
    entry = EnvEntry("test-tracking", "", f"{__name__}:Silent", NONE, agents=2)
    rows = {check.name: check for check in check_env(entry) if check.outcome not in ("pass", "skip")}
    assert {name: check.outcome for name, check in rows.items()} == {
        "convention_is_stated": "warn",
        "reference_is_stated": "warn",
    }
    assert "reference=ReferenceScores(" in rows["reference_is_stated"].detail


def test_a_factory_that_cannot_be_imported_is_the_only_failure():
    for rows in (
        check_env(EnvEntry("lost", "", "no_such_module:Env", NONE)),
        check_mixer(MixerEntry("lost", "", "no_such_module:Mixer", NONE)),
    ):
        assert [check.name for check in rows if check.outcome == "fail"] == ["the_factory_can_be_imported"]
        assert {check.outcome for check in rows[1:]} == {"skip"}


# --- mixers ------------------------------------------------------------------------------------------------------


class Negative(PlainMixer):
    def weights(self, state):
        w, b = super().weights(state)
        return -w, b


class Squeezed(PlainMixer):
    def mix(self, values, state):
        return super().mix(values, state).squeeze(-1)


class IgnoresAnAgent(PlainMixer):
    def mix(self, values, state):
        return super().mix(values * torch.tensor([1.0, 0.0, 1.0]), state)


class Curved(PlainMixer):
    def mix(self, values, state):
        return super().mix(values, state) + nn.functional.softplus(values).sum(-1, keepdim=True)


class Whitens(PlainMixer):
    def mix(self, values, state):
        return super().mix(values - values.mean(0), state)


class Draws(PlainMixer):
    def mix(self, values, state):
        return super().mix(values, state) + 1e-9 * torch.rand(())


def mixer_entry(mixer: type, traits: tuple[str, ...] = ("linear", "monotone")) -> MixerEntry:
    outputs = "n" if "vector" in traits else "1"
    return MixerEntry("toy", "", f"{__name__}:{mixer.__name__}", NONE, traits=traits, outputs=outputs)


def failures(entry: MixerEntry) -> set[str]:
    return {check.name for check in check_mixer(entry) if not check.passed}


def test_a_sound_mixer_passes():
    assert failures(mixer_entry(PlainMixer, ("linear", "monotone", "vector"))) == set()


@pytest.mark.parametrize(
    ("fault", "claim"),
    [
        (Negative, "totals_never_decrease_in_a_value"),
        (Negative, "totals_are_the_weighted_sum"),
        (Squeezed, "totals_have_their_shape"),
        (IgnoresAnAgent, "gradient_reaches_every_agent"),
        (Curved, "totals_are_the_weighted_sum"),
        (Whitens, "totals_have_their_shape"),
        (Draws, "global_generator_is_untouched"),
    ],
)
def test_a_faulty_mixer_is_caught_by_the_claim_about_the_fault(fault, claim):
    assert claim in failures(mixer_entry(fault))


def test_a_curved_mixer_that_declares_no_linearity_passes():
    assert failures(mixer_entry(Curved, ("monotone",))) == set()


def test_contradictory_traits_are_caught():
    assert failures(mixer_entry(PlainMixer, ("linear",))) == {"traits_are_known"}
    assert failures(mixer_entry(PlainMixer, ("linear", "monotone", "shiny"))) == {"traits_are_known"}
