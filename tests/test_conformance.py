"""Everything installed keeps its contract: algorithms, environments, datasets and mixers.

A plugin of this repository that runs the whole kit in its own tests, by the fixture `zoo_claim`, proves itself. Of
every other plugin that is installed each claim is tested here.
"""

import ast
import tomllib
from pathlib import Path

import pytest

from zoo_core import load_zoo
from zoo_core.testing import claims

ZOO = load_zoo()
OFFERS = [offer for kind in ("algorithm", "env", "dataset", "mixer") for offer in ZOO.offers(kind)]
ENVS = [offer.entry for offer in ZOO.envs]


def projects():
    """Distribution → folder and metadata of the plugins in this repository."""
    for file in sorted((Path(__file__).parents[1] / "plugins").rglob("pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
        if "zoo" in project.get("entry-points", {}):
            yield project["name"], (file.parent, project)


PROJECTS = dict(projects())


def proves_itself(distribution):
    """Whether each hook module of a plugin is the `zoo_plugin` of a test module that takes `zoo_claim`."""
    folder, project = PROJECTS[distribution]
    proven = {name for file in folder.glob("tests/**/test_*.py") for name in proven_by(file)}
    return set(project["entry-points"]["zoo"].values()) <= proven


def proven_by(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    if any(argument.arg == "zoo_claim" for test in tests for argument in test.args.args):
        for node in tree.body:
            if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == [
                "zoo_plugin"
            ]:
                yield ast.literal_eval(node.value)


PROVEN = {distribution for distribution in PROJECTS if proves_itself(distribution)}


def test_every_installed_plugin_is_healthy():
    assert [f"{row.distribution}: {row.reason}" for row in ZOO.plugins if row.state == "broken"] == []
    assert [row.distribution for row in ZOO.plugins if row.heavy] == []


@pytest.mark.parametrize("distribution", PROJECTS)
def test_a_plugin_of_this_repository_runs_the_whole_kit_in_its_own_tests_or_here(distribution):
    assert distribution in PROVEN | {offer.distribution for offer in OFFERS}


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(claim, id=f"{offer.entry.KIND}:{offer.name}:{claim}")
        for offer in OFFERS
        if offer.distribution not in PROVEN
        for claim in claims(offer.entry, envs=ENVS)
    ],
)
def test_what_another_plugin_offers(claim):
    claim()
