"""`zoo plugin new`: names that can be had, names that cannot, and packages that are whole and clean."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from zoo_cli.main import main
from zoo_cli.scaffold import package
from zoo_cli.scaffold.naming import LONGEST, Names, parse_name, require_free
from zoo_cli.scaffold.package import KINDS, render, require_class_name, write_package
from zoo_cli.scaffold.partners import NO_ENV, Partners, find_partners, next_steps, placeholders
from zoo_core import AlgorithmEntry, DatasetEntry, EnvEntry, Source
from zoo_core.errors import UnknownName, UsageError
from zoo_core.plugins import Offer, Zoo

ROOT = Path(__file__).parents[2]
TEMPLATES = Path(package.__file__).parent / "templates"
SOURCE = Source("made for the tests")


def zoo(*entries: object) -> Zoo:
    return Zoo.assemble([Offer(entry, "zoo-toy", "1.0") for entry in entries], [])


def written(kind: str, name: str) -> dict[str, str]:
    return render(kind, placeholders(kind, Names(name), Partners("toy-world", "toy", "zoo-toy>=1.0", ("plugins/toy",))))


@pytest.mark.parametrize("text", ["maze", "zoo-maze"])
def test_a_name_may_be_given_with_or_without_the_prefix(text):
    names = parse_name(text)
    assert (names.name, names.distribution, names.package, names.class_name) == ("maze", "zoo-maze", "zoo_maze", "Maze")


def test_hyphens_become_underscores_in_the_package_and_capitals_in_the_class():
    names = parse_name("two-step-7")
    assert (names.package, names.class_name) == ("zoo_two_step_7", "TwoStep7")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("My_Algo", "it has 'A', 'M', '_' in it; use a-z, 0-9 and - only. For example 'my-algo'"),
        ("über", "it has 'ü' in it; use a-z, 0-9 and - only. For example 'uber'"),
        ("../maze", "it has '.', '/' in it; use a-z, 0-9 and - only. For example 'maze'"),
        ("maze\n", r"it has '\\n' in it"),
        ("3m", "it must begin with a letter"),
        ("-maze", "it must begin with a letter. For example 'maze'"),
        ("a--b", "hyphens stand singly between other characters. For example 'a-b'"),
        ("maze-", "hyphens stand singly"),
        ("", "it is empty"),
        ("zoo-", "it is empty"),
        ("class", "Python keeps that word for itself. Add a word, for example 'my-class'"),
        ("none", "Python keeps that word for itself"),
        ("m" * (LONGEST + 1), "more than 40"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_the_reason(text, why):
    with pytest.raises(UsageError, match="cannot name a plugin: .*" + why.replace("..", r"\.\.")):
        parse_name(text)


@pytest.mark.parametrize(("kind", "name"), [("algorithm", "loss"), ("env", "step"), ("mixer", "mixer")])
def test_a_class_that_would_hide_something_the_modules_use_is_refused(kind, name):
    with pytest.raises(UsageError, match="its class would be called"):
        require_class_name(kind, Names(name))
    require_class_name(kind, Names(f"my-{name}"))


def test_names_that_somebody_has_are_refused_with_the_owner():
    installed = zoo(AlgorithmEntry("maze", "", "x:y", SOURCE), DatasetEntry("toy/sticky", "", "x:y", SOURCE, "toy"))
    for name, entry, owner in (
        ("maze", "maze", "zoo-toy 1.0 already offers the algorithm 'maze'"),
        ("sticky", "toy/sticky", "zoo-toy 1.0 already offers the dataset 'toy/sticky'"),
        ("core", "core", "zoo-core 0.1.0 is installed already"),
    ):
        with pytest.raises(UsageError, match=owner):
            require_free(Names(name), entry, installed)
    require_free(Names("sticky"), "other/sticky", installed)


def test_names_that_the_catalogue_knows_are_refused(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", _nothing_is_installed)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="the catalogue knows zoo-spacql"):
        require_free(Names("spacql"), "spacql", zoo())


def _nothing_is_installed(name):
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "a-3-b", "z" * LONGEST])
def test_a_package_is_clean_by_the_rules_of_this_repository_and_by_its_own(tmp_path, kind, name):
    write_package(tmp_path / name, written(kind, name))
    for configured in (["--config", str(ROOT / "pyproject.toml")], []):
        for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, *configured, str(tmp_path)], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_has_no_placeholder_left_and_metadata_that_agree(kind):
    files = written(kind, "maze")
    assert [path for path, text in files.items() if "__NAME__" in path + text or "__CLASS__" in path + text] == []
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "zoo-maze"
    assert project["dependencies"][0] == "zoo-core>=0.1,<0.2"
    assert project["entry-points"]["zoo"] == {"maze": "zoo_maze.plugin"}
    assert {"README.md", ".gitignore", ".github/workflows/ci.yml", "tests/test_conformance.py"} <= set(files)
    assert {"src/zoo_maze/__init__.py", "src/zoo_maze/plugin.py", f"src/zoo_maze/{kind}.py"} <= set(files)
    assert "class Maze" in files[f"src/zoo_maze/{kind}.py"] or kind == "dataset"


def test_the_ci_file_installs_the_zoo_from_a_checkout_and_runs_the_tests_and_the_check():
    steps = yaml.safe_load(written("dataset", "maze")[".github/workflows/ci.yml"])["jobs"]["conformance"]["steps"]
    folders = "-e ./zoo/zoo_core -e ./zoo/cli -e ./zoo/plugins/toy"
    assert [step["run"] for step in steps[-3:]] == [
        f'pip install {folders} -e ".[test]"',
        "pytest",
        "zoo plugin check zoo-maze",
    ]
    assert steps[0]["run"].endswith("exit 1")


def test_the_hook_modules_import_only_the_core_and_the_core_is_all_a_package_requires():
    for kind in KINDS:
        tree = ast.parse(written(kind, "maze")["src/zoo_maze/plugin.py"])
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules == {"__future__", "zoo_core"}
        wanted = tomllib.loads(written(kind, "maze")["pyproject.toml"])["project"]["dependencies"]
        assert wanted == ["zoo-core>=0.1,<0.2", "zoo-toy>=1.0"]  # the second is the dataset's environment's


def test_nothing_is_overwritten_and_nothing_is_left_of_a_package_that_cannot_be_written(tmp_path):
    kept = tmp_path / "zoo-maze" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(UsageError, match="exists already, and nothing of it was changed"):
        write_package(kept.parent, {"kept.txt": "not mine"})
    assert kept.read_text() == "mine"
    (tmp_path / "zoo-link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="exists already"):
        write_package(tmp_path / "zoo-link", {})
    with pytest.raises(UsageError, match="cannot write"):
        write_package(tmp_path / "zoo-new", {"a": "a file", "a/b": "below a file"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["zoo-link", "zoo-maze"]


def test_a_dataset_comes_from_the_named_environment_or_the_best_known_one():
    worlds = [EnvEntry(name, "", "x:y", SOURCE, default_quality="a") for name in ("aaa", "bbb")]
    data = [DatasetEntry(f"bbb/{quality}", "", "x:y", SOURCE, "bbb", quality) for quality in "ab"]
    installed = zoo(*worlds, *data, DatasetEntry("aaa/a", "", "x:y", SOURCE, "aaa", "a"))
    assert find_partners("dataset", installed, None).env == "bbb"
    assert find_partners("dataset", installed, "aaa") == Partners("aaa", requirement="zoo-toy>=1.0", algorithm="ALGO")
    with pytest.raises(UnknownName, match="no env is called 'aab'"):
        find_partners("dataset", installed, "aab")
    with pytest.raises(UsageError, match="comes from an environment, and none is installed"):
        find_partners("dataset", zoo(), None)
    with pytest.raises(UsageError, match="'a,N=4' cannot stand in a name"):
        find_partners("dataset", zoo(EnvEntry("a,N=4", "", "x:y", SOURCE)), None)
    with pytest.raises(UsageError, match="--env goes with --kind dataset"):
        find_partners("algorithm", installed, "aaa")


def test_the_next_steps_name_only_what_is_installed():
    names, target = Names("maze"), Path("zoo-maze")
    for partners, wanted in ((Partners(), False), (Partners(env="toy-world"), True)):
        steps = "\n".join(next_steps("algorithm", names, partners, target))
        assert ("zoo train --algo maze --env toy-world" in steps) is wanted
        assert NO_ENV not in steps
        assert "pip install --no-build-isolation -e ./zoo-maze" in steps
        assert "zoo plugin check zoo-maze" in steps
    quoted = next_steps("mixer", names, Partners(), Path("/a place/zoo-maze"))
    assert quoted[0].endswith("-e '/a place/zoo-maze'")


def test_the_command_writes_the_package_and_says_what_comes_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["plugin", "new", "zoo-maze", "--kind", "mixer", "--out", "deep/er"]) == 0
    out = capsys.readouterr().out
    assert (tmp_path / "deep/er/zoo-maze/src/zoo_maze/mixer.py").is_file()
    assert "zoo-maze: a working plugin that offers the mixer maze, in deep/er/zoo-maze" in out
    assert "-e ./deep/er/zoo-maze" in out
    assert main(["plugin", "new", "maze", "--kind", "env", "--out", "deep/er"]) == 2
    assert main(["plugin", "new", "spacql", "--kind", "mixer"]) == 2
    assert main(["plugin", "new", "maze"]) == 2
    assert main(["plugin", "new", "maze", "--kind", "algo"]) == 2


def test_plugin_list_shows_what_list_plugins_shows(capsys):
    for options in ([], ["--json"]):
        assert main(["list", "plugins", *options]) == 0
        shown = capsys.readouterr().out
        assert main(["plugin", "list", *options]) == 0
        assert capsys.readouterr().out == shown != ""


def test_the_wheel_carries_every_template(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT / "cli", check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in TEMPLATES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > 20
    assert [path for path in files if f"zoo_cli/scaffold/templates/{path.relative_to(TEMPLATES)}" not in carried] == []
