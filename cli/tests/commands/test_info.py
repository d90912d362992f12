"""`zoo info`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from zoo_core.plugins import PluginRow, Zoo

Run = Callable[..., Any]


def settings(run: Run, *words: str) -> dict[str, Any]:
    code, (card,), _ = run("info", "toy", *words, "--json")
    assert code == 0
    return card["settings"]


def test_an_algorithms_card_says_where_it_comes_from_and_what_it_goes_with(toy: Zoo, run: Run) -> None:
    code, out, err = run("info", "toy")
    assert (code, err) == (0, "")
    for expected in (
        "A Paper",
        "Eq. 1",
        "Toy in Table 1",
        "environments  toy-world\n",
        "mixers        mix",
        "Step size.",
    ):
        assert expected in out
    assert "still-world" not in out


@pytest.mark.parametrize(
    ("words", "value", "layer", "source"),
    [
        ((), 0.2, "published: continuous", "Table 1"),
        (("--env", "toy-world"), 0.3, "published: toy-world/expert", "Table 2"),
        (("--env", "toy-world", "--quality", "expert"), 0.3, "published: toy-world/expert", "Table 2"),
        (("--preset", "zoo"), 0.4, "zoo: continuous", "converges"),
    ],
)
def test_settings_are_resolved_for_what_is_asked_each_with_its_source(
    toy: Zoo, run: Run, words: tuple[str, ...], value: float, layer: str, source: str
) -> None:
    lr = settings(run, *words)["values"]["lr"]
    assert (lr["value"], lr["from"], lr["source"], lr["doc"]) == (value, layer, source, "Step size.")


@pytest.mark.parametrize(
    ("default", "rows", "expected"),
    [
        ("mix", (), r"linear; mix by default"),
        (
            "linear",
            (),
            r"linear; linear by default, which is not installed \(it comes with zoo-mixers: pip install -e .*\);"
            r" until then mix, the first that fits, is taken",
        ),
        (
            "linear",
            (PluginRow("zoo-mixers", "0.1.0", "broken", "it raised"),),
            r"linear; linear by default, which is missing, for zoo-mixers is broken \(it raised; `zoo doctor` says how"
            r" to mend it\); until then mix, .*",
        ),
        (
            "own",
            (),
            r"linear; own by default, which is not installed and in no plugin of the catalogue; until then mix.*",
        ),
    ],
)
def test_a_default_mixer_that_is_missing_is_said_with_what_installs_it(
    toy: Zoo, run: Run, monkeypatch: pytest.MonkeyPatch, default: str, rows: Any, expected: str
) -> None:
    offers = [
        replace(offer, entry=replace(offer.entry, default_mixer=default)) if offer in toy.algorithms else offer
        for kind in ("algorithm", "env", "mixer")
        for offer in toy.offers(kind)
    ]
    zoo = Zoo.assemble(offers, rows)
    monkeypatch.setattr("zoo_cli.commands.info.load_zoo", lambda: zoo)
    code, (card,), err = run("info", "toy", "--json")
    assert (code, err) == (0, "")
    assert re.fullmatch(expected, card["facts"]["mixer"])


def test_an_algorithm_for_which_no_mixer_is_installed_cannot_be_trained_and_says_so(
    toy: Zoo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = Zoo.assemble([*toy.algorithms, *toy.envs], ())
    monkeypatch.setattr("zoo_cli.commands.info.load_zoo", lambda: zoo)
    code, out, err = run("info", "toy")
    assert (code, err) == (0, "")
    assert "it comes with zoo-mixers: pip install" in " ".join(out.split())
    assert "until then it cannot be trained" in " ".join(out.split())


def test_where_two_plugins_offer_one_algorithm_each_card_says_the_name_that_trains_it(
    toy: Zoo, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (offer,) = toy.algorithms
    assert "zoo train --algo toy\n" in run("info", "toy")[1]
    twins = Zoo.assemble([offer, replace(offer, entry=replace(offer.entry), distribution="zoo-twin")], [])
    monkeypatch.setattr("zoo_cli.commands.info.load_zoo", lambda: twins)
    _, cards, _ = run("info", "toy", "--json")
    assert [card["facts"]["runs with"] for card in cards] == [
        "zoo train --algo zoo-toy:toy",
        "zoo train --algo zoo-twin:toy",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("toi",), "Did you mean 'toy'"),
        (("pluggy",), "it is no plugin: it has no entry point in the group 'zoo'. `zoo plugin check pluggy` shows"),
        (("",), "no algorithm, environment, dataset, mixer or plugin is called ''"),
        (("toy", "--env", "toy-wurld"), "no env is called 'toy-wurld'. Did you mean 'toy-world'"),
        (("toy", "--env", "still-world"), "still-world has discrete actions; toy handles continuous"),
        (("toy", "--env", "toy-world", "--quality", "exprt"), "Did you mean 'expert'"),
        (("toy", "--quality", "expert"), "--quality needs an environment"),
        (("toy", "--preset", "zou"), "toy has no preset 'zou'. Did you mean 'zoo'"),
    ],
)
def test_what_cannot_be_is_bad_usage_with_a_way_on(toy: Zoo, run: Run, words: tuple[str, ...], message: str) -> None:
    code, out, err = run("info", *words)
    assert (code, out) == (2, "")
    assert message in err


def test_a_card_stands_though_the_algorithms_code_cannot_be_imported(toy: Zoo, run: Run, tmp_path: Any) -> None:
    (tmp_path / "zoo_toy_for_tests" / "algorithm.py").write_text("1 / 0\n")
    code, out, _ = run("info", "toy")
    assert code == 1
    assert "Toy in Table 1" in out
    assert "cannot import its factory 'zoo_toy_for_tests.algorithm:Toy': ZeroDivisionError" in out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("toy-world", ["0 = 1, 100 = 2 (the paper)", "algorithms  toy", "datasets    toy-world/expert"]),
        ("still-world", ["gives      discrete"]),
        ("toy-world/expert", ["1,000,000", "zoo data build toy-world/expert", "environments  toy-world"]),
        ("zoo-toy:mix", ["A linear mixer.", "algorithms  toy"]),
        ("zoo-toy", ["state   ok", "algorithm  toy"]),
        ("zoo-bc", ["broken", "it raised"]),
        ("bc", ["zoo-bc", "it raised"]),
        ("spacql", ["zoo-spacql, not installed", "pip install -e ", "Partial Action Replacement"]),
        ("zoo-spacql:spacql", ["spacql: algorithm, from zoo-spacql, not installed", "core     >=0.1,<0.2"]),
        ("zoo-mixers", ["not installed", "of this repository", "The plugin provides\n  mixer  linear, qmix, vdn"]),
    ],
)
def test_everything_known_has_a_card(toy: Zoo, run: Run, name: str, expected: list[str]) -> None:
    code, out, _ = run("info", name)
    assert code == 0
    for text in expected:
        assert text in out


def test_a_name_offered_twice_has_two_cards(toy: Zoo, run: Run) -> None:
    assert [card["plugin"] for card in run("info", "mix", "--json")[1]] == ["zoo-other 2.0", "zoo-toy 1.0"]
