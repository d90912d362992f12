"""What the `zoo` command makes of errors, misspellings and closed pipes."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from zoo_cli import failures
from zoo_cli.main import COMMANDS, main, zoo
from zoo_core.errors import PluginError, SettingError, UnknownName

ZOO = Path(sys.executable).with_name("zoo")
WRITTEN = [name for name, (place, _) in COMMANDS.items() if importlib.util.find_spec(place.partition(":")[0])]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A command `fail` that raises what it is given."""

    def install(error: BaseException) -> None:
        def callback() -> None:
            raise error

        monkeypatch.setitem(zoo.commands, "fail", click.Command("fail", callback=callback))

    return install


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (PluginError("it is broken: mend it"), 1, "Error: it is broken: mend it\n"),
        (SettingError("lr takes float"), 2, "Error: lr takes float\n"),
        (KeyboardInterrupt(), 130, "Error: interrupted\n"),
        (click.Abort(), 130, "Error: interrupted\n"),
        (click.ClickException("no"), 1, "Error: no\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "runs/x"), 1, "Error: runs/x: No such file\n"),
        (MemoryError(), 1, "Error: out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: …"), 1, "Error: out of memory"),
        (ValueError("oops"), 1, "Error: unexpected ValueError: oops; the same command with --debug shows where\n"),
        (BrokenPipeError(), 1, ""),
    ],
)
def test_an_error_is_one_message_and_an_exit_code(
    failing: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    monkeypatch.setattr(failures, "_silence_stdout", lambda: None)  # it would close the test's own output
    failing(error)
    assert main(["fail"]) == code
    said = capsys.readouterr()
    assert said.err.lstrip().startswith(message)  # Click ends the line after ^C
    assert bool(said.err) == bool(message)
    assert (said.out, "Traceback" in said.err) == ("", False)


def test_a_traceback_is_shown_with_debug_wherever_it_stands(failing: Any, capsys: pytest.CaptureFixture[str]) -> None:
    failing(PluginError("it is broken"))
    for words in (["--debug", "fail"], ["fail", "--debug"]):
        assert main(words) == 1
        said = capsys.readouterr().err
        assert "Traceback" in said
        assert said.endswith("Error: it is broken\n")


def test_a_command_decides_its_exit_code_by_what_it_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    for returned, code in ((3, 3), (0, 0), (None, 0), (True, 0), ("text", 0)):
        monkeypatch.setitem(zoo.commands, "give", click.Command("give", callback=lambda returned=returned: returned))
        assert main(["give"]) == code


def test_an_exit_by_a_signal_handler_passes_through(failing: Any) -> None:
    failing(SystemExit(143))
    with pytest.raises(SystemExit) as caught:
        main(["fail"])
    assert caught.value.code == 143


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["lst"], "no command is called 'lst'. Did you mean 'list'?"),
        (["list", "algoz"], "Did you mean 'algos'?"),
        (["list", "--jason"], "--json"),
        (["--vershun"], "--version"),
    ],
)
def test_a_misspelling_gets_a_suggestion_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], words: list[str], suggestion: str
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert suggestion in said.err
    assert said.out == ""


def test_an_unknown_name_says_which_plugin_of_the_catalogue_has_it(
    failing: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    def nothing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    failing(UnknownName("env", "mpe-cn", []))
    assert main(["fail"]) == 2
    assert "It comes with zoo-mpe, which is not installed: pip install -e " in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_in_order(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line[:2] == "  " and line[2:3].strip()][
        : len(COMMANDS)
    ] == (list(COMMANDS))


@pytest.mark.parametrize("name", WRITTEN)
def test_every_command_has_an_example_and_the_short_help_of_the_group(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert (command.help or "").strip().splitlines()[0] == COMMANDS[name][1]
    leaves = [[name, sub] for sub in command.commands] if isinstance(command, click.Group) else [[name]]
    for leaf in leaves:
        assert main([*leaf, "--help"]) == 0
        assert f"  zoo {' '.join(leaf)}" in capsys.readouterr().out.partition("Example")[2]


def test_version_names_the_command_the_core_and_python(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"zoo 0.1.0 (zoo-core 0.1.0, Python {sys.version.split()[0]})\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([ZOO, "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("command", [["--help"], ["list"], ["--version"]])
def test_a_full_disk_is_one_message(command: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([ZOO, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the disk is full")
    assert "Traceback" not in done.stderr
