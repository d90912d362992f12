"""`zoo list`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoo_core.entries import entry_from_json
from zoo_core.plugins import Zoo

Run = Callable[..., Any]


def test_it_shows_every_kind_what_is_broken_and_what_could_be_installed(toy: Zoo, run: Run) -> None:
    code, out, err = run("list")
    assert (code, err) == (0, "")
    for expected in (
        "Algorithms (1)\n  name  what it is  plugin\n  toy   A toy.      zoo-toy 1.0\n",
        "toy-world    expert           A world.    zoo-toy 1.0",
        "toy-world/expert  1,000,000    Data.       zoo-toy 1.0",
        "Broken (1); everything else works\n  plugin  version  why\n  zoo-bc  0.1.0    it raised\n",
        "zoo-spacql   Soft partial conservative",
    ):
        assert expected in out


def test_a_name_offered_twice_is_shown_by_its_full_names(toy: Zoo, run: Run) -> None:
    out = run("list", "mixers")[1]
    assert "zoo-other:mix" in out
    assert "zoo-toy:mix" in out


def test_plugins_show_their_state_cost_and_reason(toy: Zoo, run: Run) -> None:
    out = run("list", "plugins")[1]
    assert "zoo-bc     0.1.0    broken          it raised" in out
    assert "zoo-other  2.0      ok      300 ms  mixer: mix" in out


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
    assert "plugins/zoo-critics -e " in out
    assert "zoo-bc" not in out, "installed, though broken"
    mixers = run("list", "mixers", "--available", "--json")[1]["available"]
    assert [known["distribution"] for known in mixers] == ["zoo-mixers"]


def test_an_empty_kind_says_how_to_fill_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_cli.commands.list.load_zoo", lambda progress: Zoo())
    assert "none installed: zoo list algos --available" in run("list", "algos")[1]
