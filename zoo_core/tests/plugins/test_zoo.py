"""Finding things by name in the zoo."""

from __future__ import annotations

import pytest

from zoo_core import AlgorithmEntry, EnvEntry, Source
from zoo_core.errors import AmbiguousName, UnknownName
from zoo_core.plugins import Offer, PluginRow, Zoo

SOURCE = Source("made for the tests")


def algorithm(name: str, distribution: str) -> Offer[AlgorithmEntry]:
    return Offer(AlgorithmEntry(name, f"{name} of {distribution}", "a:b", SOURCE), distribution, "1.0")


@pytest.fixture
def zoo() -> Zoo:
    return Zoo.assemble(
        [
            algorithm("twin", "zoo-b"),
            algorithm("spacql", "zoo-b"),
            algorithm("twin", "zoo-a"),
            Offer(EnvEntry("twin", "An environment", "a:b", SOURCE), "zoo-a", "1.0"),
        ],
        [PluginRow("zoo-b", "1.0", "ok"), PluginRow("zoo-a", "1.0", "ok")],
    )


def test_offers_are_sorted_by_name_then_distribution_and_plugins_by_distribution(zoo: Zoo) -> None:
    assert [offer.qualified_name for offer in zoo.algorithms] == ["zoo-b:spacql", "zoo-a:twin", "zoo-b:twin"]
    assert [row.distribution for row in zoo.plugins] == ["zoo-a", "zoo-b"]


def test_a_name_is_found_within_its_kind_plain_or_qualified(zoo: Zoo) -> None:
    assert zoo.find("algorithm", "spacql").summary == "spacql of zoo-b"
    assert zoo.find("algorithm", "zoo-a:twin").summary == "twin of zoo-a"
    assert zoo.find("env", "twin").KIND == "env"


def test_an_ambiguous_name_names_both_owners_and_the_way_to_choose(zoo: Zoo) -> None:
    with pytest.raises(AmbiguousName) as caught:
        zoo.find("algorithm", "twin")
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "algorithm 'twin' is offered by zoo-a 1.0 and zoo-b 1.0. Choose one: --algo zoo-a:twin or --algo zoo-b:twin"
    )


@pytest.mark.parametrize(
    ("name", "suggestion"), [("spaqcl", "'spacql'"), ("zoo-b:twim", "'zoo-b:twin'"), ("SPACQL", "'spacql'")]
)
def test_a_misspelt_name_gets_a_suggestion(zoo: Zoo, name: str, suggestion: str) -> None:
    with pytest.raises(UnknownName, match=f"no algorithm is called '{name}'. Did you mean {suggestion}"):
        zoo.find("algorithm", name)


def test_an_unknown_name_points_at_broken_plugins_only_if_there_are_some(zoo: Zoo) -> None:
    with pytest.raises(UnknownName) as whole:
        zoo.find("mixer", "vdn")
    assert "Broken" not in str(whole.value)
    with pytest.raises(UnknownName, match=r"Broken plugins: zoo-c \(`zoo list plugins` says why\)"):
        Zoo.assemble([], [PluginRow("zoo-c", "1.0", "broken", "it raised")]).find("mixer", "vdn")


def test_matching_gives_everything_of_that_name_in_every_kind(zoo: Zoo) -> None:
    assert [offer.entry.KIND for offer in zoo.matching("twin")] == ["algorithm", "algorithm", "env"]
    assert [offer.distribution for offer in zoo.matching("zoo-b:twin")] == ["zoo-b"]
    assert zoo.matching("nothing") == ()
