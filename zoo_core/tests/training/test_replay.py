"""A recorded iteration is the plain one: everything about replaying but the CUDA graph itself."""

import math
import re
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zoo_core import Adam, Phase, Polyak, Rows, Update
from zoo_core.errors import TrainingDiverged
from zoo_core.training import Learner, RunFolder, replay, train
from zoo_core.training.construct import seeded
from zoo_core.training.events import Evaluated
from zoo_core.training.interrupts import RunInterrupted, Stop
from zoo_core.training.modes import Modes, choose_graph
from zoo_core.training.replay import Recordings, alike, fault, plainly
from zoo_toy.algorithm import Diverging, Toy, ToyConfig
from zoo_toy.env import TEAM


def learner(samplers, seeds=(0,), record=None, cls=Toy):
    made = Learner([seeded(s, lambda: cls(TEAM, ToyConfig())) for s in seeds], seeds, samplers, iterations=30)
    if record is not None:
        made.replay_with(record)
    return made


def warmed_up(run):
    """As CUDA does: several calls before the recording, which itself changes nothing."""
    for _ in range(3):
        run()
    return run


def forgetful(run):
    """A recording that loses the parameters' steps."""
    run()
    return lambda: None


def impossible(run):
    raise RuntimeError("operation not permitted when stream is capturing\nCompile with …")


class NoReads(TorchDispatchMode):
    """As a capture: no value may be read."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.__name__.startswith("_local_scalar_dense"):
            raise RuntimeError("a value is read while capturing")
        return func(*args, **(kwargs or {}))


def capture(run):
    with NoReads():
        run()
    return run


def only(number, record):
    """A recorder that fails in one recording, the others are plain."""
    made = []

    def chosen(run):
        made.append(run)
        return (record if len(made) == number else plainly)(run)

    return chosen


class AtOnce(Toy):
    def critic_loss(self, batch, noise):
        loss = super().critic_loss(batch, noise)
        return loss._replace(value=loss.value * float("nan"))


class ReadsInItsSecondPhase(Toy):
    def critic_loss(self, batch, noise):
        loss = super().critic_loss(batch, noise)
        return loss._replace(metrics={"read": torch.full((), loss.value.item())})


class ReadsEveryFifthTime(Toy):
    def phases(self):
        first, second = super().phases()
        rare = Update("rare", self.rare_loss, ("critic",), Adam(0.01), every=5)
        return first, Phase(second.name, second.data, (*second.steps, rare))

    def rare_loss(self, batch, noise):
        loss = self.critic_loss(batch, {"jitter": torch.zeros(1), "mix": torch.ones(1, 1)})
        return loss._replace(metrics={"read": torch.full((), loss.value.item())})


def newest_state(result):
    return safetensors.torch.load_file(sorted((result.runs[0].folder / "checkpoints").glob("*.safetensors"))[-1])


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(t, second[name]) for name, t in first.items())


@pytest.mark.parametrize("seeds", [(3,), (0, 1, 2)])
@pytest.mark.parametrize("record", [plainly, warmed_up])
def test_recorded_training_equals_plain_training_bit_for_bit(memory_sampler, seeds, record):
    """Two phases, steps that act every other iteration, a rate that falls, assigned buffers and running statistics."""
    plain, recorded = learner(memory_sampler, seeds), learner(memory_sampler, seeds, record)
    for _ in range(14):
        assert equal(plain.step(), recorded.step())
    assert all(equal(plain.state(index), recorded.state(index)) for index in range(len(seeds)))


def test_a_state_loaded_after_recording_goes_on_as_if_it_had_never_stopped(memory_sampler):
    whole, part, fresh = (learner(memory_sampler, record=plainly) for _ in range(3))
    for _ in range(12):
        whole.step()
    for _ in range(8):
        part.step()
        fresh.step()
    fresh.step()
    fresh.load_state([part.state()], 8)
    for _ in range(4):
        fresh.step()
    assert equal(whole.state(), fresh.state())


def test_kinds_of_iterations_beyond_the_limit_run_plainly(memory_sampler, monkeypatch):
    monkeypatch.setattr(replay, "MOST_RECORDINGS", 1)
    recorded = []

    def count(run):
        recorded.append(run)
        return plainly(run)

    plain, limited = learner(memory_sampler), learner(memory_sampler, record=count)
    for _ in range(12):
        plain.step()
        limited.step()
    assert len(recorded) == 1
    assert equal(plain.state(), limited.state())


def test_another_shape_is_another_recording():
    recordings = Recordings(plainly)
    for rows in (2, 3, 2):
        found = recordings("sum", lambda t: {"sum": t["x"].sum()}, {"x": torch.ones(rows)}, [])
        assert found["sum"].item() == rows


def test_what_one_iteration_gave_is_not_overwritten_by_the_next():
    recordings = Recordings(plainly)
    first, second = (recordings("copy", dict, {"x": torch.tensor(value)}, [])["x"] for value in (1.0, 2.0))
    assert (first.item(), second.item()) == (1.0, 2.0)


@pytest.mark.parametrize("tell", [Learner.step, Learner.check_parameters])
def test_a_recorded_loss_that_is_nan_is_told_by_the_next_look(memory_sampler, tell):
    diverging = learner(memory_sampler, record=plainly, cls=Diverging)
    diverging.algorithm().calls = -1000  # it counts the calls that warm up too
    for _ in range(11):
        diverging.step()
    diverging.algorithm().calls = 100
    diverging.step()
    with pytest.raises(TrainingDiverged, match=r"'critic' became nan in iteration 12 .*seed 0.*'train', iteration 7"):
        tell(diverging)


def test_recording_is_tried_before_it_is_trusted(memory_sampler):
    def make():
        return learner(memory_sampler, (0, 1))

    assert fault(make, plainly) == ""
    assert fault(make, capture) == ""
    assert "after 4 iterations what 'fit' learns lies" in fault(make, forgetful)
    assert "operation not permitted when stream is capturing (phase 'fit', iteration 1)" in fault(make, impossible)


@pytest.mark.parametrize(
    ("cls", "place"),
    [
        (ReadsInItsSecondPhase, r"\(phase 'train', iteration 1\)"),
        (ReadsEveryFifthTime, r"\(phase 'train', iteration 5\)"),
    ],
)
def test_a_read_in_a_later_phase_or_a_rare_step_is_found(memory_sampler, cls, place):
    found = fault(lambda: learner(memory_sampler, cls=cls), capture)
    assert re.fullmatch(f"RuntimeError: a value is read while capturing {place}", found)


@pytest.mark.parametrize(("number", "place"), [(2, "iteration 1"), (3, "iteration 2")])
def test_a_recording_of_a_later_phase_or_a_rare_step_that_loses_its_work_is_found(memory_sampler, number, place):
    found = fault(lambda: learner(memory_sampler), only(number, forgetful))
    assert f"(phase 'train', {place})" in found
    assert "apart, having come" in found


def test_a_small_step_that_is_lost_does_not_hide_behind_large_ones(memory_sampler):
    """A target that follows by a ten-thousandth, while the critic it follows goes as far as Adam does."""

    class Slow(Toy):
        def phases(self):
            first, second = super().phases()
            soft = Polyak("critic", "target_critic", 1e-4)
            return first, Phase(second.name, second.data, (*second.steps[:-1], soft))

    def still(run):
        """Leaves the first learner's targets to themselves and stops those that are recorded."""
        run()
        targets = [value for name, value in made[-1].networks.tensors().items() if name.startswith("target")]

        def again():
            before = [target.clone() for target in targets]
            run()
            for target, value in zip(targets, before, strict=True):
                target.detach().copy_(value)

        return again

    made = []

    def make():
        made.append(learner(memory_sampler, cls=Slow))
        return made[-1]

    assert "what 'target_critic' learns" in fault(make, still)
    assert fault(make, plainly) == ""


def test_every_set_of_steps_that_acts_in_some_iteration_is_tried():
    def acting(*every, length):
        return alike(Phase("x", Rows(1), tuple(Polyak("a", "b", 1.0, every=n) for n in every)), length)

    assert acting(1, length=9) == [[1, 2, 3, 4]]
    assert acting(1, 2, length=9) == [[1, 3, 5, 7], [2, 4, 6, 8]]
    assert acting(1, 4, 6, length=25) == [[1, 2, 3, 5], [4, 8, 16, 20], [6, 18], [12, 24]]
    assert acting(1, 1000, length=999) == [[1, 2, 3, 4]]
    assert acting(1, 1000, length=1999)[1] == [1000]


def late(run):
    """A graph that CUDA records and then will not launch."""
    run()

    def launch():
        raise RuntimeError("out of memory")

    return launch


@pytest.mark.parametrize(("record", "why"), [(impossible, "not permitted"), (late, "out of memory")])
def test_a_kind_of_iteration_that_fails_later_runs_plainly_with_one_warning_and_equal_bits(memory_sampler, record, why):
    warnings = []
    plain, recorded = learner(memory_sampler, (0, 1)), learner(memory_sampler, (0, 1))
    recorded.replay_with(only(3, record), warnings.append)
    for _ in range(12):
        assert equal(plain.step(), recorded.step())
    assert all(equal(plain.state(index), recorded.state(index)) for index in range(2))
    (warning,) = warnings
    assert "phase 'train' that take its steps 1, 2, 3, 4, 5 are not replayed" in warning
    assert why in warning
    assert len(warning.splitlines()) == 1


def test_what_no_way_of_running_can_do_still_ends_the_run(memory_sampler):
    class Broken(Toy):
        def fit_loss(self, batch, noise):
            raise RuntimeError("shapes differ")

    broken, warnings = learner(memory_sampler, cls=Broken), []
    broken.replay_with(plainly, warnings.append)
    with pytest.raises(RuntimeError, match="shapes differ"):
        broken.step()


def test_graphs_are_for_gpus_and_a_failed_trial_is_noted(memory_sampler):
    notes, asked = [], Modes(device="cuda")

    def chosen(wanted, modes, record):
        return choose_graph(wanted, modes, lambda: learner(memory_sampler), notes.append, record)

    assert chosen("auto", asked, plainly)
    assert not chosen("off", asked, plainly)
    assert not chosen("auto", Modes(), plainly)
    assert not notes
    assert not chosen("auto", asked, impossible)
    assert "not recorded as CUDA graphs" in notes[0]
    diverging = choose_graph("auto", asked, lambda: learner(memory_sampler, cls=AtOnce), notes.append, plainly)
    assert not diverging
    assert "in their trial the loss 'critic' became nan" in notes[1]


def test_the_manifest_names_the_graph_only_where_there_is_one():
    assert "graph" not in Modes().as_json()
    assert Modes(**Modes(device="cuda", graph=True).as_json()).graph


def test_a_run_says_that_it_is_recorded_and_resumes_so(ask, toy_zoo, monkeypatch, tmp_path):
    """The graphs themselves stand in as plain calls; what is chosen, kept and taken up again is as on a GPU."""
    made = []

    def record(run):
        made.append(run)
        return plainly(run)

    monkeypatch.setattr("zoo_core.training.run.cuda_graph", record)
    monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
    monkeypatch.setattr("zoo_core.training.phase_cache.recall", lambda folder: None)
    whole = newest_state(train(ask(out=str(tmp_path / "plain")), zoo=toy_zoo))
    stop = Stop()

    def after_ten(event):
        if isinstance(event, Evaluated) and event.iteration == 10:
            stop.request(2)

    with monkeypatch.context() as gpu:
        gpu.setattr(sys.modules[train.__module__], "choose_graph", lambda *args: True)
        with pytest.raises(RunInterrupted):
            train(ask(), zoo=toy_zoo, stop=stop, observer=after_ten)
    (config,) = Path(ask().out).rglob("config.json")
    assert RunFolder(config.parent).manifest["modes"]["graph"] is True
    assert made
    made.clear()
    result = train(ask(compile="auto"), zoo=toy_zoo)
    assert made
    assert equal(whole, newest_state(result))


def test_a_mask_of_infinities_that_stays_as_it_is_lies_no_distance_apart():
    states = [{"model/mask": torch.tensor([0.0, -math.inf])}]
    assert replay._norm(states, states, ["mask"]) == 0.0
    assert replay._norm(states, None, ["mask"]) == 0.0
    moved = [{"model/mask": torch.tensor([3.0, -math.inf])}]
    assert replay._norm(moved, states, ["mask"]) == 3.0
