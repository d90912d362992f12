"""Runs as objects: scores, tables, curves and metrics read from run folders."""

from __future__ import annotations

import json
import math
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from zoo_core.entries import ReferenceScores
from zoo_core.errors import RunError, UsageError
from zoo_core.runs import Measured, Run, Runs, load_runs
from zoo_core.training.folder import run_id
from zoo_core.training.scores import Evaluation, Evaluations, Score, t_quantile
from zoo_core.training.summary import SummaryRow, as_text

IDENTITY = {"algorithm": "algo", "settings": {"lr": 0.1}}
REFERENCE = ReferenceScores(random=0.0, expert=50.0, source="measured")
SETTINGS = {"iterations": {"value": 30, "from": "default", "source": ""}, "lr": {"value": 0.1, "from": "--set"}}


@pytest.fixture
def write(tmp_path):
    """Write a run folder: periodic returns at the iterations given, each over 4 episodes, and a final score."""

    def write(seed, periodic, final=None, *, reference=REFERENCE, algorithm="algo", rows=(), identity=IDENTITY, end=""):
        parent = tmp_path / "runs" / "env" / "data" / algorithm
        folder = parent / f"seed{seed}-{run_id(identity)}{end}"
        folder.mkdir(parents=True)
        config = {
            "algorithm": algorithm, "env": "env", "mixer": None, "seed": seed, "team": {}, "statistics": None,
            "dataset": {"name": "env/data", "hash": "d", "transitions": 100, "return": 10.0, "return_std": 5.0,
                        "episodes": 25},
            "preset": "published", "settings": SETTINGS, "identity": identity,
        }  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config))
        evaluations = Evaluations(reference, [Evaluation(i, Score(mean, 1.0, 4), 0) for i, mean in periodic.items()])
        if final is not None:
            evaluations.final = Evaluation(30, Score.of(list(final)), 0, tuple(final))
        evaluations.save(folder)
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return write


def two(write, **given):
    folders = [
        write(1, {0: 0.0, 10: 30.0, 30: 20.0}, [20.0, 22.0], **given),
        write(0, {0: 2.0, 10: 10.0, 30: 12.0}, [9.0, 11.0], **given),
    ]
    return Runs([Run(folder) for folder in folders])


# Scores


def test_the_score_of_several_seeds_is_over_their_means(write):
    runs = two(write)
    half = t_quantile(1) * math.sqrt(60.5) / math.sqrt(2)
    assert (runs.score.mean, runs.score.count, runs.score.over) == (15.5, 2, "2 seeds × 2 episodes")
    assert (runs.score.low, runs.score.high) == pytest.approx((15.5 - half, 15.5 + half))
    assert runs.normalised.mean == 31.0
    assert runs.normalised.half_width == pytest.approx(2 * half)


def test_the_score_of_one_seed_is_over_its_episodes(write):
    runs = Runs([Run(write(0, {0: 1.0}, [1.0, 2.0, 3.0]))])
    assert (runs.score.mean, runs.score.count, runs.score.over) == (2.0, 3, "3 episodes")
    assert str(runs.score) == f"2.00 (95% interval {runs.score.low:.2f} to {runs.score.high:.2f} over 3 episodes)"


def test_the_best_is_each_seeds_own_and_apart_from_the_last(write):
    runs = two(write)
    assert runs.best.mean == (30.0 + 12.0) / 2
    assert runs.best_normalised.mean == 42.0
    assert runs.score.mean == 15.5


def test_without_reference_scores_nothing_is_normalised(write):
    runs = two(write, reference=None)
    assert runs.normalised is None
    assert runs.best_normalised is None
    assert runs.curve()["normalised"] is None
    assert [row["normalised"] for row in runs.table()] == [None] * 3


def test_an_unfinished_seed_has_no_score_but_what_there_is_can_be_read(write):
    done, underway = write(0, {0: 2.0, 10: 10.0}, [9.0, 11.0]), write(1, {0: 0.0})
    runs = Runs([Run(done), Run(underway)])
    assert not runs.finished
    with pytest.raises(RunError, match=r"seed 1 of algo on env/data has no final score yet: .* resumes it"):
        runs.score  # noqa: B018
    assert runs.table()[0]["over"] == "2 episodes", "of the finished seed alone"
    assert "seed 0 finished; seed 1 unfinished, at iteration 0" in str(runs)


def test_a_run_is_read_again_whenever_it_is_asked(write):
    folder = write(0, {0: 1.0})
    runs = Runs([Run(folder)])
    assert not runs.finished
    shutil.rmtree(folder)
    write(0, {0: 1.0}, [4.0, 6.0])
    assert runs.score.mean == 5.0


# Tables


def test_the_table_is_the_command_lines_with_behaviour_cloning_data_and_references(write):
    write(0, {0: 0.0}, [5.0, 5.0], algorithm="bc")
    assert [(row["label"], row["mean"], row["normalised"], row["over"]) for row in two(write).table()] == [
        ("algo, last", 15.5, 31.0, "2 seeds × 2 episodes"),
        ("algo, best (hindsight)", 21.0, 42.0, "2 seeds × 4 episodes"),
        ("bc, last", 5.0, 10.0, "2 episodes, at 30"),
        ("dataset", 10.0, 20.0, "25 episodes"),
        ("random policy", 0.0, 0.0, "reference"),
        ("expert", 50.0, 100.0, "reference"),
    ]


def test_as_text_the_runs_are_the_table_and_a_line_that_says_all_a_score_must(write):
    lines = repr(two(write)).splitlines()
    assert lines[0].split() == ["return", "normalised", "over"]
    assert lines[1].split("  ")[-1] == "2 seeds × 2 episodes"
    assert "algo, last              15.5 ± 69.9   31.0 ± 139.8  2 seeds" in lines[1]
    assert lines[-1] == (
        "algo on env/data: return 15.50, normalised 31.0 (last; 95% interval -54.38 to 85.38 over 2 seeds × 2 episodes;"
        " seeds 0, 1; preset published; 30 iterations)"
    )


def test_small_returns_have_two_decimals_in_the_table():
    small, large = (SummaryRow("algo, last", Score(mean, 0.3, 4), Score(64.9, 1.2, 4), "4") for mean in (-0.67, 12.0))
    assert as_text([small])[0][1:3] == (f"-0.67 ± {small.score.half_width:.2f}", as_text([large])[0][2])
    assert as_text([small, large])[0][1] == f"-0.7 ± {small.score.half_width:.1f}"


def test_a_notebook_shows_the_same_table_and_nothing_in_it_is_markup(write):
    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.cells, self.tags = [], set()

        def handle_starttag(self, tag, attrs):
            self.tags.add(tag)

        def handle_data(self, text):
            self.cells.append(text)

    runs = two(write, algorithm="<script>algo")
    reader = Reader()
    reader.feed(runs._repr_html_())
    assert "<script>algo, last" in reader.cells
    assert "2 seeds × 2 episodes" in reader.cells
    assert reader.cells[-1] == runs.headline()
    assert reader.tags == {"table", "thead", "tbody", "tr", "th", "td", "small"}


# Curves and metrics


def test_the_curve_has_an_axis_of_iterations_and_one_of_seeds(write):
    curve = two(write).curve()
    assert curve["iterations"].tolist() == [0, 10, 30]
    assert curve["seeds"].tolist() == [0, 1]
    assert curve["returns"].tolist() == [[2.0, 0.0], [10.0, 30.0], [12.0, 20.0]]
    assert curve["normalised"].tolist() == [[4.0, 0.0], [20.0, 60.0], [24.0, 40.0]]
    assert curve["mean"].tolist() == [1.0, 20.0, 16.0]
    assert (curve["low"] < curve["mean"]).all()
    assert (curve["high"] > curve["mean"]).all()


def test_a_seed_that_was_not_evaluated_yet_is_nan_in_the_curve(write):
    runs = Runs([Run(write(0, {0: 2.0, 10: 10.0})), Run(write(1, {0: 4.0}))])
    np.testing.assert_array_equal(runs.curve()["returns"], [[2.0, 4.0], [10.0, np.nan]])
    assert runs.curve()["mean"].tolist() == [3.0, 10.0]


def test_a_run_without_evaluations_has_an_empty_curve(write):
    curve = Runs([Run(write(0, {}))]).curve()
    assert curve["returns"].shape == (0, 1)
    assert curve["mean"].shape == (0,)


ROWS = [
    {"iteration": 5, "phase": "fit", "seconds": 0.1, "fit/loss": 3.0},
    {"iteration": 10, "phase": "train", "seconds": 0.2, "critic/loss": 1.0},
    {"iteration": 15, "phase": "train", "seconds": 0.3, "critic/loss": None},
]


def test_metrics_are_arrays_of_rows_and_seeds_with_nan_where_there_is_no_value(write):
    runs = Runs([Run(write(0, {}, rows=ROWS)), Run(write(1, {}, rows=ROWS[:2]))])
    found = runs.metrics("critic/loss", "fit/loss")
    assert list(found) == ["iterations", "critic/loss", "fit/loss"]
    assert found["iterations"].tolist() == [5, 10, 15]
    np.testing.assert_array_equal(found["critic/loss"], [[np.nan, np.nan], [1.0, 1.0], [np.nan, np.nan]])
    assert list(runs.metrics()) == ["iterations", "seconds", "fit/loss", "critic/loss"]
    np.testing.assert_array_equal(runs.run(0).metrics()["fit/loss"], [3.0, np.nan, np.nan])


def test_an_unknown_metric_is_refused_with_a_suggestion(write):
    runs = Runs([Run(write(0, {}, rows=ROWS))])
    with pytest.raises(UsageError, match=r"no seed logged a metric 'critic/los'\. Did you mean 'critic/loss'"):
        runs.metrics("critic/los")


# Finding them


def test_runs_are_loaded_by_configuration_with_the_seeds_of_each_together(write, tmp_path):
    other = {**IDENTITY, "settings": {"lr": 0.2}}
    for seed in (0, 1):
        write(seed, {0: 1.0})
    write(0, {0: 1.0}, identity=other)
    write(0, {0: 1.0}, end="-2")
    write(0, {0: 1.0}, algorithm="bc")
    found = load_runs(tmp_path / "runs")
    assert sorted((runs.algorithm, runs.seeds) for runs in found) == [
        ("algo", (0,)),
        ("algo", (0,)),
        ("algo", (0, 1)),
        ("bc", (0,)),
    ]
    assert len(load_runs(tmp_path / "runs/env/data/bc")) == 1


def test_a_damaged_run_is_left_out_with_a_warning_unless_it_is_the_only_one(write, tmp_path):
    write(0, {0: 1.0})
    (write(1, {0: 1.0}) / "config.json").write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*seed1-.* cannot be read"):
        (runs,) = load_runs(tmp_path / "runs")
    assert runs.seeds == (0,)
    (runs.folder / "config.json").write_text("{}")
    with pytest.raises(RunError, match="is damaged"):
        load_runs(runs.folder)


def test_runs_stay_found_when_the_working_directory_changes(write, tmp_path, monkeypatch):
    folder = write(0, {0: 1.0}, [1.0])
    monkeypatch.chdir(folder.parent)
    run = Run(folder.name)
    monkeypatch.chdir(tmp_path)
    assert run.finished


def test_where_there_is_no_run_the_error_says_so(tmp_path):
    with pytest.raises(RunError, match="no run at"):
        load_runs(tmp_path)
    with pytest.raises(RunError, match="it is not a run folder"):
        Run(tmp_path)
    with pytest.raises(UsageError, match="no runs here"):
        Runs([])


def test_a_seed_is_found_by_its_number_and_may_be_left_out_if_it_is_the_only_one(write):
    runs = two(write)
    assert [run.seed for run in runs] == [0, 1]
    assert runs.run(1).seed == 1
    with pytest.raises(UsageError, match=r"say which seed: 0, 1$"):
        runs.run()
    with pytest.raises(UsageError, match="say which seed: 0, 1, not 7"):
        runs.run(7)
    single = Runs([runs.run(1)])
    assert single.run() is runs.run(1)
    assert single.folder == runs.run(1).folder


def test_settings_have_their_values_and_the_config_says_where_they_came_from(write):
    runs = two(write)
    assert runs.settings == {"iterations": 30, "lr": 0.1}
    assert runs.run(0).config["settings"]["lr"]["from"] == "--set"


def test_a_measured_score_of_one_value_is_its_own_interval():
    alone = Measured(3.0, 0.0, 1, "1 episode")
    assert (alone.low, alone.high) == (3.0, 3.0)
