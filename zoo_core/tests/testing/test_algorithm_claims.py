"""The conformance kit passes a sound algorithm and catches each fault by the claim that is about it."""

from __future__ import annotations

import re

import pytest
import torch
from sound_algorithm import Sound, entry, failures, quick

from zoo_core import Adam, Draw, Loss, Phase, Rows, Update
from zoo_core.nn import StackedMLP
from zoo_core.testing import check_algorithm

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


class RemembersTheOthers(Sound):
    """A recurrent policy that decides alone at first, and later by what the whole team saw."""

    def initial_memory(self, num_envs):
        return torch.zeros(num_envs, 1, self.team.obs_size)

    def act(self, obs, mask, memory, generator):
        return self.policy(obs + memory), obs.mean(1, keepdim=True)


class RemembersItself(RemembersTheOthers):
    def act(self, obs, mask, memory, generator):
        return self.policy(obs + memory), obs


class Plans(Sound):
    """Samples candidates and takes their mean."""

    def act(self, obs, mask, memory, generator):
        candidates = obs + 0.1 * torch.randn((8, *obs.shape), generator=generator)
        return self.policy(candidates.flatten(0, 1)).unflatten(0, (8, -1)).mean(0), None


class Chooses(Sound):
    """Clones discrete actions."""

    def phases(self):
        size = self.config.batch_size
        return (Phase("train", Rows(size), (Update("actor", self.loss, ("actors",), Adam(1e-3)),)),)

    def logits(self, obs, mask):
        return self.actors(obs.transpose(0, 1)).transpose(0, 1).masked_fill(~mask, -1e9)

    def loss(self, batch, noise):
        logits = self.logits(batch.obs, batch.action_mask).flatten(0, 1)
        return Loss(torch.nn.functional.cross_entropy(logits, batch.action.flatten()), {})

    def act(self, obs, mask, memory, generator):
        return self.logits(obs, mask).argmax(-1), None


class PeeksALittle(Chooses):
    """Turns few choices: most are far from even."""

    def act(self, obs, mask, memory, generator):
        return super().act(obs + 0.01 * obs.mean(1, keepdim=True), mask, memory, generator)


class PeeksAtMasks(Chooses):
    def act(self, obs, mask, memory, generator):
        turn = 1 - 2 * (mask.sum((1, 2)) % 2)  # by what is available to the whole team
        return (turn[:, None, None] * self.actors(obs.transpose(0, 1)).transpose(0, 1)).masked_fill(~mask, -1e9).argmax(
            -1
        ), None


# --- phases ------------------------------------------------------------------------------------------------------


class TwoPhases(Sound):
    """Its second phase, the only one with `second` at fault, begins when a costly first one is over."""

    def phases(self):
        (phase,) = super().phases()
        (step,) = phase.steps
        late = Update("late", self.second, step.learns, step.optimizer, step.noise)
        return (Phase("first", phase.data, phase.steps, iterations=30), Phase("second", phase.data, (late,)))

    def second(self, batch, noise):
        return self.loss(batch, noise)


class DrawsGloballyLater(TwoPhases):
    def second(self, batch, noise):
        return self.loss(batch, {"jitter": torch.randn(())})


class CountsInPythonLater(TwoPhases):
    calls = 0

    def second(self, batch, noise):
        self.calls += 1
        return self.loss(batch, {"jitter": noise["jitter"] * self.calls})


class LeavesTheGraphLater(TwoPhases):
    def second(self, batch, noise):
        loss = self.loss(batch, noise)
        return Loss(loss.value, {"mse": torch.tensor(loss.value.item())})


class LearnsNothingLater(TwoPhases):
    def second(self, batch, noise):
        return Loss(self.loss(batch, noise).value * 0.0, {})


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
        (RemembersTheOthers, "acting_is_decentralised", "remember no other", ()),
        (
            DrawsGloballyLater,
            "equal_seeds_give_equal_weights",
            "only from `noise`",
            ("global", "resumed", "three", "every_loss", "perm"),
        ),
        (
            DrawsGloballyLater,
            "global_generators_are_untouched",
            "declare what is random",
            ("equal", "resumed", "three", "every_loss", "perm"),
        ),
        (CountsInPythonLater, "resumed_equals_uninterrupted", "registered buffers", ("every_loss", "perm")),
        (LeavesTheGraphLater, "three_seeds_together_equal_three_apart", "item", ()),
        (LearnsNothingLater, "training_changes_weights", "of phase 'second'", ("every_loss",)),
        (Forgets, "a_loaded_policy_acts_the_same", "parameters or buffers", ()),
        (FavoursTheFirst, "permuting_agents_permutes_the_algorithm", "Treat all agents alike", ()),
        (SharesWithIds, "permuting_agents_permutes_the_algorithm", r"override Algorithm.relabel\(order\)", ()),
        (RelabelsBackwards, "permuting_agents_permutes_the_algorithm", r"override Algorithm.relabel\(order\)", ()),
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


@pytest.mark.parametrize("sound", [RemembersItself, TwoPhases])
def test_policies_may_remember_and_training_may_have_phases(sound):
    assert failures(entry(sound)) == {}


def test_a_policy_may_draw_random_numbers_from_its_generator():
    rows = quick(entry(Plans))
    assert {name for name, row in rows.items() if row.outcome == "fail"} == set()
    assert rows["copies_act_apart"][1:3] == (
        "skip",
        "it draws random numbers when it acts, and a single copy draws others",
    )


def test_what_is_available_to_the_others_is_none_of_an_agents_business():
    assert failures(entry(Chooses, actions=("discrete",), needs=("rows", "action_mask"))) == {}
    found = failures(entry(PeeksAtMasks, actions=("discrete",), needs=("rows", "action_mask")))
    assert found.keys() == {"acting_is_decentralised"}


def test_a_weak_influence_on_discrete_choices_is_found():
    found = failures(entry(PeeksALittle, actions=("discrete",), needs=("rows", "action_mask")))
    assert found.keys() == {"acting_is_decentralised"}


def test_centralised_acting_is_allowed_where_declared():
    row = quick(entry(Peeks, centralised_acting=True))["acting_is_decentralised"]
    assert row[1:3] == ("skip", "it declares centralised_acting")
