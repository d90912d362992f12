"""Which claims a pattern selects, and what the rows come to."""

from zoo_cli.conformance.rows import Row, Selection, counts, verdict


def test_a_selection_holds_text_and_stars_of_any_case() -> None:
    assert Selection("").takes("algorithm x", "every_loss_descends[discrete]")
    assert Selection("Loss*[discrete]").takes("algorithm x", "every_loss_descends[discrete]")
    assert Selection("algorithm x").takes("algorithm x", "every_loss_descends[discrete]")
    assert not Selection("loss*continuous").takes("algorithm x", "every_loss_descends[discrete]")
    assert not Selection("[c]").takes("package", "core")


def test_the_grade_follows_from_the_worst_row() -> None:
    rows = [Row("package", name, name) for name in ("pass", "skip")]
    assert counts(rows) == {"pass": 1, "warn": 0, "skip": 1, "fail": 0}
    assert verdict(rows, partial=False) == "is sound: every claim holds"
    assert verdict(rows, partial=True) == "keeps what was tested"
    rows.append(Row("package", "w", "warn"))
    assert verdict(rows, partial=False) == "is sound, with advice that is not followed"
    rows.append(Row("package", "f", "fail"))
    assert verdict(rows, partial=True) == "is not sound: 1 claim does not hold"
