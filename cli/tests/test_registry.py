"""The catalogue of known plugins: its form, its agreement with what is installed, and how a plugin is installed."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement

import zoo_cli
from zoo_cli import registry
from zoo_cli.registry import Known, checkout, install_hint, load_registry
from zoo_core.errors import PluginError
from zoo_core.plugins import PluginRow, load_zoo
from zoo_core.plugins.installed import canonical

SHIPPED = Path(zoo_cli.__file__).with_name("registry.yaml")
ROOT = Path(__file__).parents[2]

ITEM = {
    "distribution": "zoo-x",
    "summary": "An algorithm.",
    "origin": "ours",
    "core": ">=0.1,<0.2",
    "provides": {"algorithms": ["x"]},
    "path": "plugins/zoo-x",
}
THEIRS = {**ITEM, "origin": "third-party", "published": "zoo-x>=1"}
del THEIRS["path"]


def without(key: str, item: dict[str, Any] = ITEM) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != key}


def catalogue(tmp_path: Path, plugins: Any) -> Path:
    file = tmp_path / "registry.yaml"
    file.write_text(yaml.safe_dump({"plugins": plugins}))
    return file


def plugin_projects() -> dict[str, dict[str, Any]]:
    """`plugins/…` → its project table, for every folder of the checkout that holds a plugin."""
    found = {}
    for file in sorted([*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("plugins/examples/*/pyproject.toml")]):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        if "zoo" in project.get("entry-points", {}):
            found[file.parent.relative_to(ROOT).as_posix()] = project
    return found


def installed(known: Known) -> PluginRow | None:
    return next((row for row in load_zoo().plugins if row.distribution == known.distribution and row.version), None)


# What the catalogue says is so


def test_the_shipped_catalogue_is_the_repositorys() -> None:
    assert SHIPPED.read_bytes() == (ROOT / "registry.yaml").read_bytes()


def test_every_plugin_of_the_checkout_is_in_the_catalogue_and_every_path_leads_to_its_plugin() -> None:
    projects = plugin_projects()
    listed = {known.path: known for known in load_registry() if known.path}
    assert len(projects) >= 8
    assert sorted(projects.keys() - listed.keys()) == [], "not in registry.yaml"
    assert sorted(listed.keys() - projects.keys()) == [], "in registry.yaml, but no plugin is there"
    for path, project in projects.items():
        known = listed[path]
        assert canonical(project["name"]) == known.distribution
        assert known.origin == ("example" if path.startswith("plugins/examples/") else "ours")
        ranges = [Requirement(line) for line in project["dependencies"]]
        core = next(r.specifier for r in ranges if canonical(r.name) == "zoo-core")
        assert core == Requirement(f"zoo-core{known.core}").specifier
        for folder in known.requires:
            assert (ROOT / folder / "pyproject.toml").is_file()


def test_most_of_the_catalogue_is_installed_here() -> None:
    assert sum(installed(known) is not None for known in load_registry()) >= 8


@pytest.mark.parametrize("known", load_registry(), ids=lambda known: known.distribution)
def test_an_installed_plugin_provides_exactly_what_the_catalogue_says(known: Known) -> None:
    row = installed(known)
    if row is None:
        pytest.skip("not installed here")
    assert row.healthy, row.reason
    assert {kind: sorted(names) for kind, names in row.provides.items()} == {
        kind: sorted(names) for kind, names in known.provides.items()
    }
    assert Requirement(f"zoo-core{row.core_range}").specifier == Requirement(f"zoo-core{known.core}").specifier


# How a plugin is installed


def test_a_plugin_of_the_checkout_is_installed_with_what_it_needs() -> None:
    spacql = next(known for known in load_registry() if known.distribution == "zoo-spacql")
    assert spacql.install_command() == f"pip install -e {ROOT}/plugins/zoo-critics -e {ROOT}/plugins/zoo-spacql"
    assert checkout() == ROOT


def test_a_published_plugin_is_installed_by_its_requirement(tmp_path: Path) -> None:
    (known,) = load_registry(catalogue(tmp_path, [THEIRS]))
    assert known.install_command() == "pip install 'zoo-x>=1'"


def test_outside_a_checkout_what_is_not_published_is_installed_by_a_path_not_a_bare_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "checkout", lambda: None)
    (known,) = load_registry(catalogue(tmp_path, [ITEM]))
    assert known.install_command() == "pip install -e ./plugins/zoo-x"


def test_no_command_of_the_catalogue_names_a_package_that_is_not_marked_published() -> None:
    for known in load_registry():
        words = known.install_command().removeprefix("pip install ").split()
        if not known.published:
            assert words[::2] == ["-e"] * (1 + len(known.requires))
            assert all("/" in word for word in words[1::2])


def test_a_missing_package_is_installed_from_the_checkout_if_it_is_ours() -> None:
    assert install_hint("zoo-critics", "zoo-critics>=0.1") == f"pip install -e {ROOT}/plugins/zoo-critics"
    assert install_hint("zoo-core", "zoo-core>=0.1") == f"pip install -e {ROOT}/zoo_core"
    assert install_hint("zoo-cli", "zoo-cli") == f"pip install -e {ROOT}/cli"
    assert install_hint("torch", "torch>=2.4") == "pip install 'torch>=2.4'"


def test_what_is_missing_and_ours_is_never_installed_by_a_bare_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "checkout", lambda: None)
    assert install_hint("zoo-critics", "zoo-critics>=0.1") == "pip install -e ./plugins/zoo-critics"
    assert install_hint("zoo-mixers", "zoo-mixers") == "pip install -e ./plugins/zoo-mixers"
    assert install_hint("zoo-core", "zoo-core>=0.1") == "pip install -e ./zoo_core"


# Its form: the schema and the reader's own check agree

GOOD = [
    [],
    [ITEM],
    [THEIRS],
    [{**THEIRS, "published": "zoo-x @ git+https://example.org/zoo-x@v1", "homepage": "https://example.org/zoo-x"}],
    [{**THEIRS, "published": "zoo-x", "path": "plugins/zoo-x"}],
    [{**ITEM, "origin": "example", "path": "plugins/examples/zoo_x", "requires": ["plugins/zoo-critics"]}],
    [{**ITEM, "paper": "A paper, 2020", "url": "https://example.org/1", "core": "~=0.1", "requires": []}],
    [{**ITEM, "provides": {"envs": ["x"], "datasets": ["x/expert", "x/medium-replay"], "mixers": ["m.1"]}}],
    [ITEM, {**ITEM, "distribution": "zoo-y"}],
]
BAD = [
    ("zoo-x", "must hold a list called `plugins`"),
    (["zoo-x"], "a plugin is a set of `key: value` lines, not str"),
    ([without("core")], "it lacks core"),
    ([without("origin")], "it lacks origin"),
    ([{**ITEM, "sumary": "A."}], "sumary is no key of the catalogue. Did you mean 'summary'"),
    ([{**ITEM, "distribution": "Zoo_X"}], "distribution must be a package's name"),
    ([{**ITEM, "distribution": "zoo-x; rm"}], "distribution must be a package's name"),
    ([{**ITEM, "summary": 3}], "summary must be one line of text, not 3"),
    ([{**ITEM, "summary": ""}], "summary must be one line of text"),
    ([{**ITEM, "summary": "One.\nTwo."}], "summary must be one line of text"),
    ([{**ITEM, "paper": ""}], "leave it out if there is none"),
    ([{**ITEM, "origin": "mine"}], "origin must be ours or third-party or example"),
    ([{**ITEM, "core": "0.1"}], "core must be a range of zoo-core versions"),
    ([{**ITEM, "core": ""}], "core must be a range"),
    ([{**ITEM, "url": "example.org"}], "url must be an address"),
    ([{**ITEM, "homepage": "javascript:x"}], "homepage must be an address"),
    ([{**ITEM, "published": "zoo-x --index-url=y"}], "published must be a requirement"),
    ([{**ITEM, "path": "../elsewhere"}], "path must be a folder below plugins/"),
    ([{**ITEM, "path": "plugins/../elsewhere"}], "path must be a folder below plugins/"),
    ([{**ITEM, "path": "/plugins/zoo-x"}], "path must be a folder below plugins/"),
    ([without("path")], "a plugin whose origin is ours must say path"),
    ([{**ITEM, "origin": "third-party"}], "a plugin whose origin is third-party must say published"),
    ([{**ITEM, "provides": {}}], "provides must map some of algorithms, envs, datasets, mixers"),
    ([{**ITEM, "provides": {"algos": ["x"]}}], "provides must map some of"),
    ([{**ITEM, "provides": {"algorithms": "x"}}], "provides: algorithms must be a list"),
    ([{**ITEM, "provides": {"algorithms": []}}], "provides: algorithms must be a list"),
    ([{**ITEM, "provides": {"algorithms": ["x", "x"]}}], "must be a list of different names"),
    ([{**ITEM, "provides": {"algorithms": ["X!"]}}], "must be a list of different names"),
    ([{**ITEM, "requires": "plugins/zoo-y"}], "requires must be a list of folders"),
    ([{**ITEM, "requires": ["/etc"]}], "requires must be a list of folders"),
]
BEYOND_A_SCHEMA = [
    ([ITEM, ITEM], "sorted by distribution, each once"),
    ([{**ITEM, "distribution": "zoo-y"}, ITEM], "sorted by distribution, each once"),
    ([{**THEIRS, "published": "zoo-xy>=1"}], "published must be a requirement of zoo-x"),
]


def fits_the_schema(plugins: Any) -> bool:
    schema = json.loads(SHIPPED.with_name("registry.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid({"plugins": plugins})


def test_the_catalogue_fits_its_schema() -> None:
    assert fits_the_schema(yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["plugins"])


@pytest.mark.parametrize("plugins", GOOD, ids=str)
def test_what_the_schema_allows_is_read(tmp_path: Path, plugins: Any) -> None:
    assert fits_the_schema(plugins)
    assert [known.distribution for known in load_registry(catalogue(tmp_path, plugins))] == [
        item["distribution"] for item in plugins
    ]


@pytest.mark.parametrize(("plugins", "complaint"), BAD, ids=str)
def test_what_the_schema_refuses_is_refused_with_the_reason(tmp_path: Path, plugins: Any, complaint: str) -> None:
    assert not fits_the_schema(plugins)
    with pytest.raises(PluginError) as refusal:
        load_registry(catalogue(tmp_path, plugins))
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(("plugins", "complaint"), BEYOND_A_SCHEMA, ids=str)
def test_what_a_schema_cannot_say_is_refused_by_the_reader(tmp_path: Path, plugins: Any, complaint: str) -> None:
    assert fits_the_schema(plugins)
    with pytest.raises(PluginError, match=complaint):
        load_registry(catalogue(tmp_path, plugins))


@pytest.mark.parametrize("text", ["plugins: [", "[]", "", "!!python/object/apply:os.getcwd []", "plugins: []\nx: 1"])
def test_a_catalogue_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "registry.yaml"
    file.write_text(text)
    with pytest.raises(PluginError):
        load_registry(file)


def test_a_member_of_a_family_of_environments_is_known_by_the_familys_name():
    owners = [
        [known.distribution for known in load_registry() if known.offers(name)]
        for name in ("pettingzoo:mpe2.simple_spread_v3", "zoo-pettingzoo:pettingzoo:my.module:make", "mpe-cn:what")
    ]
    assert owners == [["zoo-pettingzoo"], ["zoo-pettingzoo"], ["zoo-mpe"]]
