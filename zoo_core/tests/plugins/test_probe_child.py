"""What the probe asks of a hook module, and the reason it gives where it finds something wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo_core.entries import entry_from_json
from zoo_core.plugins.probe_child import finding

HEADER = """
from zoo_core import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry, Source, hookimpl
SOURCE = Source("made for the tests")
"""

Probe = Callable[[str], dict[str, Any]]


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Probe]:
    """Probe a hook module, given its text, in this process."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "probed_package").mkdir()

    def run(text: str) -> dict[str, Any]:
        (tmp_path / "probed_package" / "plugin.py").write_text(HEADER + text)
        return finding(["probed_package.plugin"], lambda stage: None)

    yield run
    for name in [name for name in sys.modules if name.startswith("probed_package")]:
        del sys.modules[name]


def returning(hook: str, expression: str) -> str:
    return f"@hookimpl\ndef {hook}():\n    return {expression}\n"


def test_entries_come_back_equal_with_the_files_they_were_read_from(probe: Probe, tmp_path: Path) -> None:
    found = probe(returning("zoo_mixers", "[MixerEntry('m', 'A mixer.', 'a.b:C', SOURCE, traits=('linear',))]"))
    assert found["ok"]
    (entry,) = map(entry_from_json, found["entries"])
    assert (entry.name, entry.factory, entry.source.paper) == ("m", "a.b:C", "made for the tests")
    assert found["files"] == [str(tmp_path / "probed_package" / "plugin.py")]


def test_a_hook_may_return_nothing_to_offer(probe: Probe) -> None:
    assert probe(returning("zoo_envs", "()"))["entries"] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "probed_package.plugin implements no hook"),
        ("def zoo_envs():\n    return []\n", "implements no hook: decorate zoo_envs or zoo_datasets"),
        (returning("zoo_enviroments", "[]"), "zoo_enviroments, which is no hook. Did you mean 'zoo_envs'"),
        ("@hookimpl\ndef zoo_envs(manager):\n    return []\n", "has a hook of the wrong signature"),
        (returning("zoo_envs", "None"), "must return a list or tuple of EnvEntry, not NoneType"),
        (returning("zoo_envs", "(e for e in ())"), "must return a list or tuple of EnvEntry, not generator"),
        (
            returning("zoo_envs", "[MixerEntry('m', 's', 'a:b', SOURCE)]"),
            "must return EnvEntry entries, not MixerEntry",
        ),
        (returning("zoo_envs", "1 / 0"), "calling zoo_envs() raised ZeroDivisionError: division by zero (probed_pack"),
        (returning("zoo_envs", "[EnvEntry('a b', 's', 'a:b', SOURCE)]"), "'a b' is no valid name"),
        (returning("zoo_envs", "[EnvEntry('../up', 's', 'a:b', SOURCE)]"), "'../up' is no valid name"),
        (returning("zoo_envs", "[EnvEntry('', 's', 'a:b', SOURCE)]"), "'' is no valid name"),
        (returning("zoo_envs", "[EnvEntry(7, 's', 'a:b', SOURCE)]"), "7 is no valid name"),
        (returning("zoo_envs", "[EnvEntry('e', '', 'a:b', SOURCE)]"), "env 'e': summary must be a text"),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a.b', SOURCE)]"), 'factory must be "module:attribute"'),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', 'paper')]"), "source must be a Source, not str"),
        (
            returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE, gives=('continous',))]"),
            "gives holds 'continous'; it may hold action_mask, continuous, discrete",
        ),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE, gives='discrete')]"), "gives must be a tuple"),
        (
            returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE, hints={'x': object()})]"),
            "env 'e' is not plain data",
        ),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE)] * 2"), "it offers the env 'e' twice"),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE, options={1: 2})]"), "options must map names"),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE, modules='m')]"), "modules must be a tuple"),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE, resolver='m')]"), 'resolver must be "module:func'),
        (returning("zoo_envs", "[EnvEntry('e', 's', 'a:b', SOURCE, resolver='m:f')]"), "a family needs an example"),
        (
            returning("zoo_envs", "[EnvEntry('e:f', 's', 'a:b', SOURCE, resolver='m:f', example='x')]"),
            "it may hold no colon",
        ),
        (
            returning("zoo_datasets", "[DatasetEntry('x', 's', 'a:b', SOURCE, env='e', quality='q')]"),
            "a dataset is called env/quality: e/q",
        ),
        (
            returning("zoo_algorithms", "[AlgorithmEntry('a', 's', 'a:b', SOURCE, needs=('next',))]"),
            "needs holds 'next'",
        ),
        (
            returning("zoo_algorithms", "[AlgorithmEntry('a', 's', 'a:b', SOURCE, mixer=('smooth',))]"),
            "mixer holds 'smooth'; it may hold linear, monotone, vector",
        ),
    ],
)
def test_what_breaks_the_contract_is_refused_with_what_to_mend(probe: Probe, text: str, reason: str) -> None:
    found = probe(text)
    assert not found["ok"]
    assert reason in found["reason"]
    assert "\n" not in found["reason"]


def test_a_missing_hook_module_is_a_reason_too() -> None:
    found = finding(["no_such_package_here.plugin"], lambda stage: None)
    assert found["reason"].startswith("importing no_such_package_here.plugin raised ModuleNotFoundError")
