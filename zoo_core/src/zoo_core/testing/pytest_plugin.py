"""The pytest plugin that comes with zoo-core: the fixture `zoo_claim`.

A test module names the hook module of a plugin and takes the fixture; its test then runs once for every claim about
every entry that the hook module offers:

    zoo_plugin = "my_plugin.plugin"

    def test_conformance(zoo_claim):
        zoo_claim()

A claim that says nothing about an entry is a skipped test; advice that is not followed is a warning. pytest imports
this module in every session of every project, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from zoo_core.testing.checks import Claim

FIXTURE = "zoo_claim"


@pytest.fixture
def zoo_claim(request: pytest.FixtureRequest) -> Claim:
    """One claim of the conformance kit about an entry of the module's `zoo_plugin`; call it to test it."""
    claim: Claim = request.param
    return claim


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise what takes `zoo_claim` over all claims of all entries."""
    if FIXTURE not in metafunc.fixturenames:
        return
    module = getattr(metafunc.module, "zoo_plugin", None)
    if not isinstance(module, str) or not module:
        raise pytest.Collector.CollectError(
            f"{metafunc.function.__name__} takes the fixture {FIXTURE!r}, but its test module does not say which plugin"
            f" it is about. Add a line to {metafunc.module.__name__} that names the hook module:"
            ' zoo_plugin = "my_plugin.plugin"'
        )
    metafunc.parametrize(FIXTURE, list(_cases(module)), indirect=True)


def _cases(module: str) -> Iterator[Any]:
    from zoo_core.entries import EnvEntry
    from zoo_core.errors import PluginError
    from zoo_core.testing.kit import claims, offered

    try:
        entries = offered(module)
    except PluginError as error:
        raise pytest.Collector.CollectError(f'zoo_plugin = "{module}": {error}') from error
    envs = [entry for entry in entries if isinstance(entry, EnvEntry)]
    for entry in entries:
        for claim in claims(entry, envs=envs):
            yield pytest.param(claim, id=f"{entry.KIND}:{entry.name}:{claim}")
