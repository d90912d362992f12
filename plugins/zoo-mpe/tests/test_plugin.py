"""The hook module: light, and true to the environments it names."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from zoo_mpe.plugin import DATASETS, ENVS
from zoo_mpe.reference import expert_returns, main, random_returns


def test_the_hook_module_imports_nothing_heavy():
    code = "import json, sys, zoo_mpe.plugin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "PIL", "safetensors"} & set(json.loads(done.stdout))


@pytest.mark.parametrize("entry", ENVS, ids=lambda entry: entry.name)
def test_an_entry_says_what_its_environment_is(entry):
    env = entry.load()(2)
    assert env.team.env == entry.name
    assert env.team.n == entry.agents
    assert env.team.reference == entry.reference
    assert env.team.action_kind in entry.gives


def test_a_default_quality_is_claimed_exactly_where_there_are_datasets():
    offered = {(dataset.env, dataset.quality) for dataset in DATASETS}
    for entry in ENVS:
        if any(env == entry.name for env, _ in offered):
            assert (entry.name, entry.default_quality) in offered
        else:
            assert entry.default_quality == ""


def test_reference_scores_are_of_our_own_prey_where_there_is_one_and_say_so():
    navigation, *chases = ENVS
    assert navigation.reference.source.startswith("OMAR and CFCQL")
    for entry in chases:
        assert entry.reference.source.startswith("own prey")
        assert "published reference returns do not apply" in entry.convention


@pytest.mark.parametrize("entry", ENVS[1:], ids=lambda entry: entry.name)
@pytest.mark.parametrize("options", [{"prey": "flee"}, {"prey": "random"}, {"control": "all"}], ids=str)
def test_against_another_prey_no_reference_scores_are_claimed(entry, options):
    assert entry.load()(1, **options).team.reference is None


@pytest.mark.parametrize("name", ["mpe-pp", "mpe-world"])
def test_reference_scores_are_what_the_command_computes(name):
    """On 2,000 of its 20,000 episodes, within four standard errors of either."""
    reference = next(entry.reference for entry in ENVS if entry.name == name)
    for value, returns in (
        (reference.random, random_returns(name, 2000)),
        (reference.expert, expert_returns(name, 2000)),
    ):
        assert returns.mean() == pytest.approx(value, abs=0.05 + 4 * returns.std() / 2000**0.5)


def test_the_reference_command_prints_both(capsys):
    assert main(["--env", "mpe-pp", "--episodes", "20"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["random", "expert"]
