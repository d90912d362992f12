"""`zoo doctor` and its checks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from zoo_cli import checks
from zoo_core.plugins import PluginRow, Zoo

Run = Callable[..., Any]


def found(report: Any) -> dict[str, checks.Check]:
    return {check.topic: check for check in report}


def test_plugins_that_are_broken_heavy_or_share_a_name_are_named(toy: Zoo) -> None:
    report = found(checks.check_plugins(toy))
    assert (report["zoo-bc"].state, report["zoo-bc"].found) == ("bad", "it raised")
    assert report["mixer mix"].state == "warn"
    assert report["mixer mix"].mend == "say which: zoo-other:mix or zoo-toy:mix"


def test_a_factory_that_cannot_be_imported_is_broken_though_its_hooks_work(toy: Zoo) -> None:
    report = found(checks.check_plugins(toy))
    assert report["zoo-toy"].state == "bad"
    assert "cannot import its factory 'x:y'" in report["zoo-toy"].found


def test_a_factory_that_lacks_what_its_plugin_requires_names_that_requirement(
    toy: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    requires = {"zoo-toy": ["torch>=2.4", "zoo-library>=0.1", "zoo-plots; extra == 'plot'"], "zoo-other": []}
    monkeypatch.setattr(metadata, "requires", requires.__getitem__)
    check = found(checks.check_plugins(toy))["zoo-toy"]
    assert check.state == "bad"
    assert check.found.startswith("zoo-library is not installed; zoo-toy needs zoo-library>=0.1. ")
    assert "cannot import its factory 'x:y'" in check.found
    assert check.mend == "pip install 'zoo-library>=0.1'"


def test_heavy_and_slow_hook_modules_are_remarked_on() -> None:
    rows = [PluginRow("zoo-a", "1", "ok", import_seconds=0.3), PluginRow("zoo-b", "1", "ok", heavy=("torch",))]
    report = found(checks.check_plugins(Zoo.assemble([], rows)))
    assert (report["zoo-a"].state, report["zoo-a"].found) == ("warn", "import 300 ms")
    assert (report["zoo-b"].state, "imports torch" in report["zoo-b"].found) == ("warn", True)


def test_a_requirement_that_is_missing_or_too_old_is_broken_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requires = {"zoo-core": ["torch>=2.4", "pluggy>=99", "nothing-of-this-name; extra == 'plot'"], "zoo-cli": []}
    monkeypatch.setattr(metadata, "requires", requires.__getitem__)
    report = found(checks.check_packages(Zoo()))
    assert report["torch"].state == "ok"
    assert (report["pluggy"].state, report["pluggy"].mend) == ("bad", "pip install 'pluggy>=99'")
    assert report["nothing-of-this-name"].state == "warn"


def test_a_requirement_that_one_plugin_cannot_do_with_is_named_though_the_core_is_content(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requires = {"zoo-core": ["torch>=2.4"], "zoo-cli": [], "zoo-a": ["torch>=99"], "zoo-b": ["torch>=2"]}
    monkeypatch.setattr(metadata, "requires", requires.__getitem__)
    rows = [PluginRow(name, "1", "ok") for name in ("zoo-a", "zoo-b")]
    report = list(checks.check_packages(Zoo.assemble([], rows)))
    assert [check.state for check in report] == ["ok", "bad"]
    assert "zoo-a needs torch>=99" in report[1].found


def test_a_machine_without_a_compiler_is_warned_that_it_trains_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    check = found(checks.check_torch())["compiler"]
    assert check.state == "warn"
    assert "runs eagerly" in check.found


def test_a_folder_that_cannot_be_written_to_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(file / "cache"))
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "new" / "data"))
    report = found(checks.check_folders())
    assert (report["cache"].state, report["cache"].mend) == ("bad", "set ZOO_CACHE to a folder elsewhere")
    assert report["data"].state in ("ok", "warn")
    assert not (tmp_path / "new").exists(), "looking changes nothing"


@pytest.mark.parametrize(("free", "state"), [(100 << 30, "ok"), (1 << 30, "warn"), (1 << 20, "bad")])
def test_little_disk_space_is_a_warning_and_none_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(free, 0, free))
    assert found(checks.check_folders())["cache"].state == state


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("warn", 0), ("bad", 1)])
def test_the_exit_code_is_1_only_if_something_is_broken(
    run: Run, monkeypatch: pytest.MonkeyPatch, state: Any, code: int
) -> None:
    monkeypatch.setattr("zoo_cli.commands.doctor.discover", lambda refresh: Zoo())
    monkeypatch.setattr("zoo_cli.commands.doctor.all_checks", lambda zoo: [checks.Check("x", state, "y", "do z")])
    assert run("doctor")[0] == code
    assert run("doctor", "--json") == (code, [{"topic": "x", "state": state, "found": "y", "mend": "do z"}], "")


def test_this_installation_has_nothing_broken(run: Run) -> None:
    code, report, _ = run("doctor", "--json")
    assert [check for check in report if check["state"] == "bad"] == []
    assert code == 0
