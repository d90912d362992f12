"""The tutorial's plugin, written word for word from its page, is complete and keeps the contract."""

import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from zoo_core.testing import check_algorithm

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"


def files() -> dict[str, str]:
    """Path → content of every code block that follows a line holding only its path."""
    blocks = re.findall(
        r"^`([\w./]+)`\n\n```\w+\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return dict(blocks)


@pytest.fixture
def package(tmp_path, monkeypatch):
    for name, text in files().items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "src" / "zoo_rwc" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_rwc"]:
        del sys.modules[name]


def test_the_page_shows_a_whole_package():
    assert set(files()) == {
        "pyproject.toml",
        "src/zoo_rwc/plugin.py",
        "src/zoo_rwc/algorithm.py",
        "tests/test_conformance.py",
    }
    assert tomllib.loads(files()["pyproject.toml"])["project"]["entry-points"]["zoo"] == {"rwc": "zoo_rwc.plugin"}


def test_the_tutorials_algorithm_passes_the_kit(package):
    (entry,) = importlib.import_module("zoo_rwc.plugin").zoo_algorithms()
    assert [str(check) for check in check_algorithm(entry) if not check.passed] == []


def test_the_tutorials_own_test_runs_the_same_claims(package):
    module = {"__name__": "tutorial_test"}
    exec(files()["tests/test_conformance.py"], module)
    (mark,) = module["test_rwc_keeps_the_contract"].pytestmark
    claims = mark.args[1]
    assert len(claims) > 10
    for claim in claims:
        module["test_rwc_keeps_the_contract"](claim)
