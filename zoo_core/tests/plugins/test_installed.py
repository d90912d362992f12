"""What is read of a plugin before anything of it is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zoo_core import __version__
from zoo_core.plugins.installed import Installed, canonical, core_mismatch, installed_plugins, module_file


def write_metadata(site: Path, *, name: str, points: bytes, header: str | None = None) -> Path:
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_bytes(points)
    if header is None:
        header = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: zoo-core>=0.1\n\nName: other\n"
    (info / "METADATA").write_text(header)
    return info


def found(site: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Installed]:
    monkeypatch.setattr(sys, "path", [str(site)])
    return {plugin.distribution: plugin for plugin in installed_plugins()}


def test_a_plugin_is_read_from_its_metadata_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_metadata(tmp_path, name="Zoo_Some.Thing", points=b"[zoo]\nx = some.plugin\n[other]\ny = z\n")
    plugin = found(tmp_path, monkeypatch)["zoo-some-thing"]
    assert (plugin.version, plugin.modules, plugin.requires) == ("1.0", ("some.plugin",), ("zoo-core>=0.1",))
    assert plugin.fault == ""


@pytest.mark.parametrize(
    ("requires", "core_range"),
    [
        (["zoo-core<0.2,>=0.1"], ">=0.1,<0.2"),
        (["numpy>=1", "Zoo_Core (>=0.9, !=0.11, <0.12)"], ">=0.9,!=0.11,<0.12"),
        (["zoo-core>=0.1", "zoo-core[data]<0.2 ; python_version > '3'"], ">=0.1,<0.2"),
        (["zoo-core>=0.1", "zoo-core>=0.2 ; extra == 'new'", "zoo-core-extra>=3"], ">=0.1"),
        (["zoo-core"], ""),
        (["numpy>=1"], ""),
    ],
)
def test_the_core_range_is_what_the_metadata_asks_for_lowest_bound_first(requires: list[str], core_range: str) -> None:
    assert Installed("zoo-x", "1.0", requires=tuple(requires)).core_range == core_range


def test_distributions_without_a_hook_module_are_no_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_metadata(tmp_path, name="zoo-library", points=b"[console_scripts]\nx = y:z\n")
    assert found(tmp_path, monkeypatch) == {}


@pytest.mark.parametrize(
    ("points", "header", "fault"),
    [
        (b"\xff\xfe[zoo]\n", None, "its entry_points.txt cannot be read: reinstall it"),
        (b"[zoo]\nx = a.b\n", "Metadata-Version: 2.1\n", "its metadata does not name it: reinstall it"),
        (b"[zoo]\nx = a.b:hooks\n", None, "its entry point 'a.b:hooks' must name a module"),
        (b"[zoo]\nx = a b\n", None, "its entry point 'a b' must name a module"),
    ],
)
def test_damaged_metadata_is_a_fault_of_that_plugin_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: bytes, header: str | None, fault: str
) -> None:
    write_metadata(tmp_path, name="zoo-damaged", points=points, header=header)
    write_metadata(tmp_path, name="zoo-whole", points=b"[zoo]\nx = whole.plugin\n")
    plugins = found(tmp_path, monkeypatch)
    assert plugins["zoo-damaged"].fault.startswith(fault)
    assert plugins["zoo-whole"].fault == ""


def test_the_first_copy_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("first", "second"):
        write_metadata(tmp_path / place, name="zoo-x", points=f"[zoo]\nx = {place}.plugin\n".encode())
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second")])
    assert [plugin.modules for plugin in installed_plugins()] == [("first.plugin",)]


@pytest.mark.parametrize(
    ("requires", "reason"),
    [
        ([f"zoo-core=={__version__}"], ""),
        (["numpy>=2", "zoo_core >=0.1,<1"], ""),
        (["zoo-core"], ""),
        (["zoo-core>=0.1", "zoo-core<0.1"], "it works with zoo-core <0.1"),
        (["zoo-core>=9"], "it works with zoo-core >=9"),
        (["zoo-core>=9; python_version < '3'", "zoo-core>=0.1"], ""),
        (["zoo-core>=0.1; extra == 'full'"], "it does not say which core it works with"),
        (["numpy"], "it does not say which core it works with"),
        (["zoo-core ~> 3"], "a requirement that cannot be read: 'zoo-core ~> 3'"),
    ],
)
def test_the_core_a_plugin_works_with_is_its_own_requirement(requires: list[str], reason: str) -> None:
    said = core_mismatch(Installed("zoo-x", "1.0", requires=tuple(requires)))
    assert reason in said
    assert bool(reason) == bool(said)


def test_a_hook_modules_file_is_found_without_importing_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "never_imported" / "inner"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (package / "plugin.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert module_file("never_imported.inner.plugin") == package / "plugin.py"
    assert module_file("never_imported.inner.missing") is None
    assert module_file("not_there_at_all.plugin") is None
    assert "never_imported" not in sys.modules


def test_a_hook_module_in_nested_namespace_packages_is_left_to_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "namespace_one" / "two").mkdir(parents=True)
    (tmp_path / "namespace_one" / "two" / "plugin.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert module_file("namespace_one.two.plugin") in (None, tmp_path / "namespace_one" / "two" / "plugin.py")
    assert "namespace_one" not in sys.modules


def test_names_are_compared_as_pip_does() -> None:
    assert {canonical(name) for name in ("zoo-icql-qs", "Zoo_ICQL.qs", "zoo--icql_-qs ")} == {"zoo-icql-qs"}
