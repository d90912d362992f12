"""The GPU benchmark on a machine without one: it refuses, and what it would report is computed right."""

import importlib.util
from pathlib import Path

import pytest
import torch

from zoo_core.plugins import load_zoo
from zoo_core.testing.subjects import learner


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("bench_gpu", Path(__file__).parents[1] / "bench" / "gpu.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_refuses_without_a_gpu_and_says_what_to_type(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    message = capsys.readouterr().err
    assert "finds none here" in message
    assert "zoo doctor" in message


def test_it_times_iterations_and_waits_for_the_device_at_both_ends(gpu):
    trained, waits = learner(load_zoo().find("algorithm", "bc"), "continuous", 0, 1), []
    seconds = gpu.seconds_per_iteration(trained, 3, lambda: waits.append(trained.iteration))
    assert waits == [gpu.WARM_UP, gpu.WARM_UP + 3]
    assert seconds > 0


def test_the_report_extrapolates_to_the_budget_and_compares_with_one_seed(gpu):
    rows = [
        {"seeds": 1, "graph": "yes", "seconds": 0.03},
        {"seeds": 5, "graph": "yes", "seconds": 0.042},
        {"seeds": 5, "graph": "cannot be: a value is read", "seconds": float("nan")},
    ]
    text = gpu.report(rows, 2000)
    assert "| 5 | yes | 42.0 | 1.40 |" in text
    assert "5 seeds take 1.40 times one (to hold: 1.5) and 1.40 minutes for 2,000 iterations" in text
    assert "cannot be: a value is read" in text
