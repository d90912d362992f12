"""Plugins use the public API alone, know no other plugin, and the core knows none of them."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo_core
import zoo_core.hookspecs
import zoo_core.testing

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(file.parent for file in ROOT.glob("plugins/**/pyproject.toml"))
PUBLIC = ("zoo_core", "zoo_core.nn", "zoo_core.data", "zoo_core.testing")
SHARED = {"zoo_critics"}
"""Libraries for plugins: no entry point of their own."""


def imports(file: Path) -> Iterator[tuple[str, str, int]]:
    """Every `(module, name, line)` that a file imports; name is "" for `import module`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.module or "", alias.name, node.lineno) for alias in node.names)


def exported(module: str) -> set[str]:
    return set(importlib.import_module(module).__all__)


def is_public(module: str, name: str) -> bool:
    """Whether `from module import name` (or `import module`) stays within the public API."""
    if module not in PUBLIC:
        return False
    return not name or name in exported(module) or f"{module}.{name}" in PUBLIC


def sources(plugin: Path) -> list[Path]:
    return sorted((plugin / "src").rglob("*.py"))


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
def test_a_plugin_imports_only_the_public_api(plugin):
    assert sources(plugin)
    private = [
        f"{file.relative_to(ROOT)}:{line}: {module} {name}"
        for file in sources(plugin)
        for module, name, line in imports(file)
        if module.partition(".")[0] == "zoo_core" and not is_public(module, name)
    ]
    assert private == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
def test_a_plugin_imports_no_other_plugin_and_no_command_line(plugin):
    allowed = SHARED | {"zoo_core", plugin.name.replace("-", "_")}
    strangers = [
        f"{file.relative_to(ROOT)}:{line}: {module}"
        for file in sources(plugin)
        for module, _, line in imports(file)
        if module.startswith("zoo_") and module.partition(".")[0] not in allowed
    ]
    assert strangers == []


def test_the_core_imports_no_plugin_and_no_command_line():
    strangers = [
        f"{file.relative_to(ROOT)}:{line}: {module}"
        for file in sorted((ROOT / "zoo_core" / "src").rglob("*.py"))
        for module, _, line in imports(file)
        if module.startswith("zoo_") and module.partition(".")[0] != "zoo_core"
    ]
    assert strangers == []


def test_a_private_import_would_be_found():
    assert is_public("zoo_core", "TeamSpec")
    assert is_public("zoo_core", "nn")
    assert is_public("zoo_core.nn", "StackedMLP")
    assert not is_public("zoo_core", "training")
    assert not is_public("zoo_core.training", "Learner")
    assert not is_public("zoo_core.nn", "Literal")
    assert not is_public("zoo_core.nn.stacked", "StackedMLP")


@pytest.mark.parametrize("module", PUBLIC)
def test_every_export_exists(module):
    found = importlib.import_module(module)
    assert [name for name in found.__all__ if not hasattr(found, name)] == []


def test_the_lazy_exports_of_data_are_what_the_type_checker_sees():
    tree = ast.parse(inspect.getsource(importlib.import_module("zoo_core.data")))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert {alias.name for node in block.body for alias in node.names} == exported("zoo_core.data")


def hook_signatures() -> dict[str, tuple[str, str]]:
    """Entry → (arguments, result) of its factory, as the hookspecs' docstring shows them."""
    shown = re.findall(r"^    (\w+Entry)\s+\((.*)\)\s*-> (\S+)$", zoo_core.hookspecs.__doc__, flags=re.MULTILINE)
    return {entry: (arguments, result) for entry, arguments, result in shown}


def test_the_hookspecs_name_things_that_exist():
    shown = hook_signatures()
    assert sorted(shown) == ["AlgorithmEntry", "DatasetEntry", "EnvEntry", "MixerEntry"]
    for entry, (arguments, result) in shown.items():
        for word in {entry, result, *re.findall(r": ([\w.]+)", arguments)} - {"int", "None"}:
            module, _, name = word.rpartition(".")
            assert name in importlib.import_module(module or "zoo_core").__all__, word


@pytest.mark.parametrize(
    ("entry", "contract"), [("AlgorithmEntry", zoo_core.Algorithm), ("MixerEntry", zoo_core.Mixer)]
)
def test_the_hookspecs_signatures_are_those_of_the_base_classes(entry, contract):
    arguments, _ = hook_signatures()[entry]
    documented = [part.partition(":")[0].strip() for part in arguments.split(",")]
    parameters = list(inspect.signature(contract.__init__).parameters)[1:]
    named = [name for name in documented if not name.startswith("*")]
    assert named == parameters[: len(named)]


@pytest.mark.parametrize("package", PUBLIC)
def test_no_name_that_is_imported_on_first_use_is_also_a_module(package):
    """Importing the module from elsewhere first would put it in the name's place."""
    found = importlib.import_module(package)
    modules = {module.name for module in pkgutil.iter_modules(found.__path__)}
    assert not hasattr(found, "__getattr__") or modules & set(found.__all__) == set()
