"""A run killed again and again ends as the run that was left alone: equal weights, metrics and scores, bit for bit."""

from __future__ import annotations

import builtins
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

sys.path.insert(0, str(Path(__file__).parent / "toy_plugin" / "src"))

from zoo_core.training import Learner, TrainRequest, make_plan
from zoo_core.training.interrupts import Stop
from zoo_core.training.scores import Evaluations
from zoo_core.training.train import train_group
from zoo_toy.installed import installed_toy

KILLS = 24
ITERATIONS = 320

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    with installed_toy(tmp_path / "cache") as zoo:
        monkeypatch.setenv("ZOO_DATA", str(tmp_path / "data"))
        monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
        yield zoo


def request(out, **given):
    asked = {
        "algo": "toy", "env": "toy-line", "iterations": ITERATIONS, "eval_every": 60, "eval_episodes": 20,
        "final_episodes": 30, "checkpoint_every": 5, "compile": "off", "device": "cpu", "settings": {"fit": 7},
    }  # fmt: skip
    return TrainRequest(out=str(out), **{**asked, **given})


def outcome(out):
    """What a run left behind: its newest weights, its metrics without the clock, its evaluations."""
    folder = next(out.rglob("config.json")).parent
    latest = (folder / "checkpoints" / "LATEST").read_text().strip()
    tensors = safetensors.torch.load_file(folder / "checkpoints" / f"{latest}.safetensors")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    return tensors, rows, Evaluations.load(folder)


def assert_same(first, second):
    assert first[0].keys() == second[0].keys()
    assert all(torch.equal(tensor, second[0][name]) for name, tensor in first[0].items())
    assert first[1] == second[1]
    assert first[2] == second[2]


def in_a_child(plan, die_after=None):
    """Fork a child that trains; it kills itself at its n-th training step or file operation, if told to."""
    pid = os.fork()
    if pid:
        return pid
    try:
        if die_after is not None:
            count_to_death(die_after)
        train_group(plan, (0,), lambda event: None, Stop())
    except BaseException as error:
        os.write(2, f"child: {error!r}\n".encode())
        os._exit(1)
    os._exit(0)


def count_to_death(remaining):
    left = [remaining]

    def counted(function):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for owner, name in ((os, "fsync"), (os, "replace"), (builtins, "open"), (Learner, "step")):
        setattr(owner, name, counted(getattr(owner, name)))


def test_a_run_killed_twenty_times_is_the_uninterrupted_run(zoo, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache-whole"))
    # In this process: what it imports on the way, every child then has at once.
    started = time.perf_counter()
    train_group(make_plan(request(tmp_path / "whole"), zoo), (0,), lambda event: None, Stop())
    longest = min(0.12, (time.perf_counter() - started) / 30)  # seconds: no child gets to the end, however fast

    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache-killed"))
    plan, moments, codes = make_plan(request(tmp_path / "killed"), zoo), random.Random(2024), []
    for kill in range(KILLS):
        if kill % 2:
            pid = in_a_child(plan, die_after=moments.randint(1, 60))
        else:
            pid = in_a_child(plan)
            time.sleep(moments.uniform(0.005, longest))
            os.kill(pid, signal.SIGKILL)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    assert codes == [-signal.SIGKILL] * KILLS
    assert os.waitstatus_to_exitcode(os.waitpid(in_a_child(plan), 0)[1]) == 0
    assert_same(outcome(tmp_path / "whole"), outcome(tmp_path / "killed"))


def test_the_command_line_resumes_a_killed_run_and_stops_cleanly_on_sigterm(zoo, tmp_path):
    command = [
        sys.executable, "-m", "zoo_cli.main", "train", "--algo", "toy", "--env", "toy-line", "--device", "cpu",
        "--iterations", "400", "--eval-every", "200", "--eval-episodes", "20", "--final-episodes", "30",
        "--checkpoint-every", "5", "--compile", "off", "--quiet",
    ]  # fmt: skip

    def start(name):
        environment = {**os.environ, "ZOO_CACHE": str(tmp_path / f"cache-{name}")}
        return subprocess.Popen(
            [*command, "--out", str(tmp_path / name)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    killed = start("killed")
    wait_for_checkpoint(killed, tmp_path / "killed")
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    before = checkpoint_iteration(tmp_path / "killed")

    terminated = start("killed")
    wait_for_checkpoint(terminated, tmp_path / "killed", after=before)
    terminated.terminate()
    _, errors = terminated.communicate(timeout=60)
    assert terminated.returncode == 143, errors
    assert "the same command resumes" in errors

    resumed = start("killed")
    given = {"iterations": 400, "eval_every": 200, "settings": {}}
    train_group(make_plan(request(tmp_path / "whole", **given), zoo), (0,), lambda event: None, Stop())
    out, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors
    assert "toy on toy-line/random: return" in out
    assert_same(outcome(tmp_path / "killed"), outcome(tmp_path / "whole"))


def checkpoint_iteration(out):
    names = [path.name for path in out.rglob("iteration-*.json")]
    return max((int(name[10:-5]) for name in names), default=0)


def wait_for_checkpoint(process, out, after=0):
    deadline = time.monotonic() + 60
    while checkpoint_iteration(out) <= after:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
