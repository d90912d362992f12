"""Everything installed keeps its contract.

A plugin of this repository runs the kit on its own entries, in its own tests; here it is checked that it does. Of other
plugins that are installed every claim runs here, and so do the learning claims of all.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo_core import load_zoo
from zoo_core.testing import algorithm_claims, env_claims, learning_claims, mixer_claims

ZOO = load_zoo()
LEARNERS = [offer for offer in ZOO.algorithms if not offer.entry.online]
FOLDERS = {folder.name: folder for folder in (Path(__file__).parents[1] / "plugins").glob("zoo-*")}
KIT = {
    "algorithm": (LEARNERS, algorithm_claims),
    "env": (ZOO.envs, env_claims),
    "mixer": (ZOO.mixers, mixer_claims),
}
OFFERED = sorted({(o.distribution, kind) for kind, (offers, _) in KIT.items() for o in offers})


def cases(offers, claims):
    return [pytest.param(claim, id=f"{offer.name}-{claim}") for offer in offers for claim in claims(offer.entry)]


def called_in_tests(folder: Path) -> Iterator[str]:
    """Names of the functions that a plugin's tests call."""
    for file in folder.glob("tests/test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield node.func.id


def test_every_installed_plugin_is_healthy():
    assert [f"{row.distribution}: {row.reason}" for row in ZOO.plugins if row.state == "broken"] == []
    assert [row.distribution for row in ZOO.plugins if row.heavy] == []


@pytest.mark.parametrize(("distribution", "kind"), [pair for pair in OFFERED if pair[0] in FOLDERS])
def test_a_plugin_of_this_repository_runs_the_kit_in_its_own_tests(distribution, kind):
    assert {f"{kind}_claims", f"check_{kind}"} & set(called_in_tests(FOLDERS[distribution]))


@pytest.mark.parametrize(
    "claim",
    [
        case
        for offers, claims in KIT.values()
        for case in cases([o for o in offers if o.distribution not in FOLDERS], claims)
    ],
)
def test_what_another_plugin_offers(claim):
    claim()


@pytest.mark.parametrize("claim", cases([o for o in LEARNERS if o.name != "bc"], learning_claims))
def test_an_algorithm_learns(claim):
    claim()
