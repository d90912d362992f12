"""Entries that stand for a family of environments, and the members a resolver makes."""

from __future__ import annotations

from typing import Any

import pytest

from zoo_core.compatibility import require_pair
from zoo_core.entries import AlgorithmEntry, EnvEntry, Source, entry_from_json
from zoo_core.errors import AmbiguousName, IncompatiblePair, PluginError, UnknownName, UsageError
from zoo_core.plugins import Offer, Zoo

NOBODY = Source("made for the tests")
HERE = __name__


def make(num_envs: int, **options: Any) -> tuple[int, dict[str, Any]]:
    """The factory of every member."""
    return num_envs, options


def resolve(task: str) -> EnvEntry:
    """The resolver: tasks are sizes; `big` is another spelling of 9."""
    if task == "none":
        raise UsageError("there is no open:none")
    if task == "fault":
        raise ZeroDivisionError("no such luck")
    if task == "family":
        return FAMILY
    if task == "stranger":
        return EnvEntry("elsewhere", "s", f"{HERE}:make", NOBODY)
    size = {"big": 9}.get(task) or int(task)
    return EnvEntry(f"open:{size}", "one", f"{HERE}:make", NOBODY, options={"size": size}, modules=("os",))


FAMILY = EnvEntry("open", "sizes", f"{HERE}:make", NOBODY, gives=("discrete",), resolver=f"{HERE}:resolve", example="3")
SINGLE = EnvEntry("walk", "walkers", f"{HERE}:make", NOBODY)
ZOO = Zoo.assemble([Offer(FAMILY, "zoo-open", "1"), Offer(SINGLE, "zoo-walk", "1")], [])


def test_a_member_is_resolved_when_it_is_asked_for_and_binds_its_options() -> None:
    member = ZOO.find("env", "open:4")
    assert (member.name, member.options, member.resolver) == ("open:4", {"size": 4}, "")
    assert member.load()(2) == (2, {"size": 4})
    assert SINGLE.load()(2) == (2, {})


def test_a_member_may_be_named_with_its_distribution_and_keeps_it() -> None:
    offer = ZOO.find_offer("env", "zoo-open:open:4")
    assert (offer.name, offer.distribution, offer.qualified_name) == ("open:4", "zoo-open", "zoo-open:open:4")
    assert ZOO.find("env", offer.qualified_name) == offer.entry


def test_the_resolver_says_how_a_task_is_spelt() -> None:
    assert ZOO.find("env", "open:big") == ZOO.find("env", "open:9")


@pytest.mark.parametrize("name", ["open", "open:", "zoo-open:open"])
def test_a_family_without_a_task_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(UsageError, match="open is a family of environments: name one as open:TASK, for example open:3"):
        ZOO.find("env", name)


def test_a_family_is_matched_as_itself_and_a_member_as_resolved() -> None:
    assert [o.entry for o in ZOO.matching("open")] == [FAMILY]
    assert [o.name for o in ZOO.matching("open:5")] == ["open:5"]
    assert ZOO.matching("walk:5") == ()


def test_a_family_of_another_kind_or_name_is_not_taken_for_one() -> None:
    with pytest.raises(UnknownName):
        ZOO.find("dataset", "open:4")
    with pytest.raises(UnknownName, match="Did you mean 'open:4'"):
        ZOO.find("env", "opne:4")
    with pytest.raises(UsageError, match="walk is one environment, not a family"):
        SINGLE.resolve("4")


def test_an_exact_name_goes_before_a_family() -> None:
    exact = EnvEntry("open:4", "listed", f"{HERE}:make", NOBODY)
    zoo = Zoo.assemble([Offer(FAMILY, "zoo-open", "1"), Offer(exact, "zoo-listed", "1")], [])
    assert zoo.find("env", "open:4") == exact


def test_two_families_of_one_name_are_both_named_and_either_can_be_chosen() -> None:
    zoo = Zoo.assemble([Offer(FAMILY, "zoo-a", "1"), Offer(FAMILY, "zoo-b", "2")], [])
    with pytest.raises(AmbiguousName, match="--env zoo-a:open:4 or --env zoo-b:open:4"):
        zoo.find("env", "open:4")
    assert zoo.find_offer("env", "zoo-b:open:4").distribution == "zoo-b"


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        ("none", UsageError, "there is no open:none"),
        ("fault", PluginError, "env open:fault: .*:resolve raised ZeroDivisionError: no such luck"),
        ("family", PluginError, "must return the EnvEntry of one environment, named open:…"),
        ("stranger", PluginError, "must return the EnvEntry of one environment, named open:…"),
    ],
)
def test_what_a_resolver_does_wrong_is_named(task: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ZOO.find("env", f"open:{task}")


def test_a_missing_resolver_is_found_without_a_task() -> None:
    broken = EnvEntry("open", "s", f"{HERE}:make", NOBODY, resolver="no_such_module:resolve", example="3")
    with pytest.raises(PluginError, match="cannot import its resolver 'no_such_module:resolve'"):
        broken.check_imports()
    FAMILY.check_imports()


def test_entries_survive_json_and_can_be_hashed() -> None:
    for entry in (FAMILY, ZOO.find("env", "open:4")):
        assert entry_from_json(entry.as_json()) == entry
        assert len({entry, entry_from_json(entry.as_json())}) == 1


def test_lists_and_refusals_show_that_a_family_wants_a_task() -> None:
    assert (FAMILY.label, SINGLE.label) == ("open:…", "walk")
    learner = AlgorithmEntry("d", "s", f"{HERE}:make", NOBODY, actions=("discrete",))
    with pytest.raises(IncompatiblePair, match="d works with: open:…"):
        require_pair(learner, SINGLE, [learner], [FAMILY, SINGLE])
