"""The catalogue of known plugins."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import zoo_cli
from zoo_cli.registry import checkout, install_hint, load_registry
from zoo_core.errors import PluginError
from zoo_core.plugins import load_zoo

SHIPPED = Path(zoo_cli.__file__).with_name("registry.yaml")
ROOT = Path(__file__).parents[2]

ITEM = {
    "distribution": "zoo-x",
    "summary": "An algorithm.",
    "provides": {"algorithms": ["x"]},
    "paper": "",
    "url": "",
    "published": "",
    "path": "plugins/zoo-x",
    "requires": [],
}


def test_the_shipped_catalogue_is_the_repositorys() -> None:
    assert SHIPPED.read_bytes() == (ROOT / "registry.yaml").read_bytes()


def test_every_plugin_of_the_checkout_is_in_the_catalogue_under_its_own_path() -> None:
    hooked = [
        file.parent for file in (ROOT / "plugins").glob("*/pyproject.toml") if "entry-points.zoo" in file.read_text()
    ]
    assert {known.path for known in load_registry()} == {f"plugins/{folder.name}" for folder in hooked}
    for known in load_registry():
        for folder in (known.path, *known.requires):
            assert (ROOT / folder / "pyproject.toml").is_file()


@pytest.mark.parametrize("known", load_registry(), ids=lambda known: known.distribution)
def test_the_catalogue_says_what_the_installed_plugins_provide(known) -> None:
    row = next(row for row in load_zoo().plugins if row.distribution == known.distribution)
    assert row.healthy, row.reason
    assert {kind: sorted(names) for kind, names in row.provides.items()} == {
        kind: sorted(names) for kind, names in known.provides.items()
    }


def test_a_plugin_of_the_checkout_is_installed_with_what_it_needs() -> None:
    spacql = next(known for known in load_registry() if known.distribution == "zoo-spacql")
    assert spacql.install_command() == f"pip install -e {ROOT}/plugins/zoo-critics -e {ROOT}/plugins/zoo-spacql"
    assert checkout() == ROOT


def test_a_missing_package_is_installed_from_the_checkout_if_it_is_ours() -> None:
    assert install_hint("zoo-critics", "zoo-critics>=0.1") == f"pip install -e {ROOT}/plugins/zoo-critics"
    assert install_hint("zoo-core", "zoo-core>=0.1") == f"pip install -e {ROOT}/zoo_core"
    assert install_hint("torch", "torch>=2.4") == "pip install 'torch>=2.4'"


def test_a_published_plugin_is_installed_by_its_requirement(tmp_path: Path) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text(yaml.safe_dump({"plugins": [{**ITEM, "published": "zoo-x>=1"}]}))
    assert load_registry(file)[0].install_command() == "pip install 'zoo-x>=1'"


@pytest.mark.parametrize(
    ("plugins", "complaint"),
    [
        ("zoo-x", "must hold a list called `plugins`"),
        (["zoo-x"], "each plugin has exactly the keys"),
        ([{**ITEM, "licence": "MIT"}], "each plugin has exactly the keys"),
        ([{**ITEM, "summary": 3}], "summary must be a text"),
        ([{**ITEM, "summary": ""}], "must not be empty"),
        ([{**ITEM, "path": ""}], "one of published and path must not be empty"),
        ([{**ITEM, "provides": {"algos": ["x"]}}], "provides must map algorithms, envs, datasets, mixers"),
        ([{**ITEM, "provides": {"algorithms": "x"}}], "provides must map"),
        ([{**ITEM, "requires": "zoo-y"}], "requires must be a list of folders"),
        ([ITEM, ITEM], "sorted by distribution, each once"),
        ([{**ITEM, "distribution": "zoo-y"}, ITEM], "sorted by distribution, each once"),
    ],
)
def test_a_catalogue_off_its_schema_is_refused(tmp_path: Path, plugins: object, complaint: str) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text(yaml.safe_dump({"plugins": plugins}))
    with pytest.raises(PluginError, match=complaint):
        load_registry(file)


@pytest.mark.parametrize("text", ["plugins: [", "[]", "", "!!python/object/apply:os.getcwd []"])
def test_a_catalogue_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text(text)
    with pytest.raises(PluginError):
        load_registry(file)
