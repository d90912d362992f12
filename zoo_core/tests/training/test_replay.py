"""A recorded iteration is the plain one: everything about replaying but the CUDA graph itself."""

import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from zoo_core.errors import TrainingDiverged
from zoo_core.training import Learner, RunFolder, replay, train
from zoo_core.training.construct import seeded
from zoo_core.training.events import Evaluated
from zoo_core.training.interrupts import RunInterrupted, Stop
from zoo_core.training.modes import Modes, choose_graph
from zoo_core.training.replay import Recordings, fault, plainly
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
    assert "after 4 iterations they lie" in fault(make, forgetful)
    assert fault(make, impossible) == "RuntimeError: operation not permitted when stream is capturing"


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
