"""The last table: which finished run of behaviour cloning stands in it."""

from __future__ import annotations

import json
import os

import pytest

from zoo_core.training.folder import CONFIG_KEYS
from zoo_core.training.scores import Evaluation, Evaluations, Score
from zoo_core.training.summary import baseline_finals, team_score


@pytest.fixture
def finish(tmp_path):
    """Write a finished run below `tmp_path`, each newer than the one before."""
    clock = [1_000_000]

    def write(name, *, seed=0, iteration=100, episodes=10, mean=0.0, data="data"):
        folder = tmp_path / f"seed{seed}-{name}"
        folder.mkdir()
        config = {**dict.fromkeys(CONFIG_KEYS), "seed": seed, "dataset": {"hash": data}}
        (folder / "config.json").write_text(json.dumps(config))
        evaluations = Evaluations(None)
        evaluations.final = Evaluation(iteration, Score(mean, 1.0, episodes), 0, (mean,) * episodes)
        evaluations.save(folder)
        clock[0] += 10
        os.utime(folder / "config.json", (clock[0], clock[0]))

    return write


def test_the_run_that_trained_longest_counts_then_most_episodes_then_the_newest(finish, tmp_path):
    finish("older", mean=1.0, episodes=20, iteration=500)
    finish("newer", mean=2.0, episodes=20, iteration=500)
    finish("shorter-score", mean=3.0, episodes=10, iteration=500)
    finish("shorter-run", mean=4.0, episodes=90, iteration=50)
    finish("other-data", mean=5.0, episodes=90, iteration=900, data="other")
    assert [final.score.mean for final in baseline_finals(tmp_path, "data")] == [2.0]


def test_seeds_that_trained_less_long_are_left_out(finish, tmp_path):
    finish("a", seed=0, iteration=500, mean=1.0)
    finish("a", seed=1, iteration=500, mean=2.0, episodes=30)
    finish("a", seed=2, iteration=20, mean=3.0)
    finals = baseline_finals(tmp_path, "data")
    assert [final.score.mean for final in finals] == [1.0, 2.0]
    assert team_score(finals)[1] == "2 seeds × 10 to 30 episodes"


def test_without_a_finished_run_there_is_no_row(tmp_path):
    assert baseline_finals(tmp_path / "bc", "data") == []
