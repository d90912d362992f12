"""The toy plugin as if pip had installed it, and nothing else, for the time of a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zoo_core.plugins import Zoo, load_zoo

HERE = Path(__file__).parents[2]


@contextmanager
def installed_toy(cache: Path) -> Iterator[Zoo]:
    """A zoo of the toy alone, its cache and data below `cache`; child processes see the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE / "installed"))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "src"), str(HERE / "installed")]))
        patch.setenv("ZOO_PLUGINS", "zoo-toy")
        patch.setenv("ZOO_CACHE", str(cache))
        patch.delenv("ZOO_DATA", raising=False)
        yield load_zoo()
