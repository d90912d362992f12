"""Several seeds that share one learner: every seed has its own folder, and the group resumes from a common moment."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import safetensors.torch
import torch

from zoo_core.errors import RunError
from zoo_core.training import RunFolder, make_plan
from zoo_core.training.events import Evaluated, Finished
from zoo_core.training.interrupts import RunInterrupted, Stop
from zoo_core.training.train import train_group

SEEDS = (0, 1, 2)


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
    monkeypatch.setattr("zoo_core.training.phase_cache.recall", lambda folder: None)


def run(plan, seeds, observer=lambda event: None, stop=None):
    """Train and return each seed's newest tensors."""
    folders = {}

    def watch(event):
        if isinstance(event, Finished):
            folders[event.seed] = event.folder
        observer(event)

    train_group(plan, seeds, watch, Stop() if stop is None else stop)
    return [safetensors.torch.load_file(newest(Path(folders[seed]))) for seed in seeds]


def newest(folder):
    return sorted((folder / "checkpoints").glob("*.safetensors"))[-1]


def stopped(plan, iteration):
    stop = Stop()

    def observe(event):
        if isinstance(event, Evaluated) and event.iteration >= iteration and event.seed == SEEDS[-1]:
            stop.request(signal.SIGINT)

    with pytest.raises(RunInterrupted) as caught:
        run(plan, SEEDS, observe, stop)
    assert caught.value.exit_code == 130


def equal(first, second):
    return all(torch.equal(a[n], b[n]) for a, b in zip(first, second, strict=True) for n in a)


def test_seeds_together_train_as_each_would_alone(ask, toy_zoo, tmp_path):
    together = run(make_plan(ask(seeds=SEEDS), toy_zoo), SEEDS)
    for index, seed in enumerate(SEEDS):
        alone = run(make_plan(ask(out=str(tmp_path / "alone")), toy_zoo), (seed,))[0]
        for name, tensor in alone.items():
            torch.testing.assert_close(together[index][name], tensor, rtol=1e-3, atol=1e-4)


def test_an_interrupted_group_resumes_with_equal_bits(ask, toy_zoo, tmp_path):
    whole = run(make_plan(ask(out=str(tmp_path / "whole")), toy_zoo), SEEDS)
    plan = make_plan(ask(), toy_zoo)
    stopped(plan, 10)
    assert equal(whole, run(plan, SEEDS))


def test_a_group_resumes_from_the_newest_moment_all_seeds_have(ask, toy_zoo, tmp_path):
    whole = run(make_plan(ask(out=str(tmp_path / "whole")), toy_zoo), SEEDS)
    plan = make_plan(ask(checkpoint_every=4), toy_zoo)
    stopped(plan, 20)
    folder = sorted(plan.parent.glob("seed1-*"))[0]
    newest(folder).write_bytes(b"damaged")
    assert equal(whole, run(plan, SEEDS))


def test_a_seed_of_a_group_does_not_go_on_alone_unnoticed(ask, toy_zoo):
    plan = make_plan(ask(), toy_zoo)
    stopped(plan, 10)
    with pytest.raises(RunError, match=r"seeds_together: \[0, 1, 2\] → \[1\]"):
        run(plan, (1,))
    folder = RunFolder(sorted(plan.parent.glob("seed1-*"))[0])
    assert folder.manifest["seeds_together"] == [0, 1, 2]
