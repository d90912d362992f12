"""Entries are plain data that survives JSON, and their factories load on demand."""

import json

import pytest

from zoo_core import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry, ReferenceScores, Source
from zoo_core.entries import entry_from_json
from zoo_core.errors import PluginError

SOURCE = Source("A paper", url="https://example.org", equations="Eq. 1", code="a repository")
ENTRIES = [
    EnvEntry(
        "arena",
        "An arena.",
        "some:Env",
        SOURCE,
        gives=("discrete", "action_mask"),
        agents=3,
        reference=ReferenceScores(1.0, 3.0, "measured"),
        hints={"width": 3},
    ),
    EnvEntry("bare", "", "some:Env", SOURCE),
    DatasetEntry("arena/expert", "", "some:build", SOURCE, env="arena", quality="expert", transitions=5),
    MixerEntry("sum", "", "some:Mixer", SOURCE, traits=("linear", "monotone")),
    AlgorithmEntry("toy", "", "some:Algo", SOURCE, needs=("rows", "state"), mixer=("linear",), online="python -m x"),
    AlgorithmEntry("plain", "", "some:Algo", SOURCE),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.KIND} {e.name}")
def test_an_entry_survives_json(entry):
    again = entry_from_json(json.loads(json.dumps(entry.as_json())))
    assert again == entry
    assert type(again) is type(entry)


def test_a_factory_is_imported_on_demand():
    assert EnvEntry("x", "", "json:dumps", SOURCE).load() is json.dumps


@pytest.mark.parametrize("factory", ["no_such_module:thing", "json:no_such_name"])
def test_a_factory_that_cannot_be_imported_names_entry_and_factory(factory):
    with pytest.raises(PluginError, match=f"mixer 'x'.*{factory}"):
        MixerEntry("x", "", factory, SOURCE).load()


def test_whatever_a_factorys_module_raises_is_the_plugins_error(tmp_path, monkeypatch):
    (tmp_path / "explodes_on_import.py").write_text("raise RuntimeError('no fuse')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginError, match=r"RuntimeError: no fuse.*zoo doctor"):
        MixerEntry("x", "", "explodes_on_import:thing", SOURCE).load()


def test_reference_scores_normalise_random_to_0_and_expert_to_100():
    reference = ReferenceScores(159.8, 516.8, "")
    assert reference.normalise(159.8) == 0.0
    assert reference.normalise(516.8) == pytest.approx(100.0)
    assert reference.normalise(338.3) == pytest.approx(50.0)
