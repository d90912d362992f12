"""`zoo list`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.entries import entry_from_json
from zoo_core.plugins import PluginRow, Zoo

Run = Callable[..., Any]


def test_it_shows_every_kind_what_is_broken_and_what_could_be_installed(toy: Zoo, run: Run) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    for expected in (
        "Algorithms (1)\n  name  what it is  plugin\n  toy   A toy.      zoo-toy 1.0\n",
        "toy-world    expert           A world.    zoo-toy 1.0",
        "toy-world/expert  1,000,000    Data.       zoo-toy 1.0",
        "Broken (1); everything else works\n  plugin  version  why\n  zoo-bc  0.1.0    it raised\n",
        "Could be installed (zoo list --available says how)",
    ):
        assert expected in out
    assert re.search(r"^  zoo-spacql +Soft partial conservative", out, re.MULTILINE)


def test_a_name_offered_twice_is_shown_by_its_full_names(toy: Zoo, run: Run) -> None:
    out = run("list", "mixers")[1]
    assert "zoo-other:mix" in out
    assert "zoo-toy:mix" in out


def test_plugins_show_state_core_cost_source_and_what_they_provide_or_why_not(toy: Zoo, run: Run) -> None:
    assert run("list", "plugins")[1].splitlines()[1:] == [
        "  plugin     version  state   core   import  source  provides, or why not",
        "  zoo-bc     0.1.0    broken                         it raised",
        "  zoo-other  2.0      ok             300 ms          mixer: mix; mixer mix is offered by zoo-toy too;"
        " imports numpy at once, as it should not",
        "  zoo-toy    1.0      ok      >=0.1  1 ms    index   algorithm: toy; mixer mix is offered by zoo-other too",
    ]


def test_a_checkout_below_the_working_directory_is_shown_by_its_short_path(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [
        PluginRow("zoo-a", "1", "ok", source=f"editable {tmp_path}/a"),
        PluginRow("zoo-b", "1", "ok", source="index"),
    ]
    monkeypatch.setattr("zoo_cli.commands.list.load_zoo", lambda progress: Zoo.assemble([], rows))
    monkeypatch.chdir(tmp_path)
    assert "editable ./a" in run("list", "plugins")[1]
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    assert f"editable {tmp_path}/a" in run("list", "plugins")[1]


@pytest.mark.parametrize("columns", [80, 100])
def test_plugins_fit_a_narrow_terminal_with_nothing_cut_off(
    toy: Zoo, run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    names = [f"toy-world/quality-{number}" for number in range(9)]
    row = PluginRow(
        "zoo-long-plugin-name", "10.11.12", "ok", "", {"algorithm": ("toy",), "dataset": tuple(names)}, 0.01, (),
        ">=0.10,<0.20", "editable /home/somebody/projects/of/all/kinds/zoo-long-plugin-name",
    )  # fmt: skip
    monkeypatch.setattr("zoo_cli.commands.list.load_zoo", lambda progress: Zoo.assemble([], [row, *toy.plugins]))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    out = run("list", "plugins")[1]
    assert max(map(len, out.splitlines())) <= columns
    for text in ("zoo-long-plugin-name", "10.11.12", ">=0.10,<0.20", "10 ms", "algorithm: toy", "it raised", *names):
        assert text in out
    assert "/home/somebody/projects/of/all/kinds/zoo-long-plugin-name" in out.replace(" ", "").replace("\n", "")


def test_json_of_plugins_holds_every_column(toy: Zoo, run: Run) -> None:
    assert run("list", "plugins", "--json")[1]["plugins"][2] == {
        "distribution": "zoo-toy",
        "version": "1.0",
        "state": "ok",
        "reason": "",
        "provides": {"algorithm": ["toy"]},
        "import_seconds": 0.001,
        "heavy": [],
        "core_range": ">=0.1",
        "source": "index",
        "shared": {"mixer mix": ["zoo-other"]},
    }


def test_output_in_a_pipe_has_no_colour_and_no_rules(toy: Zoo, run: Run) -> None:
    out = run("list")[1]
    assert "\x1b" not in out
    assert "─" not in out


def test_json_holds_the_entries_themselves(toy: Zoo, run: Run) -> None:
    listed = run("list", "--json")[1]
    assert set(listed) == {"algos", "envs", "datasets", "mixers", "plugins", "available"}
    (algorithm,) = listed["algos"]
    assert (algorithm.pop("distribution"), algorithm.pop("version")) == ("zoo-toy", "1.0")
    assert entry_from_json(algorithm) == toy.find("algorithm", "toy")
    assert [row["state"] for row in listed["plugins"]] == ["broken", "ok", "ok"]


@pytest.mark.parametrize("what", ["algos", "envs", "datasets", "mixers", "plugins"])
def test_json_of_one_kind_holds_that_kind_alone(toy: Zoo, run: Run, what: str) -> None:
    assert set(run("list", what, "--json")[1]) == {what}


def test_available_is_what_the_catalogue_knows_and_is_not_installed_with_the_command(toy: Zoo, run: Run) -> None:
    out = run("list", "--available")[1]
    folder = Path(__file__).parents[3] / "plugins"
    assert (
        "zoo-cfcql (of this repository)\n  Counterfactual conservative Q-learning.\n  algorithm  cfcql\n"
        f"  zoo-core   >=0.1,<0.2\n  install    pip install -e {folder}/zoo-critics -e {folder}/zoo-cfcql\n"
    ) in out
    assert "zoo-bc (of" not in out, "installed, though broken"


def test_available_of_one_kind_is_what_provides_it_alone(toy: Zoo, run: Run) -> None:
    mixers = run("list", "mixers", "--available", "--json")[1]["available"]
    assert "zoo-mixers" in [known["distribution"] for known in mixers]
    assert all("mixer" in known["provides"] for known in mixers)
    assert {"distribution", "summary", "origin", "core_range", "homepage", "provides", "install"} == set(mixers[0])


def test_an_empty_kind_says_how_to_fill_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_cli.commands.list.load_zoo", lambda progress: Zoo())
    assert "none installed: zoo list algos --available" in run("list", "algos")[1]
