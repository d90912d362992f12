"""The hook module: light, and true to the environments it names."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from zoo_mpe.plugin import DATASETS, ENVS


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


def test_no_reference_scores_are_claimed_where_the_prey_is_our_own():
    assert [entry.name for entry in ENVS if entry.reference is None] == ["mpe-pp", "mpe-world"]
    for entry in ENVS[1:]:
        assert "published reference returns do not apply" in entry.convention
