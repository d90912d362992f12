"""docs/environments.md from beginning to end: a module in the working directory becomes data, a policy, data again."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from zoo_cli.main import main
from zoo_core import load_zoo
from zoo_core.data import open_dataset
from zoo_core.testing import check_env

PAGE = (Path(__file__).parents[1] / "docs" / "environments.md").read_text(encoding="utf-8")
SOURCE = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "class Meeting" in block)
SOURCE = SOURCE.replace("class Meeting", "class TestedMeeting")
TASK = "pettingzoo:tested_meeting:TestedMeeting,max_cycles=6"
SHORT = ("--iterations", "4", "--eval-every", "4", "--eval-episodes", "4", "--final-episodes", "4", "--compile", "off")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the user's module, an empty cache, and a way to run commands in it."""
    (tmp_path / "tested_meeting.py").write_text(SOURCE)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_DATA", raising=False)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("tested_meeting", None)


def test_an_environment_of_ones_own_needs_no_plugin(here, capsys):
    def zoo(*words):
        code = main([*map(str, words)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert zoo("data", "collect", "--env", TASK, "--name", "meeting/random", "--episodes", 40)[0] == 0
    train = ("train", "--algo", "bc", "--dataset", "meeting/random", *SHORT, "--set", "hidden=8")
    code, out, err = zoo(*train, "--quiet")
    assert code == 0, err
    assert "bc on meeting/random: return" in out
    assert [str(check) for check in check_env(load_zoo().find("env", TASK)) if check.outcome == "fail"] == []
    (run,) = [path.parent for path in here.glob("runs/*/*/*/*/config.json")]
    assert run.relative_to(here).parts[1] == "pettingzoo-tested_meeting-testedmeeting-max_cycles-6"
    config, manifest = (json.loads((run / name).read_text()) for name in ("config.json", "manifest.json"))
    assert config["env"] == TASK
    assert config["offered"]["env"] == f"zoo-pettingzoo:{TASK}"
    assert {"tested_meeting", "pettingzoo", "zoo-pettingzoo"} <= manifest["plugins"].keys()

    (score,) = json.loads(zoo("evaluate", run, "--episodes", 4, "--json")[1])
    assert score["mean"] == json.loads((run / "evaluations.json").read_text())["final"]["mean"]
    assert score["normalised"] is None
    assert zoo("render", run, "--episodes", 1)[0] == 0
    assert (run / "policy.gif").stat().st_size > 0
    assert zoo("data", "collect", "--policy", run, "--noise", 0.2, "--name", "meeting/bc", "--episodes", 5)[0] == 0
    card = open_dataset("meeting/bc").card
    assert (card.episodes, card.team.env, card.source["env"]) == (5, TASK, TASK)
