"""The environment shown in docs/environments.md is one, and the commands on that page are understood."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from zoo_core.testing import check_env
from zoo_pettingzoo.plugin import FAMILY

PAGE = (Path(__file__).parents[3] / "docs" / "environments.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def meeting(tmp_path, monkeypatch):
    (tmp_path / "meeting.py").write_text(next(block for block in BLOCKS if "class Meeting" in block))
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    yield FAMILY.resolve("meeting:Meeting")
    sys.modules.pop("meeting", None)


def test_the_example_keeps_the_contract_and_lacks_only_reference_scores(meeting):
    rows = {row.name: row.outcome for row in check_env(meeting)}
    assert {name for name, outcome in rows.items() if outcome not in ("pass", "skip")} == {"reference_is_stated"}
    assert len(rows) > 5


def test_the_tasks_on_the_page_exist(meeting):
    commands = [shlex.split(line[2:]) for line in PAGE.splitlines() if line.startswith("$ zoo")]
    tasks = {words[words.index("--env") + 1] for words in commands if "--env" in words} | {commands[0][2]}
    assert len(tasks) == 3
    for task in tasks:
        assert FAMILY.resolve(task.removeprefix("pettingzoo:")).name == task
