"""Whose the numbers of an update's noise are, once agents change places."""

from __future__ import annotations

import torch
from sound_algorithm import Sound, entry, failures

from zoo_core import Adam, Draw, Loss, Phase, Rows, Update


class MixesNoise(Sound):
    """Its noise has two axes of n, of which the first is the agents'."""

    agent_axis = None

    def phases(self):
        size, n = self.config.batch_size, self.team.n
        noise = {"jitter": Draw("normal", (size, n, n), agent_axis=self.agent_axis)}
        return (Phase("train", Rows(size), (Update("actor", self.loss, ("actors",), Adam(1e-3), noise),)),)

    def loss(self, batch, noise):
        return super().loss(batch, {"jitter": 10 * noise["jitter"][..., :1]})


class SaysWhoseNoise(MixesNoise):
    agent_axis = 1


class WeighsThreeParts(Sound):
    """Three numbers that are no agents', although there are as many of them."""

    def phases(self):
        (phase,) = super().phases()
        (step,) = phase.steps
        noise = {**step.noise, "parts": Draw("uniform", (3,))}
        return (Phase(phase.name, phase.data, (Update(step.name, self.loss, step.learns, step.optimizer, noise),)),)

    def loss(self, batch, noise):
        return Loss(super().loss(batch, noise).value * (noise["parts"] * torch.tensor([1.0, 2.0, 4.0])).sum(), {})


def test_noise_that_has_the_agents_number_by_chance_is_not_taken_for_theirs():
    assert failures(entry(WeighsThreeParts)) == {}


def test_noise_with_two_axes_of_n_must_say_which_is_the_agents():
    assert "agent_axis=…" in failures(entry(MixesNoise))["permuting_agents_permutes_the_algorithm"]
    assert failures(entry(SaysWhoseNoise)) == {}
