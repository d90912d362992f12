"""The Python API mirrors the command line, and its page runs as it stands."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import click
import pytest
import torch

import zoo_core
from zoo_cli.commands.evaluate import evaluate as evaluate_command
from zoo_cli.commands.train import train as train_command
from zoo_cli.main import main, zoo
from zoo_core.api import CHOICES

PAGE = Path(__file__).parents[1] / "docs" / "python.md"

OTHERWISE = {"set": "settings", "quiet": "progress", "json": None}
"""Options of another name in Python: `set` is Python's own, progress is said positively, and runs are objects."""


def options(command: click.Command) -> dict[str, click.Option]:
    """Parameter name → option, or argument, of a command."""
    found = {}
    for parameter in command.params:
        name = max(parameter.opts, key=len).removeprefix("--").replace("-", "_")
        if OTHERWISE.get(name, name) is not None:
            found[OTHERWISE.get(name, name)] = parameter
    return found


def defaults(function) -> dict[str, object]:
    return {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}


# The same parameters


def test_train_takes_every_option_of_zoo_train_under_its_name_and_nothing_else():
    assert defaults(zoo_core.train).keys() == options(train_command).keys()


def test_trains_defaults_are_the_commands():
    ours = defaults(zoo_core.train)
    group = {
        "help_option_names": zoo.context_settings["help_option_names"]
    }  # click keeps the help option it makes here
    parsed = train_command.make_context("train", ["--algo", "any"], **group).params
    for name, option in options(train_command).items():
        if name not in ("algo", "settings", "progress"):
            assert ours[name] == parsed[option.name], name
    assert (ours["algo"], ours["settings"], ours["progress"]) == (inspect.Parameter.empty, None, True)


def test_train_takes_the_choices_the_command_takes():
    kinds = {name: option.type for name, option in options(train_command).items()}
    assert {name: kind.choices for name, kind in kinds.items() if isinstance(kind, click.Choice)} == {
        name: tuple(choices) for name, choices in CHOICES.items()
    }


def test_evaluate_takes_what_zoo_evaluate_takes():
    ours, theirs = defaults(zoo_core.evaluate), options(evaluate_command)
    assert ours.keys() == theirs.keys()
    assert {name: ours[name] for name in ("episodes", "seed_offset")} == {
        name: theirs[name].default for name in ("episodes", "seed_offset")
    }


def test_every_parameter_is_described():
    described = inspect.getdoc(zoo_core.train).partition("Args:")[2].partition("Raises:")[0]
    named = {name for names in re.findall(r"^    ([\w, ]+):", described, re.MULTILINE) for name in names.split(", ")}
    assert named == defaults(zoo_core.train).keys()


# The same result


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory and cache, and one thread."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_DATA", raising=False)
    return tmp_path


def test_python_and_the_command_line_share_runs_and_say_the_same_of_them(here, capsys):
    zoo_core.data.ensure("mpe-cn/random", transitions=1000)
    folder = str(next((here / "cache").rglob("card.json")).parent)
    small = {"iterations": 2, "eval_episodes": 2, "final_episodes": 3}
    runs = zoo_core.train("bc", dataset=folder, **small, seeds=2, settings={"hidden": 8}, progress=False)
    words = [w for name, value in small.items() for w in (f"--{name.replace('_', '-')}", str(value))]
    capsys.readouterr()
    assert (
        main(["train", "--algo", "bc", "--dataset", folder, *words, "--seeds", "2", "--set", "hidden=8", "--json"]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert [run["already_finished"] for run in said["runs"]] == [True, True]
    assert [Path(run["folder"]).absolute() for run in said["runs"]] == runs.folders
    for ours, theirs in zip(runs.table(), said["summary"], strict=True):
        assert {key: ours[key] for key in ("label", "mean", "low", "high", "over")} == {
            key: theirs[key] for key in ("label", "mean", "low", "high", "over")
        }
        assert ours["normalised"] == theirs["normalised"]
    main(["train", "--algo", "bc", "--dataset", folder, *words, "--seeds", "2", "--set", "hidden=8"])
    assert runs.headline() in capsys.readouterr().out


# The page


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_pages_code_runs_from_top_to_bottom(here, capsys):
    names: dict[str, object] = {"__name__": "page"}
    assert len(blocks()) >= 6
    for number, block in enumerate(blocks()):
        exec(compile(block, f"docs/python.md, block {number + 1}", "exec"), names)
    runs = names["runs"]
    assert isinstance(runs, zoo_core.Runs)
    assert runs.seeds == (0, 1)
    assert repr(runs) in capsys.readouterr().out


def test_every_name_that_the_page_takes_from_the_package_is_exported():
    names = set(re.findall(r"zoo_core\.(\w+)", "".join(blocks())))
    assert {"train", "evaluate", "load_runs", "load_zoo"} <= names
    assert names <= {*zoo_core.__all__, "data"}
