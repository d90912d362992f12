"""scripts/influence.py draws what a run of OMCDA logged, and says what is missing of any other."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo_core import UsageError

ROOT = Path(__file__).parents[1]


class LoggedRun:
    """Ten rows; the first is of cloning and has none of the metrics."""

    def __init__(self, folder, metrics=("alpha/share", "value_r/value")):
        self.folder, self._metrics = folder, metrics

    def metrics(self):
        rows = np.arange(10.0)
        found = {"iterations": rows}
        for metric in self._metrics:
            for agent, value in enumerate((0.2, 0.5, 0.3)):
                found[f"{metric}/{agent}"] = np.where(rows < 1, np.nan, value + 0.001 * rows)
        return found


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("influence")
    sys.modules.pop("influence", None)


def test_it_draws_both_and_ranks_agents(script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "Run", LoggedRun)
    said = script.draw(Path("run"), tmp_path / "new" / "influence.png")
    assert "rank correlation over agents 1.00" in said
    assert (tmp_path / "new" / "influence.png").read_bytes().startswith(b"\x89PNG")


def test_rows_without_the_metrics_are_left_out(script):
    iterations, values = script.of_agents(LoggedRun("run"), script.SHARE)
    assert iterations.tolist() == list(range(1, 10))
    assert values.shape == (9, 3)
    assert values[0].tolist() == pytest.approx([0.201, 0.501, 0.301])


def test_a_run_of_another_algorithm_is_refused(script):
    with pytest.raises(UsageError, match=r"logged no alpha/share.*runs of omcda"):
        script.of_agents(LoggedRun("run", metrics=()), script.SHARE)


def test_ranks_are_compared_and_ties_of_all_say_nothing(script):
    assert script.rank_correlation(np.array([1.0, 5.0, 9.0]), np.array([0.1, 0.2, 0.9])) == pytest.approx(1.0)
    assert script.rank_correlation(np.array([1.0, 5.0, 9.0]), np.array([0.9, 0.2, 0.1])) == pytest.approx(-1.0)
    assert np.isnan(script.rank_correlation(np.ones(3), np.arange(3.0)))


def test_a_folder_that_is_no_run_is_an_error_in_words(script, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["influence.py", str(tmp_path)])
    assert script.main() != 0
    assert capsys.readouterr().err.startswith("error: ")


def test_a_kept_result_is_drawn_as_its_run_is(script, monkeypatch, tmp_path):
    logged = LoggedRun("run").metrics()
    rows = {"iteration": logged.pop("iterations"), **logged}
    kept = {name: [None if np.isnan(x) else x for x in values.tolist()] for name, values in rows.items()}
    (tmp_path / "omcda-seed0.json").write_text(json.dumps({"metrics": kept}))
    monkeypatch.setattr(script, "Run", LoggedRun)
    said = script.draw(tmp_path / "omcda-seed0.json", tmp_path / "influence.png")
    assert said == script.draw(Path("run"), tmp_path / "influence.png")


@pytest.mark.parametrize("content", [None, "no json", "{}"])
def test_a_file_that_is_no_result_is_refused(script, tmp_path, content):
    path = tmp_path / "seed0.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="give a run's folder or a file of results/"):
        script.draw(path, tmp_path / "influence.png")


def test_equal_agents_are_said_to_have_no_ranks(script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "Run", LoggedRun)
    monkeypatch.setattr(script, "rank_correlation", lambda *_: float("nan"))
    assert script.draw(Path("run"), tmp_path / "influence.png").endswith("all agents are equal, so there are no ranks")
