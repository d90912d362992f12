"""`settings_of`: what `zoo info` says of an algorithm's settings, as an object."""

from __future__ import annotations

import pytest

import zoo_core
from zoo_core.errors import UsageError

pytestmark = pytest.mark.usefixtures("toy_zoo")


def test_settings_are_a_mapping_with_meanings_and_origins():
    found = zoo_core.settings_of("toy", "toy-line")
    assert set(found) == {"batch_size", "fit", "iterations", "label", "lr"}
    assert len(found) == 5
    assert dict(found)["lr"] == found["lr"]
    with pytest.raises(KeyError):
        found["lrr"]
    (row,) = [row for row in found.rows if row.name == "lr"]
    assert row.meaning
    assert row.set_by


def test_they_are_what_a_run_is_trained_with(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
    run = zoo_core.train(
        "toy", "toy-line", iterations=2, eval_episodes=1, final_episodes=1, compile="off", device="cpu",
        out=tmp_path, progress=False,
    ).run()  # fmt: skip
    found = zoo_core.settings_of("toy", "toy-line")
    assert {**found, "iterations": 2} == run.settings
    for row in found.rows:
        if row.name != "iterations":
            assert (row.set_by, row.source) == (
                run.config["settings"][row.name]["from"],
                run.config["settings"][row.name]["source"],
            )


def test_they_are_shown_as_a_table_in_text_and_in_a_notebook():
    found = zoo_core.settings_of("toy", "toy-line")
    lines = repr(found).splitlines()
    assert lines[0].startswith("toy, preset published, toy-line/random")
    assert lines[1].split() == ["setting", "value", "meaning", "set", "by", "source"]
    assert [line.split()[0] for line in lines[2:]] == list(found)
    page = found._repr_html_()
    assert page.count("<tr>") == 6
    for row in found.rows:
        assert f">{row.name}</td>" in page


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"algo": "toi"}, "Did you mean 'toy'"),
        ({"algo": "toy", "env": "toy-lime"}, "Did you mean 'toy-line'"),
        ({"algo": "toy", "env": "toy-discrete"}, "has discrete actions"),
        ({"algo": "toy", "quality": "random"}, "needs an environment"),
        ({"algo": "toy", "env": "toy-line", "quality": "rondom"}, "Did you mean 'random'"),
        ({"algo": "toy", "preset": "best"}, "toy has no preset 'best'"),
    ],
)
def test_what_cannot_be_is_refused(given, message):
    with pytest.raises(UsageError, match=message):
        zoo_core.settings_of(**given)
