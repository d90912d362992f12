"""Scores, their intervals and the evaluations file."""

from __future__ import annotations

import pytest

from zoo_core.entries import ReferenceScores
from zoo_core.errors import RunError
from zoo_core.training.scores import Evaluation, Evaluations, Score, t_quantile


@pytest.mark.parametrize(
    ("freedom", "value"),
    [(1, 12.706), (4, 2.776), (30, 2.042), (31, 2.0395), (60, 2.0003), (99, 1.9842), (999, 1.9623)],
)
def test_t_quantiles_are_those_of_the_tables(freedom, value):
    assert t_quantile(freedom) == pytest.approx(value, abs=1e-3)


def test_interval_is_the_textbook_one():
    score = Score.of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert score.mean == 3.0
    assert score.std == pytest.approx(1.5811388)
    assert score.high - score.mean == pytest.approx(2.776 * 1.5811388 / 5**0.5)
    assert score.mean - score.low == pytest.approx(score.half_width)


def test_one_value_has_no_width_and_none_is_an_error():
    assert Score.of([2.0]).half_width == 0.0
    with pytest.raises(ValueError, match="at least one"):
        Score.of([])


def test_normalising_scales_mean_and_width():
    score = Score.of([10.0, 20.0]).normalised(ReferenceScores(random=10.0, expert=20.0, source="x"))
    assert score.mean == 50.0
    assert score.half_width == pytest.approx(10 * Score.of([10.0, 20.0]).half_width)


def evaluations():
    found = Evaluations(ReferenceScores(0.0, 10.0, "x"))
    for iteration, mean in ((0, 1.0), (10, 7.0), (20, 5.0)):
        found.periodic.append(Evaluation(iteration, Score.of([mean - 1, mean + 1]), 9))
    found.final = Evaluation(20, Score.of([4.0, 5.0, 6.0]), 5, (4.0, 5.0, 6.0))
    return found


def test_evaluations_read_back_equal_and_flag_the_best(tmp_path):
    before = evaluations()
    before.save(tmp_path)
    after = Evaluations.load(tmp_path)
    assert after == before
    assert after.best.iteration == 10
    assert after.final.returns == (4.0, 5.0, 6.0)


def test_truncating_forgets_what_came_later():
    found = evaluations()
    found.truncate(10)
    assert [e.iteration for e in found.periodic] == [0, 10]
    assert found.final is None


def test_a_damaged_file_is_a_clear_error(tmp_path):
    evaluations().save(tmp_path)
    path = tmp_path / "evaluations.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(RunError, match=r"evaluations.json .* cannot be read"):
        Evaluations.load(tmp_path)
