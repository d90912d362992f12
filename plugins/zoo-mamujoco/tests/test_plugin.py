"""The hook module: light, and true to the environments it names."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from zoo_mamujoco.drawing import drawing_library
from zoo_mamujoco.plugin import DATASETS, ENVS
from zoo_mamujoco.reference import expert_returns, main, random_returns, sampled_returns

MEASURED = [entry for entry in ENVS if entry.reference]


def modules_after(code, **environment):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import json, os, sys; {code}; print(json.dumps([sorted(sys.modules), dict(os.environ)]))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MUJOCO_GL")} | environment,
    )
    return json.loads(done.stdout)


def test_the_hook_module_imports_nothing_heavy():
    modules, _ = modules_after("import zoo_mamujoco.plugin")
    assert not {"numpy", "torch", "mujoco", "gymnasium", "safetensors"} & set(modules)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="EGL is Linux's")
@pytest.mark.parametrize(
    ("environment", "chosen"),
    [({}, drawing_library()), ({"MUJOCO_GL": "osmesa"}, "osmesa"), ({"DISPLAY": ":0"}, None)],
    ids=str,
)
def test_without_a_screen_mujoco_draws_by_what_is_there_unless_told_otherwise(environment, chosen):
    """An empty module stands in for MuJoCo, which would load the library that is named."""
    code = "sys.modules['mujoco'] = type(sys)('mujoco'); import zoo_mamujoco.physics"
    _, after = modules_after(code, **environment)
    assert after.get("MUJOCO_GL") == chosen


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="EGL is Linux's")
def test_where_nothing_can_draw_robots_move_all_the_same_and_pictures_are_refused():
    code = """
import zoo_mamujoco.drawing as drawing
drawing._loads = lambda name: False
from zoo_core import UsageError
from zoo_mamujoco.envs import MultiAgentMujoco
env = MultiAgentMujoco(1, robot='Hopper', partition='3x1')
env.reset([0])
assert env.step(__import__('numpy').zeros((1, 3, 1))).obs.any()
try:
    env.render()
except UsageError as error:
    assert 'libegl1' in str(error), error
else:
    raise AssertionError('drawn with nothing')
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MUJOCO_GL")},
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="EGL is Linux's")
def test_a_library_that_is_chosen_and_not_there_is_named_with_what_to_type():
    code = "import zoo_mamujoco.plugin as plugin; plugin.ENVS[0].load()"
    environment = dict(os.environ) | {"MUJOCO_GL": "no-such-library"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert "PluginError" in done.stderr.splitlines()[-1]
    assert "MUJOCO_GL being no-such-library" in done.stderr
    assert "export MUJOCO_GL=egl" in done.stderr


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


@pytest.mark.parametrize("name", [entry.name for entry in MEASURED])
def test_reference_scores_are_what_the_command_computes(name):
    """On 20 of its episodes, within four standard errors, of returns that spread by a tenth or more: falls are rare."""
    reference = next(entry.reference for entry in MEASURED if entry.name == name)
    expert = sampled_returns if "as it acts in its data" in reference.source else expert_returns
    for value, returns in ((reference.random, random_returns(name, 20)), (reference.expert, expert(name, 20))):
        spread = max(returns.std(), abs(value) / 10)
        assert returns.mean() == pytest.approx(value, abs=1.0 + 4 * spread / 20**0.5)


def test_the_reference_command_prints_all_three(capsys):
    assert main(["--env", MEASURED[0].name, "--episodes", "1"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["random", "expert", "sampled"]
