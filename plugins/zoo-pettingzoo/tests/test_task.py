"""How a task is read and spelt."""

import pytest

from zoo_core import SettingError, UsageError
from zoo_pettingzoo.task import Task, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4), ("-2", -2), ("0.5", 0.5), ("1e-3", 0.001), ("1E5", 1e5), ("true", True), ("False", False),
        ("null", None),
        ("left", "left"), ("a b", "a b"), ("'4'", "4"), ("'yes'", "yes"), ("'1e-3'", "1e-3"), ('""', ""),
        ("[1,2]", [1, 2]), ("{a: 1, b: [2]}", {"a": 1, "b": [2]}),
        ("path/to.map", "path/to.map"),
    ],
)  # fmt: skip
def test_values_are_typed_and_spelt_so_that_they_are_read_back_equal(text, value):
    task = parse(f"m.e,key={text}")
    assert task == Task("m.e", {"key": value})
    assert type(task.options["key"]) is type(value)
    assert parse(task.text) == task


def test_one_task_has_one_name_however_it_is_written():
    assert parse("m.e,b=2, a=True ").name == parse("m.e,a=true,b=2").name == "pettingzoo:m.e,a=true,b=2"


def test_commas_in_brackets_and_quotes_belong_to_the_value():
    assert parse("m:f,sizes=[1,[2,3]],names='a,b',n=1").options == {"sizes": [1, [2, 3]], "names": "a,b", "n": 1}


@pytest.mark.parametrize("text", ["", ",N=4", "a-b", "m:", ":f", "m.e N=4", "../m", "m.e:f:g", "m..e"])
def test_what_names_nothing_is_refused_with_the_form(text):
    with pytest.raises(
        UsageError, match=r"names no environment: write pettingzoo:MODULE or pettingzoo:MODULE:FUNCTION"
    ):
        parse(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("N", "'N' is no key=value"),
        ("=4", "is no key=value"),
        ("a b=4", "is no key=value"),
        ("N=4,N=5", "N is given twice"),
        ("N=[1", "cannot read the value of N"),
        ("day=2020-01-01", "cannot read the value of day"),
        ("x=.nan", "cannot read the value of x"),
    ],
)
def test_options_that_cannot_be_read_are_named(options, message):
    with pytest.raises(SettingError, match=message):
        parse(f"m.e,{options}")


def test_a_task_may_state_its_scale():
    reference = parse("m.e,random_score=-24.2,expert_score=-10").reference
    assert (reference.random, reference.expert, reference.source) == (-24.2, -10.0, "stated in the environment's name")
    assert reference.normalise(-10) == 100
    assert parse("m.e,N=4").reference is None


@pytest.mark.parametrize(
    "scores", ["random_score=1", "expert_score=1", "random_score=1,expert_score=1", "random_score=1,expert_score=much"]
)
def test_half_a_scale_or_none_at_all_is_refused(scores):
    with pytest.raises(SettingError, match="random_score and expert_score together, two different numbers"):
        parse(f"m.e,{scores}").reference  # noqa: B018 - reading it is the test
