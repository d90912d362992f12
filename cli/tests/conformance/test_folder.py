"""A plugin's folder as if it were installed."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from zoo_cli.conformance.folder import as_if_installed, read_folder
from zoo_core.errors import PluginError, UsageError

PROJECT = """
[project]
name = "Zoo_Toy"
version = "1.5"
dependencies = ["zoo-core>=0.1,<0.2"]
[project.entry-points.zoo]
toy = "zoo_toy_made_here.plugin"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    package = tmp_path / "toy" / "src" / "zoo_toy_made_here"
    package.mkdir(parents=True)
    (package / "plugin.py").touch()
    (tmp_path / "toy" / "pyproject.toml").write_text(PROJECT)
    return tmp_path / "toy"


def test_within_the_block_its_metadata_is_found_as_pip_would_have_written_it(folder: Path) -> None:
    with as_if_installed(read_folder(folder)):
        found = metadata.distribution("zoo-toy")
        assert (found.metadata["Name"], found.version, found.requires) == ("Zoo_Toy", "1.5", ["zoo-core>=0.1,<0.2"])
        assert [(point.group, point.value) for point in found.entry_points] == [("zoo", "zoo_toy_made_here.plugin")]
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.distribution("zoo-toy")


def test_a_corrected_pyproject_is_read_again(folder: Path) -> None:
    with as_if_installed(read_folder(folder)):
        pass
    (folder / "pyproject.toml").write_text(PROJECT.replace("1.5", "2.0").replace("toy =", "new ="))
    with as_if_installed(read_folder(folder)):
        found = metadata.distribution("zoo-toy")
        assert (found.version, [point.name for point in found.entry_points]) == ("2.0", ["new"])


def test_a_cache_that_cannot_be_written_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UsageError, match="Set ZOO_CACHE to a folder elsewhere"), as_if_installed(read_folder(folder)):
        pass


def test_checking_a_folder_leaves_no_trace_in_it_nor_on_the_path(folder: Path) -> None:
    path, variable = list(sys.path), os.environ.get("PYTHONPATH")
    before = sorted(folder.rglob("*"))
    with as_if_installed(read_folder(folder)):
        assert sys.path[0] == str(folder / "src")
        assert os.environ["PYTHONPATH"].startswith(str(folder / "src"))
    assert (sys.path, os.environ.get("PYTHONPATH")) == (path, variable)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("tool", "place"),
    [
        ('[tool.hatch.build.targets.wheel]\npackages = ["lib/zoo_toy_made_here"]', "lib"),
        ('[tool.setuptools.packages.find]\nwhere = ["lib"]', "lib"),
        ('[tool.setuptools.package-dir]\n"" = "lib"', "lib"),
        ('[tool.poetry]\npackages = [{include = "zoo_toy_made_here", from = "lib"}]', "lib"),
        ("", "."),
    ],
)
def test_the_source_is_found_where_the_build_is_told_that_it_lies(folder: Path, tool: str, place: str) -> None:
    (folder / place).mkdir(exist_ok=True)
    (folder / "src" / "zoo_toy_made_here").rename(folder / place / "zoo_toy_made_here")
    with (folder / "pyproject.toml").open("a") as file:
        file.write(tool)
    assert read_folder(folder).source == (folder / place).resolve()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[project]\nversion = '1'", "does not name the package"),
        ("[project]\nname = '../evil'", "is no legal name of a package"),
        ("project = 3", "project must be a table"),
        ("[project]\nname = 'zoo-evil'\n[project.entry-points.zoo]\nevil = 3", "must be a text such as"),
    ],
)
def test_a_pyproject_that_names_no_package_is_told_what_it_lacks(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(PluginError, match=why):
        read_folder(tmp_path)
