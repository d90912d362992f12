"""`zoo plugin check` names exactly what is wrong with a plugin, and outlives whatever a plugin does.

The plugins are those of `plugins_fixtures/`, and ones written here; none is installed, the command takes their folders.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo_cli.conformance.folder import as_if_installed, read_folder
from zoo_cli.main import main

FIXTURES = Path(__file__).parent / "plugins_fixtures"
PROJECT = """
[project]
name = "zoo-evil"
version = "1.0"
dependencies = {dependencies}
[project.entry-points.{group}]
evil = "zoo_evil.plugin"
"""
CORE = '["zoo-core>=0.1,<0.2"]'
HOOKS = """
from zoo_core import MixerEntry, Source, hookimpl

@hookimpl
def zoo_mixers():
    return [MixerEntry(name, "A mixer.", f"zoo_evil.{name}:Sum", Source("a test")) for name in NAMES]
"""
SUM = """
import ctypes, os, time
from zoo_core import Mixer

class Sum(Mixer):
    def mix(self, values, state):
        if values.requires_grad:
            {fault}
        return values.sum(-1, keepdim=True)
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_FIXTURE_MARK", str(tmp_path / "mark"))
    monkeypatch.setenv("ZOO_PLUGINS", "zoo-none")  # the installed plugins stay out of it, unless a test says otherwise


NOISE = """for fd in range(3, 20):
                try: os.write(fd, b"noise\\n")
                except OSError: pass"""
"""A fault that is none: what a plugin writes to every open file is no message of the kit's."""

Check = Callable[..., tuple[int, dict[str, dict]]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """The exit code and the rows, by what they are about and their name."""

    def run(*words: str | Path) -> tuple[int, dict[str, dict]]:
        code = main(["plugin", "check", "--json", *map(str, words)])
        said = capsys.readouterr()
        rows = json.loads(said.out)["rows"] if said.out else []
        return code, {f"{row['about']}: {row['name']}": row for row in rows}

    return run


@pytest.fixture
def evil(tmp_path: Path) -> Callable[..., Path]:
    """A plugin's folder with a mixer for each `name=fault`."""

    def write(hooks: str = HOOKS, *, dependencies: str = CORE, group: str = "zoo", **faults: str) -> Path:
        package = tmp_path / "zoo-evil" / "src" / "zoo_evil"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "plugin.py").write_text(f"NAMES = {list(faults)}\n{hooks}")
        for name, fault in faults.items():
            (package / f"{name}.py").write_text(SUM.format(fault=fault))
        pyproject = PROJECT.format(dependencies=dependencies, group=group)
        (tmp_path / "zoo-evil" / "pyproject.toml").write_text(pyproject)
        return tmp_path / "zoo-evil"

    return write


def failed(rows: dict[str, dict]) -> dict[str, str]:
    return {name: f"{row['detail']} {row['mend']}" for name, row in rows.items() if row["outcome"] == "fail"}


@pytest.mark.parametrize(
    ("fixture", "name", "said"),
    [
        ("zoo-bad-name", "names_are_legal", "zoo_algorithms(): 'Bad Name!' is no valid name: use a-z, 0-9"),
        ("zoo-wrong-type", "hooks_return_entries", "zoo_algorithms() must return AlgorithmEntry entries, not str"),
        ("zoo-other-core", "core_range_is_stated_and_met", "works with zoo-core >=9, and 0.1.0 is installed: install"),
        ("zoo-raises", "hook_module_imports", "raised RuntimeError: the sky is falling (zoo_raises/plugin.py:3)"),
        ("zoo-quits", "hook_module_imports", "raised SystemExit: no such luck (zoo_quits/plugin.py:5)"),
        ("zoo-crashes", "hook_module_imports", "importing zoo_crashes.plugin ended the process: killed by SIGSEGV"),
        ("zoo-exits", "hooks_return_entries", "calling zoo_algorithms() ended the process: exit code 0"),
        ("zoo-hangs", "hook_module_imports", "importing zoo_hangs.plugin took more than 4 s"),
    ],
)
def test_a_fault_of_the_package_is_one_red_row_that_names_it(
    check: Check, monkeypatch: pytest.MonkeyPatch, fixture: str, name: str, said: str
) -> None:
    monkeypatch.setenv("ZOO_PROBE_SECONDS", "4" if fixture == "zoo-hangs" else "60")
    code, rows = check(FIXTURES / fixture)
    assert code == 1
    assert list(failed(rows)) == [f"package: {name}"]
    assert said in failed(rows)[f"package: {name}"]
    assert not any(about.startswith(("algorithm", "mixer")) for about in rows)  # nothing else of it was run


def test_a_plugin_for_another_core_is_never_imported(check: Check, tmp_path: Path) -> None:
    check(FIXTURES / "zoo-other-core")
    assert not (tmp_path / "mark").exists()


def test_a_package_without_the_entry_point_is_told_the_lines_to_add(check: Check, evil: Callable[..., Path]) -> None:
    code, rows = check(evil(group="console_scripts"))
    assert code == 1
    (said,) = failed(rows).values()
    assert "zoo-evil has no entry point in the group 'zoo'" in said
    assert '[project.entry-points.zoo] with a line such as evil = "zoo_evil.plugin"' in said


@pytest.mark.parametrize(
    ("dependencies", "name", "said"),
    [
        ("[]", "core_range_is_stated_and_met", 'add "zoo-core>=0.1,<0.2" to the dependencies'),
        ('["zoo-core>=0.1", "no-such-package>=2"]', "requirements_are_installed", "zoo-evil needs no-such-package>=2"),
        ('["zoo-core>=0.1", "not a requirement"]', "core_range_is_stated_and_met", "cannot be read"),
        ('"zoo-core"', "metadata_is_readable", "dependencies must be a list of texts"),
        ('["zoo-core]', "metadata_is_readable", "pyproject.toml cannot be read"),
    ],
)
def test_wrong_dependencies_are_named(
    check: Check, evil: Callable[..., Path], dependencies: str, name: str, said: str
) -> None:
    code, rows = check(evil(dependencies=dependencies), "--only", "package")
    assert code == 1
    assert said in failed(rows)[f"package: {name}"]


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ("", "zoo_evil.plugin implements no hook: decorate"),
        ("from zoo_core import hookimpl\n@hookimpl\ndef zoo_mixer(): return []", "Did you mean 'zoo_mixers'"),
        ("from zoo_core import hookimpl\n@hookimpl\ndef zoo_mixers(): return None", "must return a list or tuple"),
        ("from zoo_core import hookimpl\n@hookimpl\ndef zoo_mixers(x): return []", "a hook of the wrong signature"),
    ],
)
def test_a_wrong_hook_is_named(check: Check, evil: Callable[..., Path], hooks: str, said: str) -> None:
    code, rows = check(evil(hooks))
    assert code == 1
    assert said in failed(rows)["package: hooks_return_entries"]


def test_a_missing_hook_module_is_named_with_what_to_correct(check: Check, evil: Callable[..., Path]) -> None:
    folder = evil()
    (folder / "src/zoo_evil/plugin.py").unlink()
    said = failed(check(folder)[1])["package: hook_module_imports"]
    assert "there is no file for zoo_evil.plugin: correct the entry point" in said


def test_whatever_a_claim_does_is_one_red_row_and_the_other_entries_are_still_checked(
    check: Check, evil: Callable[..., Path]
) -> None:
    folder = evil(
        good=NOISE,
        hangs="time.sleep(100)",
        exits="os._exit(0)",
        crashes="ctypes.string_at(0)",
        raises="raise RuntimeError('no sum')",
        last="pass",
    )
    code, rows = check(folder, "--seconds", "4")
    claim = "gradient_reaches_every_agent"
    assert code == 1
    assert set(failed(rows)) == {f"mixer {name}: {claim}" for name in ("hangs", "exits", "crashes", "raises")}
    for name, said in (
        ("hangs", "took more than 4 s (zoo_evil/hangs.py:8) make it end in time"),
        ("exits", "ended the process: exit code 0 raise an error instead"),
        ("crashes", "ended the process: killed by SIGSEGV (zoo_evil/crashes.py:8)"),
        ("raises", "RuntimeError: no sum (zoo_evil/raises.py:8)"),
    ):
        assert said in failed(rows)[f"mixer {name}: {claim}"]
        after = list(rows)[list(rows).index(f"mixer {name}: {claim}") + 1 :]
        assert f"mixer {name}: global_generator_is_untouched" in after  # the entry's other claims went on
    assert rows[f"mixer last: {claim}"]["outcome"] == rows[f"mixer good: {claim}"]["outcome"] == "pass"


def test_a_claim_that_is_ended_leaves_no_temporary_files(
    check: Check, evil: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    keeps = "__import__('tempfile').mkdtemp(); "
    folder = evil(hangs=f"{keeps}time.sleep(100)", exits=f"{keeps}os._exit(0)")
    assert len(failed(check(folder, "--only", "gradient", "--seconds", "2")[1])) == 2
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_factory_that_cannot_be_imported_is_one_row_and_no_other_claim_of_it_runs(
    check: Check, evil: Callable[..., Path]
) -> None:
    folder = evil(absent="pass", other="pass", exits="pass", unclosed="(")
    (folder / "src/zoo_evil/absent.py").unlink()
    (folder / "src/zoo_evil/other.py").write_text("class Summ: pass\n")
    (folder / "src/zoo_evil/exits.py").write_text("import os\nos._exit(7)\n")
    rows = failed(check(folder)[1])
    claim = "the_factory_can_be_imported"
    assert set(rows) == {f"mixer {name}: {claim}" for name in ("absent", "other", "exits", "unclosed")}
    assert "there is no module zoo_evil.absent: write it, or correct the factory" in rows[f"mixer absent: {claim}"]
    assert "zoo_evil.other has no 'Sum'. Did you mean 'Summ'?" in rows[f"mixer other: {claim}"]
    assert "zoo_evil/unclosed.py:8: '(' was never closed" in rows[f"mixer unclosed: {claim}"]
    assert "ended the process: exit code 7" in rows[f"mixer exits: {claim}"]


def test_advice_warns_and_does_not_fail(check: Check, evil: Callable[..., Path]) -> None:
    folder = evil(good="pass")
    (folder / "src/zoo_evil/more.py").write_text(
        "from zoo_core.training import Learner\nimport zoo_core.nn, zoo_bc\nimport zoo_evil.good\n"
    )
    code, rows = check(folder, "--only", "public")
    assert code == 0
    (row,) = rows.values()
    seen = "zoo_evil/more.py:1 imports zoo_core.training:Learner; zoo_evil/more.py:2 imports zoo_bc"
    assert (row["outcome"], row["detail"]) == ("warn", seen)


def test_a_heavy_hook_module_fails(check: Check) -> None:
    code, rows = check(FIXTURES / "zoo-heavy", "--only", "hook_module")
    assert code == 1
    assert "it imports numpy" in rows["package: hook_module_is_light"]["detail"]


def test_a_name_that_another_plugin_offers_is_named_with_the_other_plugin(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo-twin-b")
    with as_if_installed(read_folder(FIXTURES / "zoo-twin-b")):
        row = check(FIXTURES / "zoo-twin-a", "--only", "names_are_free")[1]["package: names_are_free"]
    assert row["outcome"] == "warn"
    assert row["detail"] == "zoo-twin-b also offers the algorithm 'twin'"
    assert "zoo-twin-a:twin" in row["mend"]


def test_another_plugin_of_the_same_name_is_named_with_the_place_it_came_from(
    check: Check, evil: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = evil(good="pass")
    shutil.copytree(folder, tmp_path / "elsewhere")
    monkeypatch.setenv("ZOO_PLUGINS", "zoo-evil")
    with as_if_installed(read_folder(tmp_path / "elsewhere")):
        (row,) = check(folder, "--only", "names_are_free")[1].values()
    assert row["outcome"] == "warn"
    assert row["detail"].startswith("another zoo-evil 1.0 is installed (folder ")


def test_an_entry_of_two_plugins_says_how_to_choose(
    check: Check, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo-twin-a,zoo-twin-b")
    with as_if_installed(read_folder(FIXTURES / "zoo-twin-a")), as_if_installed(read_folder(FIXTURES / "zoo-twin-b")):
        assert main(["plugin", "check", "twin"]) == 2
        assert "zoo plugin check zoo-twin-a:twin or zoo plugin check zoo-twin-b:twin" in capsys.readouterr().err
        code, rows = check("zoo-twin-a:twin", "--only", "package")
    assert (code, "package: names_are_free" in rows) == (0, True)


def test_an_installed_entry_is_checked_alone_and_its_package_with_it(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo-mixers")
    code, rows = check("vdn", "--seconds", "inf")
    assert code == 0
    assert {row["about"] for row in rows.values()} == {"package", "mixer vdn"}


@pytest.mark.parametrize("name", ["zoo-nothing", "no/such/folder", "", "spacqll"])
def test_what_is_not_there_is_bad_usage(check: Check, name: str) -> None:
    assert check(name) == (2, {})


def test_a_folder_that_is_no_package_and_a_pattern_that_fits_nothing_are_bad_usage(
    check: Check, evil: Callable[..., Path], tmp_path: Path
) -> None:
    assert check(tmp_path) == (2, {})
    assert check(evil(good="pass"), "--only", "no such claim") == (2, {})


def test_a_library_without_the_entry_point_is_told_so(check: Check) -> None:
    code, rows = check("zoo-core")
    assert code == 1
    assert "zoo-core has no entry point in the group 'zoo'" in failed(rows)["package: entry_point_names_a_hook_module"]


def test_a_failure_is_shown_with_what_was_seen_and_how_to_mend_it_below_it(
    evil: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "check", str(evil(group="other"))]) == 1
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if "FAIL" in line)
    assert lines[at].split() == ["FAIL", "entry_point_names_a_hook_module"]
    assert lines[at + 1] == "        zoo-evil has no entry point in the group 'zoo'"
    assert lines[at + 2].startswith("        add to its pyproject.toml")
    assert lines[-1].startswith("1 passed, 1 failed in ")
    assert lines[-1].endswith(" s. zoo-evil is not sound: 1 claim does not hold.")


def test_on_a_terminal_every_row_comes_out_whole_and_coloured(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    zoo = Path(sys.executable).with_name("zoo")
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    command = [zoo, "plugin", "check", FIXTURES / "zoo-bad-name"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment, cwd=tmp_path):
        os.close(theirs)
        said = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    assert "\x1b[31m" in said or "\x1b[1;31m" in said  # red
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said).replace("\r", "")
    assert re.search(r"  pass  core_range_is_stated_and_met +>=0.1,<0.2; this is 0.1.0\n", plain)
    assert re.search(r"  FAIL  names_are_legal .*\n        zoo_algorithms\(\): 'Bad Name!' is no", plain)
    assert "5 passed, 1 skipped, 1 failed in" in plain


def _read(terminal: int) -> bytes:
    """What a terminal shows next; nothing once its last writer has closed it."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""
