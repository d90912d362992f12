"""The toy plugin on the path and, where a test asks for it, the only one installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "toy_plugin" / "src"))


@pytest.fixture(scope="session")
def toy_cache(tmp_path_factory):
    """One cache for all tests, so that the toy's data is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def toy_zoo(toy_cache):
    from zoo_toy.installed import installed_toy

    with installed_toy(toy_cache) as zoo:
        yield zoo
