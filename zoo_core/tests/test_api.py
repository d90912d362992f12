"""`zoo_core.train`: what it returns, what it refuses, how it fails and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

import zoo_core
from zoo_core import data
from zoo_core.errors import RunError, SettingError, TrainingDiverged, UsageError
from zoo_core.training.events import Finished, Note, Progress, Started

pytestmark = pytest.mark.usefixtures("toy_zoo")


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """One thread, no pictures, and the default `runs` folder in the test's own."""
    torch.set_num_threads(1)
    monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
    monkeypatch.chdir(tmp_path)


SMALL = {
    "iterations": 20, "eval_every": 10, "eval_episodes": 20, "final_episodes": 40, "compile": "off", "device": "cpu",
    "progress": False,
}  # fmt: skip


def small(algo="toy", env="toy-line", **given):
    return zoo_core.train(algo, env, **{**SMALL, **given})


# What it returns


def test_a_call_trains_every_seed_and_returns_them_finished(tmp_path):
    runs = small(seeds=(3, 1))
    assert runs.seeds == (1, 3)
    assert runs.finished
    assert runs.score.count == 2
    assert runs.score.over == "2 seeds × 40 episodes"
    assert [folder.parent for folder in runs.folders] == [runs.folder] * 2
    assert runs.folder.resolve() == tmp_path / "runs/toy-line/random/toy"


def test_the_same_call_again_returns_the_same_runs_at_once_and_again_starts_others():
    events = []
    first = small()
    second = small(progress=events.append)
    assert [type(event) for event in events] == [Finished]
    assert second.folders == first.folders
    assert second.score == first.score
    other = small(again=True)
    assert other.folders != first.folders
    assert other.score == first.score, "equal seeds and settings"


def test_settings_reach_the_run_even_as_numpy_numbers():
    run = small(settings={"lr": np.float32(0.5), "batch_size": np.int64(4)}, iterations=np.int64(10)).run()
    assert (run.settings["lr"], run.settings["batch_size"], run.settings["iterations"]) == (0.5, 4, 10)
    assert run.config["settings"]["lr"]["from"] == "--set"


def test_an_open_dataset_may_be_given_as_it_is():
    opened = data.load("toy-line/random")
    assert small("toy", "", dataset=opened, iterations=10).dataset == "toy-line/random"


def test_a_config_file_and_an_output_folder_may_be_paths(tmp_path):
    (tmp_path / "mine.yaml").write_text("lr: 0.25\n")
    runs = small(config=tmp_path / "mine.yaml", out=tmp_path / "elsewhere")
    assert runs.settings["lr"] == 0.25
    assert (tmp_path / "elsewhere") in runs.folder.parents


# What it refuses, before anything is written


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 0}, "seeds must be at least 1, not 0: seed=0 is the seed 0 alone"),
        ({"seeds": "5"}, "seeds must be a number of seeds or a sequence of them, not '5'"),
        ({"seeds": (0, 0)}, "seeds must be different"),
        ({"seeds": ()}, "seeds must be different"),
        ({"seeds": (0, 1.5)}, "seeds must be a whole number, not 1.5"),
        ({"seeds": True}, "seeds must be a whole number, not True"),
        ({"seeds": 2, "seed": 1}, "not both"),
        ({"iterations": "20"}, "iterations must be a whole number, not '20'"),
        ({"iterations": 0}, "iterations must be at least 1, not 0"),
        ({"jobs": 1.5}, "jobs must be a whole number, not 1.5"),
        ({"device": "gpu"}, "device must be 'auto' or 'cpu' or 'cuda', not 'gpu'"),
        ({"compile": True}, "compile must be 'auto' or 'on' or 'off', not True"),
        ({"precision": "hihg"}, "Did you mean 'high'"),
        ({"algo": "toi"}, "Did you mean 'toy'"),
        ({"env": ""}, "say what to train on"),
        ({"quality": "expert"}, "toy-line has no dataset of quality 'expert'"),
        ({"settings": {"lrr": 1}}, "Did you mean 'lr'"),
        ({"settings": {"lr": "fast"}}, "lr takes float"),
        ({"settings": ["lr=0.1"]}, "settings is a dictionary such as {'lr': 0.001}, not ['lr=0.1']"),
        ({"env": "toy-discrete"}, "has discrete actions"),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_is_refused_and_nothing_is_written(tmp_path, given, message):
    with pytest.raises(UsageError) as refusal:
        small(**given)
    assert message in str(refusal.value)
    assert not (tmp_path / "runs").exists()


# How it fails


def test_the_failure_of_the_only_seed_is_raised_as_it_is():
    with pytest.raises(TrainingDiverged, match="iteration 12"):
        small("toy-diverges")


def test_one_seeds_failure_is_raised_at_the_end_with_the_others_runs(monkeypatch):
    from zoo_core.training import run

    make = run.make_learner

    def second_fails(plan, seeds, device):
        if seeds == (1,):
            raise SettingError("no seed 1 today")
        return make(plan, seeds, device)

    monkeypatch.setattr(run, "make_learner", second_fails)
    with pytest.raises(zoo_core.SeedsFailed, match=r"1 of 3 seeds failed \(seed 1: no seed 1 today\)") as failed:
        small(seeds=3)
    assert failed.value.failures == {1: "no seed 1 today"}
    assert failed.value.exit_code == 2
    assert failed.value.runs.seeds == (0, 2)
    assert failed.value.runs.score.count == 2


def test_when_every_seed_fails_there_are_no_runs():
    with pytest.raises(zoo_core.SeedsFailed, match="2 of 2 seeds failed") as failed:
        small("toy-diverges", seeds=2)
    assert failed.value.runs is None


# How it is stopped


def stop_once(signal_number, iteration=5):
    """An observer that sends this process a signal, once, when training has come so far."""
    sent = []

    def observe(event):
        if isinstance(event, Progress) and event.iteration >= iteration and not sent:
            sent.append(event.iteration)
            os.kill(os.getpid(), signal_number)

    return observe


def test_control_c_raises_keyboard_interrupt_after_a_checkpoint_and_the_same_call_goes_on(monkeypatch):
    monkeypatch.setattr("zoo_core.training.run.REPORT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt, match="with a checkpoint"):
        small(progress=stop_once(signal.SIGINT))
    (unfinished,) = zoo_core.load_runs("runs")
    stopped_at = unfinished.run().iteration
    assert 5 <= stopped_at < 20
    assert not unfinished.finished
    with pytest.raises(RunError, match="seed 0 of toy on toy-line/random has no final score yet"):
        unfinished.score  # noqa: B018
    assert f"unfinished, at iteration {stopped_at}" in repr(unfinished)
    started = []
    finished = small(progress=lambda event: started.append(event) if isinstance(event, Started) else None)
    assert [event.iteration for event in started] == [stopped_at]
    assert finished.score == small(out="apart").score, "a resumed run is the run"


def test_after_control_c_pythons_own_handler_is_back(monkeypatch):
    monkeypatch.setattr("zoo_core.training.run.REPORT_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        small(progress=stop_once(signal.SIGINT))
    assert signal.getsignal(signal.SIGINT) is before


SCRIPT = """
import os, signal
import zoo_core

print("begin", flush=True)
sent = []

def watch(event):
    if type(event).__name__ == "Progress" and not sent:
        sent.append(event)
        os.kill(os.getpid(), signal.SIGINT)

asked = dict(iterations=100, eval_every=50, eval_episodes=5, final_episodes=5, compile="off", seeds=2)
try:
    zoo_core.train("toy", "toy-line", progress=watch, jobs=2, **asked)
except KeyboardInterrupt as error:
    print("interrupted:", error, flush=True)
runs = zoo_core.train("toy", "toy-line", **asked)
print("finished", runs.seeds, runs.finished, flush=True)
"""


def test_a_plain_script_trains_side_by_side_is_interrupted_and_goes_on(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)  # no `if __name__ == "__main__"`: workers do not run it again
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, timeout=240, cwd=tmp_path, check=False
    )
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["begin", "interrupted", "finished (0, 1) True"], done.stderr
    assert "every seed that was running wrote a checkpoint" in lines[1]
    assert "toy on toy-line: 2 of 2 seeds done" in done.stderr
    assert "Traceback" not in done.stderr


# What it says on the way


def test_without_progress_only_warnings_are_heard(monkeypatch, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small()
    assert capsys.readouterr() == ("", "")

    def warn(request, *, observer):
        observer(Note("something is odd", warning=True))
        observer(Note("nothing to see"))
        raise UsageError("enough")

    monkeypatch.setattr("zoo_core.api.train_request", warn)
    with pytest.warns(UserWarning, match="something is odd") as heard, pytest.raises(UsageError):
        small()
    assert len(heard) == 1


def test_with_progress_a_line_on_standard_error_says_how_it_went(capsys):
    small(progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "toy on toy-line: seed 0, 25/25 (100%), score -" in said.err


def test_importing_the_package_stays_light():
    script = "import sys, zoo_core; dir(zoo_core); print([m for m in ('torch', 'numpy', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_training_needs_no_rich():
    script = "import sys; from zoo_core import evaluate, load_runs, train; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"
