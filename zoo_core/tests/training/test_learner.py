"""The learner carries out every kind of step as the contract says."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from zoo_core import Adam, Algorithm, Assign, Clip, Draw, Loss, Phase, Polyak, Rows, Update, generator
from zoo_core.errors import PluginError, TrainingDiverged
from zoo_core.training import Learner
from zoo_core.training.construct import seeded
from zoo_core.training.optimisers import clip_gradients
from zoo_toy.algorithm import Diverging, Toy, ToyConfig
from zoo_toy.env import TEAM


def toy(seed, cls=Toy, **settings):
    return seeded(seed, lambda: cls(TEAM, ToyConfig(**settings)))


def trained(seeds, samplers, iterations, cls=Toy, **settings):
    learner = Learner([toy(seed, cls, **settings) for seed in seeds], seeds, samplers, iterations=30)
    for _ in range(iterations):
        learner.step()
    return learner


class Scalar(Algorithm):
    """One weight, one buffer; its steps are given by the test."""

    Config = ToyConfig

    def __init__(self, steps, **phase):
        super().__init__(TEAM, ToyConfig(iterations=10))
        self.weight = torch.nn.Parameter(torch.tensor([2.0]))
        self.target = torch.nn.Parameter(torch.tensor([0.0]), requires_grad=False)
        self.other = torch.nn.Parameter(torch.tensor([1.0]))
        self.register_buffer("held", torch.zeros(1))
        self.steps, self.phase = steps, phase

    def phases(self):
        return (Phase("only", Rows(4, **self.phase), tuple(self.steps(self))),)

    def act(self, obs, mask, memory, generator):
        return obs[..., :1], memory

    def squared(self, batch, noise):
        return Loss((self.weight * self.other).square().sum(), {"weight": self.weight})


def scalar(steps, samplers, **phase):
    algorithm = Scalar(steps, **phase)
    return algorithm, Learner([algorithm], [0], samplers)


def test_three_seeds_together_equal_three_apart(memory_sampler):
    together = trained((0, 1, 2), memory_sampler, 25)
    for index, seed in enumerate((0, 1, 2)):
        alone = trained((seed,), memory_sampler, 25).state()
        stacked = together.state(index)
        assert alone.keys() == stacked.keys()
        for name, tensor in alone.items():
            torch.testing.assert_close(stacked[name], tensor, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_seeds_differ_from_each_other(memory_sampler):
    together = trained((0, 1), memory_sampler, 10)
    assert not torch.allclose(
        together.state(0)["model/critic.last.weight"], together.state(1)["model/critic.last.weight"]
    )


def test_equal_seeds_train_to_equal_bits(memory_sampler):
    first, second = (trained((3,), memory_sampler, 20).state() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_continues_bit_equal_from_a_saved_state(memory_sampler):
    whole = trained((3,), memory_sampler, 20).state()
    part = trained((3,), memory_sampler, 11)
    fresh = Learner([toy(99)], [3], memory_sampler, iterations=30)
    fresh.load_state([part.state()], part.iteration)
    for _ in range(9):
        fresh.step()
    resumed = fresh.state()
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


class Counting(Toy):
    """A buffer of the name that Adam gives its counters."""

    def __init__(self, team, config):
        super().__init__(team, config)
        self.register_buffer("step", torch.rand(()))


def test_a_buffer_called_step_is_each_seeds_own_when_stacked_states_are_loaded(memory_sampler):
    saved = trained((0, 1), memory_sampler, 2, Counting)
    states = [saved.state(index) for index in range(2)]
    assert states[0]["model/step"] != states[1]["model/step"]
    loaded = trained((0, 1), memory_sampler, 1, Counting)
    loaded.load_state(states, 2)
    assert [loaded.state(i)["model/step"] for i in range(2)] == [state["model/step"] for state in states]


def test_stacked_training_continues_bit_equal_from_a_saved_state(memory_sampler):
    whole = trained((3, 4), memory_sampler, 12)
    part = trained((3, 4), memory_sampler, 7)
    fresh = Learner([toy(98), toy(99)], [3, 4], memory_sampler, iterations=30)
    fresh.load_state([part.state(0), part.state(1)], 7)
    for _ in range(5):
        fresh.step()
    for index in (0, 1):
        assert all(torch.equal(t, fresh.state(index)[name]) for name, t in whole.state(index).items())


def test_global_generator_is_untouched_by_construction_and_training(memory_sampler):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained((0,), memory_sampler, 8)
    trained((0, 1), memory_sampler, 8)
    assert torch.equal(before, torch.get_rng_state())


def test_construction_does_not_depend_on_the_global_generator():
    torch.manual_seed(1)
    first = toy(4)
    torch.manual_seed(2)
    second = toy(4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_only_what_an_update_learns_changes_and_gets_a_gradient(memory_sampler):
    asked = []

    def loss(algorithm):
        def call(batch, noise):
            asked.append((algorithm.weight.requires_grad, algorithm.other.requires_grad))
            return algorithm.squared(batch, noise)

        return call

    algorithm, learner = scalar(lambda a: [Update("w", loss(a), ("weight",), Adam(0.1))], memory_sampler)
    learner.step()
    assert asked == [(True, False)]
    assert algorithm.other.item() == 1.0
    assert algorithm.weight.item() == pytest.approx(1.9, abs=1e-6)  # Adam's first step is the learning rate
    assert algorithm.other.requires_grad


def test_updates_of_one_name_share_their_optimiser(memory_sampler):
    def steps(a):
        update = Update("w", a.squared, ("weight",), Adam(0.1))
        return [update, dataclasses.replace(update, batch=1)]

    _, learner = scalar(steps, memory_sampler, batches=2)
    learner.step()
    assert learner.state()["optimiser/w/weight/step"].item() == 2


def test_updates_of_one_name_that_differ_are_refused(memory_sampler):
    def steps(a):
        return [Update("w", a.squared, ("weight",), Adam(0.1)), Update("w", a.squared, ("weight",), Adam(0.2))]

    with pytest.raises(PluginError, match="differ"):
        scalar(steps, memory_sampler)


def test_polyak_moves_the_target_by_tau(memory_sampler):
    algorithm, learner = scalar(lambda a: [Polyak("weight", "target", 0.25)], memory_sampler)
    learner.step()
    assert algorithm.target.item() == pytest.approx(0.5)


def test_every_counts_iterations_from_one(memory_sampler):
    algorithm, learner = scalar(lambda a: [Polyak("weight", "target", 1.0, every=3)], memory_sampler)
    seen = []
    for _ in range(4):
        learner.step()
        seen.append(algorithm.target.item())
    assert seen == [0.0, 0.0, 2.0, 2.0]


def test_assign_writes_buffers_and_nothing_undeclared(memory_sampler):
    algorithm, learner = scalar(
        lambda a: [Assign("hold", lambda batch, noise: {"held": a.weight * 3}, ("held",))], memory_sampler
    )
    learner.step()
    assert algorithm.held.item() == 6.0
    _, wrong = scalar(lambda a: [Assign("hold", lambda batch, noise: {}, ("held",))], memory_sampler)
    with pytest.raises(PluginError, match="declares"):
        wrong.step()


def test_noise_and_batches_come_from_the_documented_generators(memory_sampler):
    seen = {}

    def steps(a):
        def look(batch, noise):
            seen.update(noise=noise, batch=batch)
            return {"held": a.held}

        draws = {"first": Draw("normal", (3,)), "second": Draw("uniform", (2, 2))}
        return [Polyak("weight", "target", 0.5), Assign("look", look, ("held",), noise=draws, batch=1)]

    _, learner = scalar(steps, memory_sampler, batches=2)
    learner.step()
    learner.step()
    source = generator(0, "only", 2, "noise", 1)
    assert torch.equal(seen["noise"]["first"], torch.randn(3, generator=source))
    assert torch.equal(seen["noise"]["second"], torch.rand(2, 2, generator=source))
    expected = memory_sampler(Rows(4)).sample(generator(0, "only", 2, "batch", 1))
    assert torch.equal(seen["batch"].obs, expected.obs)


def test_phases_follow_one_another_for_their_lengths(memory_sampler):
    learner = Learner([toy(0, fit=3)], [0], memory_sampler, iterations=4)
    kinds = []
    while not learner.finished:
        kinds.append(sorted({name.split("/")[0] for name in learner.step()}))
    assert kinds == [["fit"]] * 3 + [["critic"], ["actor", "critic"]] * 2


def test_cosine_rate_starts_full_and_decays_over_the_phase(memory_sampler):
    def steps(a):
        return [Update("w", lambda b, n: Loss(a.weight.sum(), {}), ("weight",), Adam(0.1, schedule="cosine"))]

    algorithm, learner = scalar(steps, memory_sampler)
    moved = []
    for _ in range(10):
        before = algorithm.weight.item()
        learner.step()
        moved.append(before - algorithm.weight.item())
    wanted = [0.1 * (1 + math.cos(math.pi * t / 10)) / 2 for t in range(10)]
    assert moved == pytest.approx(wanted, abs=1e-6)


def test_clip_per_member_bounds_each_member_and_all_bounds_the_whole():
    big = [torch.full((2, 3), 4.0), torch.full((2, 1), 3.0)]
    big[0][1] = 0.01
    big[1][1] = 0.01
    members, _ = clip_gradients(big, Clip(1.0, "member"), 0, "x")
    norms = torch.cat([g.flatten(1) for g in members], 1).norm(dim=1)
    assert norms[0].item() == pytest.approx(1.0, abs=1e-5)
    assert torch.equal(members[0][1], big[0][1])
    whole, before = clip_gradients(big, Clip(1.0), 0, "x")
    assert torch.cat([g.flatten() for g in whole]).norm().item() == pytest.approx(1.0, abs=1e-5)
    assert before.item() == pytest.approx(torch.cat([g.flatten() for g in big]).norm().item())


def test_clip_is_per_seed_when_seeds_are_stacked():
    stacked, _ = clip_gradients([torch.stack([torch.full((3,), 10.0), torch.full((3,), 0.1)])], Clip(1.0), 1, "x")
    assert stacked[0][0].norm().item() == pytest.approx(1.0, abs=1e-5)
    assert torch.equal(stacked[0][1], torch.full((3,), 0.1))


def test_nan_loss_stops_and_names_the_loss_and_the_iteration(memory_sampler):
    with pytest.raises(TrainingDiverged, match=r"'critic' became nan in iteration 12 .*seed 0.*'train'"):
        trained((0,), memory_sampler, 30, cls=Diverging)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (lambda a: [Update("w", a.squared, ("wieght",), Adam(0.1))], "no attribute 'wieght'"),
        (lambda a: [Update("w", a.squared, ("target",), Adam(0.1))], "frozen"),
        (lambda a: [Update("w", a.squared, ("weight",), Adam(0.1), batch=1)], "takes batch 1"),
        (lambda a: [Assign("h", a.squared, ("hold",))], "no buffers"),
    ],
)
def test_a_step_that_names_something_wrong_is_refused_before_training(memory_sampler, steps, message):
    with pytest.raises(PluginError, match=message):
        scalar(steps, memory_sampler)
