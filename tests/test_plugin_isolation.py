"""Whatever a plugin does wrong costs one row: every other plugin, and the `zoo` command itself, go on working.

The plugins are the packages in `plugins_fixtures/`, installed for the test; the command is the installed script.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "plugins_fixtures"
ZOO = Path(sys.executable).with_name("zoo")
ALL = sorted(folder.name for folder in FIXTURES.iterdir() if folder.is_dir())
BROKEN = {
    "zoo-bad-name": "'Bad Name!' is no valid name",
    "zoo-crashes": "importing zoo_crashes.plugin ended the process: killed by SIGSEGV",
    "zoo-exits": "calling zoo_algorithms() ended the process: exit code 0",
    "zoo-hangs": "importing zoo_hangs.plugin took more than 8 s",
    "zoo-other-core": "it works with zoo-core >=9",
    "zoo-quits": "importing zoo_quits.plugin raised SystemExit: no such luck",
    "zoo-raises": "importing zoo_raises.plugin raised RuntimeError: the sky is falling (zoo_raises/plugin.py:3)",
    "zoo-wrong-type": "zoo_algorithms() must return AlgorithmEntry entries, not str",
}
HEALTHY = sorted(set(ALL) - set(BROKEN))


def install(project: Path, site: Path) -> None:
    """Put a project into `site` as pip would: its package, and a `.dist-info` folder with its metadata."""
    data = tomllib.loads((project / "pyproject.toml").read_text())
    meta, name = data["project"], data["project"]["name"].replace("-", "_")
    shutil.copytree(project / "src", site, dirs_exist_ok=True)
    info = site / f"{name}-{meta['version']}.dist-info"
    info.mkdir()
    header = ["Metadata-Version: 2.1", f"Name: {meta['name']}", f"Version: {meta['version']}"]
    header += [f"Requires-Dist: {requirement}" for requirement in meta["dependencies"]]
    (info / "METADATA").write_text("\n".join(header) + "\n")
    points = [f"{key} = {value}" for key, value in meta["entry-points"]["zoo"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[zoo]", *points]) + "\n")


class Machine:
    """A folder of installed plugins with a cache of its own, and the installed command run on it."""

    def __init__(self, folder: Path) -> None:
        self.site, self.cache, self.mark = folder / "site", folder / "cache", folder / "mark"
        self.site.mkdir()
        self.variables = {"ZOO_PROBE_SECONDS": "60"}

    def install(self, *names: str) -> Machine:
        for name in names:
            install(FIXTURES / name, self.site)
        self.variables["ZOO_PLUGINS"] = ",".join(names)  # the plugins of this repository stay out of the tests
        return self

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONPATH": str(self.site),
            "ZOO_CACHE": str(self.cache),
            "ZOO_FIXTURE_MARK": str(self.mark),
            **self.variables,
            **variables,
        }
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def zoo(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(ZOO), *arguments, **variables)

    def listed(self, **variables: str) -> dict:
        done = self.zoo("list", "--json", **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rows(self, **variables: str) -> dict[str, dict]:
        return {row["distribution"]: row for row in self.listed(**variables)["plugins"]}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def zoo_of_faults(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, dict]:
    """All fixtures installed, and the first `zoo list` on them."""
    machine = Machine(tmp_path_factory.mktemp("faults")).install(*ALL)
    return machine, machine.listed(ZOO_PROBE_SECONDS="8")


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_faulty_plugin_is_one_broken_row_with_its_reason(zoo_of_faults: tuple[Machine, dict], name: str) -> None:
    row = next(row for row in zoo_of_faults[1]["plugins"] if row["distribution"] == name)
    assert row["state"] == "broken"
    assert BROKEN[name] in row["reason"]


def test_healthy_plugins_work_beside_every_faulty_one(zoo_of_faults: tuple[Machine, dict]) -> None:
    listed = zoo_of_faults[1]
    assert [row["distribution"] for row in listed["plugins"] if row["state"] == "ok"] == HEALTHY
    assert [entry["name"] for entry in listed["algos"]] == ["healthy-algo", "twin", "twin"]
    assert [entry["name"] for entry in listed["envs"]] == ["healthy-world"]
    assert [entry["name"] for entry in listed["datasets"]] == ["healthy-world/expert"]
    assert [entry["name"] for entry in listed["mixers"]] == ["healthy-mixer", "heavy-mixer", "noisy-mixer"]


def test_a_plugin_for_another_core_is_never_imported(zoo_of_faults: tuple[Machine, dict]) -> None:
    assert not zoo_of_faults[0].mark.exists()


def test_a_hook_module_that_imports_numpy_is_named(zoo_of_faults: tuple[Machine, dict]) -> None:
    heavy = {row["distribution"]: row["heavy"] for row in zoo_of_faults[1]["plugins"] if row["heavy"]}
    assert heavy == {"zoo-heavy": ["numpy"]}


def test_two_plugins_with_one_name_are_both_listed_by_their_full_names(zoo_of_faults: tuple[Machine, dict]) -> None:
    listed = zoo_of_faults[0].zoo("list", "algos").stdout
    assert "zoo-twin-a:twin" in listed
    assert "zoo-twin-b:twin" in listed
    assert "is offered by zoo-twin-b too" in zoo_of_faults[0].zoo("list", "plugins").stdout


def test_an_ambiguous_name_says_how_to_choose_and_the_full_name_chooses(zoo_of_faults: tuple[Machine, dict]) -> None:
    find = "import sys; from zoo_core.plugins import load_zoo; print(load_zoo().find('algorithm', sys.argv[1]).summary)"
    machine = zoo_of_faults[0]
    refused = machine.run(sys.executable, "-c", find, "twin")
    assert "offered by zoo-twin-a 1.0 and zoo-twin-b 1.0" in refused.stderr
    assert "--algo zoo-twin-a:twin or --algo zoo-twin-b:twin" in refused.stderr
    assert machine.run(sys.executable, "-c", find, "zoo-twin-b:twin").stdout == "Twin b.\n"


def test_findings_good_and_bad_are_kept_so_that_the_next_start_probes_nothing(
    zoo_of_faults: tuple[Machine, dict],
) -> None:
    machine, first = zoo_of_faults
    script = (
        "import sys; from zoo_cli.main import main; main(['list', '--json']);"
        "print([m for m in ('subprocess', 'pluggy', 'packaging', 'torch', 'numpy', 'gymnasium') if m in sys.modules],"
        " file=sys.stderr)"
    )
    again = machine.run(sys.executable, "-c", script)
    assert json.loads(again.stdout) == first
    assert again.stderr.strip() == "[]"


def test_a_changed_hook_module_is_looked_at_again(machine: Machine) -> None:
    machine.install("zoo-raises", "zoo-healthy")
    assert machine.rows()["zoo-raises"]["state"] == "broken"
    shutil.copy(machine.site / "zoo_healthy/plugin.py", machine.site / "zoo_raises/plugin.py")
    assert machine.rows()["zoo-raises"]["provides"]["algorithm"] == ["healthy-algo"]


def test_a_changed_module_that_the_hook_module_imports_is_noticed(machine: Machine) -> None:
    machine.install("zoo-healthy")
    package = machine.site / "zoo_healthy"
    (package / "names.py").write_text("ALGORITHM = 'healthy-algo'\n")
    hook = (package / "plugin.py").read_text().replace('"healthy-algo"', "ALGORITHM")
    (package / "plugin.py").write_text("from zoo_healthy.names import ALGORITHM\n" + hook)
    assert machine.rows()["zoo-healthy"]["provides"]["algorithm"] == ["healthy-algo"]
    (package / "names.py").write_text("ALGORITHM = 'renamed'\n")
    assert machine.rows()["zoo-healthy"]["provides"]["algorithm"] == ["renamed"]


def test_core_range_and_source_are_the_metadatas_own_and_never_those_of_an_older_finding(machine: Machine) -> None:
    machine.install("zoo-healthy", "zoo-other-core")
    first = machine.rows()
    assert first["zoo-healthy"]["core_range"] == ">=0.1,<0.2"
    assert first["zoo-other-core"]["core_range"] == ">=9", "shown though it is broken, for that is why"
    assert first["zoo-healthy"]["source"] == f"folder {machine.site}"
    info = machine.site / "zoo_healthy-1.0.dist-info"
    (info / "direct_url.json").write_text('{"url": "file:///checkout/healthy", "dir_info": {"editable": true}}')
    assert machine.rows()["zoo-healthy"]["source"] == "editable /checkout/healthy"
    assert "editable /checkout/healthy" in machine.zoo("list", "plugins").stdout


def test_refresh_looks_again_even_at_what_has_not_changed(machine: Machine) -> None:
    machine.install("zoo-other-core")
    hook = machine.site / "zoo_other_core/plugin.py"
    hook.write_text("import os, pathlib\nassert pathlib.Path(os.environ['ZOO_FIXTURE_MARK']).exists(), 'no mark'\n")
    metadata = machine.site / "zoo_other_core-1.0.dist-info/METADATA"
    metadata.write_text(metadata.read_text().replace(">=9", ">=0"))
    assert "no mark" in machine.rows()["zoo-other-core"]["reason"]
    machine.mark.write_text("")
    assert "no mark" in machine.rows()["zoo-other-core"]["reason"]
    assert "implements no hook" in machine.zoo("list", "plugins", "--refresh").stdout


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b'{"key": []}', b"[1, 2]"])
def test_a_corrupt_cache_only_costs_time(machine: Machine, damage: bytes) -> None:
    machine.install("zoo-healthy")
    first = machine.rows()
    (record,) = (machine.cache / "plugins").iterdir()
    whole = record.read_bytes()
    record.write_bytes(damage)
    assert machine.rows()["zoo-healthy"]["provides"] == first["zoo-healthy"]["provides"]
    assert json.loads(record.read_bytes())["key"] == json.loads(whole)["key"]


def test_a_cache_that_cannot_be_written_only_costs_time(machine: Machine) -> None:
    machine.install("zoo-healthy")
    machine.cache.write_text("a file where the folder should be")
    assert machine.rows()["zoo-healthy"]["state"] == "ok"


def test_plugins_can_be_switched_off_one_by_one_or_all_but_some(machine: Machine) -> None:
    machine.install("zoo-healthy", "zoo-twin-a", "zoo-twin-b")
    off = machine.rows(ZOO_PLUGINS_OFF="zoo_twin_b")
    assert {name: row["state"] for name, row in off.items() if row["state"] != "off"} == {
        "zoo-healthy": "ok",
        "zoo-twin-a": "ok",
    }
    assert off["zoo-twin-b"]["reason"] == "ZOO_PLUGINS_OFF names it"
    only = machine.rows(ZOO_PLUGINS="zoo-twin-b")
    assert [name for name, row in only.items() if row["state"] == "ok"] == ["zoo-twin-b"]


@pytest.mark.parametrize("variable", ["ZOO_PLUGINS", "ZOO_PLUGINS_OFF"])
def test_a_misspelt_name_in_a_variable_is_a_broken_row(machine: Machine, variable: str) -> None:
    row = machine.install("zoo-healthy").rows(**{variable: "zoo-helthy"})["zoo-helthy"]
    assert row["state"] == "broken"
    assert row["reason"].startswith(f"{variable} names it, but it is not installed")
    assert "Did you mean 'zoo-healthy'" in row["reason"]
    done = machine.zoo("doctor", **{variable: "zoo-helthy"})
    assert (done.returncode, f"correct {variable}" in done.stdout) == (1, True)


def test_an_impossible_deadline_is_refused(machine: Machine) -> None:
    done = machine.install("zoo-healthy").zoo("list", ZOO_PROBE_SECONDS="soon")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "ZOO_PROBE_SECONDS must be a positive number of seconds, not 'soon'" in done.stderr


def test_doctor_fails_on_a_broken_plugin_and_says_how_to_go_on_without_it(machine: Machine) -> None:
    done = machine.install("zoo-raises").zoo("doctor")
    assert done.returncode == 1
    assert "the sky is falling" in done.stdout
    assert "ZOO_PLUGINS_OFF=zoo-raises" in done.stdout


def test_removing_one_plugin_leaves_the_others(machine: Machine) -> None:
    machine.install("zoo-twin-a", "zoo-twin-b")
    machine.rows()
    shutil.rmtree(machine.site / "zoo_twin_a-1.0.dist-info")
    shutil.rmtree(machine.site / "zoo_twin_a")
    found = machine.listed(ZOO_PLUGINS="zoo-twin-b")
    assert [entry["distribution"] for entry in found["algos"]] == ["zoo-twin-b"]


def test_a_fixture_is_a_package_that_pip_installs(machine: Machine, tmp_path: Path) -> None:
    project = shutil.copytree(FIXTURES / "zoo-healthy", tmp_path / "project")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(machine.site), str(project)], check=True, capture_output=True, timeout=120)
    assert machine.rows(ZOO_PLUGINS="zoo-healthy")["zoo-healthy"]["state"] == "ok"


def test_listing_25_plugins_warm_is_quick_and_imports_nothing_heavy(machine: Machine) -> None:
    names = [f"zoo-many-{number:02}" for number in range(25)]
    for name in names:
        project = shutil.copytree(FIXTURES / "zoo-healthy", machine.site.parent / name)
        (project / "src/zoo_healthy").rename(project / "src" / name.replace("-", "_"))
        for file in (project / "pyproject.toml", *project.glob("src/*/*.py")):
            text = file.read_text().replace("zoo-healthy", name).replace("zoo_healthy", name.replace("-", "_"))
            file.write_text(text.replace('"healthy', f'"{name}'))
        install(project, machine.site)
    machine.variables["ZOO_PLUGINS"] = ",".join(names)
    assert len(machine.listed()["algos"]) == 25

    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert machine.zoo("list").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_seconds() for _ in range(3)) <= 0.30


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--json"], ["--help"], ["--version"], ["info", "healthy-world"]]
)
def test_looking_around_imports_nothing_heavy(machine: Machine, command: list[str]) -> None:
    machine.install("zoo-healthy").rows()
    script = (
        "import sys; from zoo_cli.main import main; code = main(sys.argv[1:]);"
        "sys.exit(code or ' '.join(m for m in ('torch', 'numpy', 'gymnasium') if m in sys.modules))"
    )
    done = machine.run(sys.executable, "-c", script, *command)
    assert done.stderr.strip() == ""
