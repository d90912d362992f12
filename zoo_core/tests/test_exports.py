"""The public names of `zoo_core`: all there, all lazy."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import zoo_core


@pytest.mark.parametrize("name", zoo_core.__all__)
def test_every_exported_name_can_be_imported(name: str) -> None:
    assert getattr(zoo_core, name) is getattr(importlib.import_module(zoo_core._HOME[name]), name)


def test_the_type_checker_sees_the_names_that_run_time_exports() -> None:
    tree = ast.parse(inspect.getsource(zoo_core))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == zoo_core._HOME


def test_a_notebook_can_complete_every_exported_name() -> None:
    assert set(zoo_core.__all__) <= set(dir(zoo_core))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Algoritm'"):
        zoo_core.Algoritm  # noqa: B018


def test_what_a_hook_module_and_discovery_need_imports_nothing_heavy() -> None:
    script = (
        "from zoo_core import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry, ReferenceScores, Source, hookimpl\n"
        "from zoo_core import UsageError, ZooError\n"
        "import zoo_core.compatibility, zoo_core.config, zoo_core.paths, zoo_core.plugins, sys\n"
        "print([name for name in ('torch', 'numpy', 'gymnasium') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
