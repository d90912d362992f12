"""Names of datasets: what each kind of text leads to, and what it costs to be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import toy_team
from toy_team import ENTRY, write_numbered

from zoo_core import DatasetError, EnvEntry, Source
from zoo_core.data import Dataset, ensure, episodes, import_dataset, load, open_dataset, resolve_dataset
from zoo_core.data.catalogue import built_folder, find_folder, imported_folder, stored_datasets
from zoo_core.errors import UnknownName, UsageError
from zoo_core.plugins import Offer, Zoo

ENV = EnvEntry("toy", "a walk", "toy_team:ToyEnv", Source("none"), convention="a walk of two")


def install(monkeypatch, entry=ENTRY):
    zoo = Zoo.assemble([Offer(entry, "zoo-toy", "1.2"), Offer(ENV, "zoo-toy", "1.2")], [])
    monkeypatch.setattr("zoo_core.plugins.load_zoo", lambda: zoo)


@pytest.fixture(autouse=True)
def toy_zoo(monkeypatch):
    install(monkeypatch)


def test_a_built_in_dataset_is_built_once_and_then_opened(monkeypatch, tmp_path):
    seen = []
    first = ensure("toy/random", progress=lambda done, total: seen.append(done))
    assert seen
    assert first.folder == tmp_path / "data" / "toy" / "random" / "v1-seed0"
    assert first.card.source["distribution"] == "zoo-toy 1.2"
    assert first.card.convention == "a walk of two"
    monkeypatch.setattr(toy_team, "fill", lambda _: pytest.fail("built twice"))
    for again in (ensure("toy/random"), open_dataset("toy/random"), resolve_dataset("toy/random"), load("toy/random")):
        assert again.hash == first.hash


def test_seed_size_and_version_have_folders_of_their_own():
    folders = {
        built_folder(ENTRY),
        built_folder(ENTRY, seed=1),
        built_folder(ENTRY, transitions=10),
        built_folder(replace(ENTRY, version=2)),
    }
    assert len(folders) == 4
    assert built_folder(ENTRY, transitions=ENTRY.transitions) == built_folder(ENTRY)


def test_a_size_can_be_asked_for():
    small = ensure("toy/random", transitions=10)
    assert 10 <= small.num_transitions < ENTRY.transitions
    with pytest.raises(DatasetError, match=rf"not built yet.*another size.*{small.folder.name}"):
        open_dataset("toy/random")
    assert ensure("toy/random").num_transitions >= ENTRY.transitions


def test_a_new_version_is_built_beside_the_old(monkeypatch):
    ensure("toy/random")
    install(monkeypatch, replace(ENTRY, version=2))
    with pytest.raises(DatasetError, match="not built yet"):
        open_dataset("toy/random")
    ensure("toy/random")
    assert len(list(stored_datasets())) == 2


def test_a_folder_built_by_another_recipe_is_not_passed_off_as_this_one(monkeypatch):
    ensure("toy/random")
    install(monkeypatch, replace(ENTRY, factory="toy_team:other"))
    with pytest.raises(DatasetError, match=r"another recipe .* --force"):
        ensure("toy/random")


def test_what_is_not_built_says_how(tmp_path):
    with pytest.raises(DatasetError, match="zoo data build toy/random"):
        open_dataset("toy/random")
    assert not (tmp_path / "data").exists()


def test_an_unknown_name_suggests_a_near_one():
    for ask in (open_dataset, ensure, resolve_dataset):
        with pytest.raises(UnknownName, match="Did you mean 'toy/random'"):
            ask("toy/randm")


def test_a_near_name_of_a_users_own_dataset_is_suggested():
    write_numbered(imported_folder("mine/noisy"), [3])
    for ask in (open_dataset, resolve_dataset):
        with pytest.raises(UnknownName, match="Did you mean 'mine/noisy'"):
            ask("mine/nosy")


@pytest.mark.parametrize("text", ["./nowhere", "~/nowhere/at/all", "/nowhere"])
def test_a_path_without_a_dataset_is_named_as_a_path(text):
    with pytest.raises(DatasetError, match=r"no dataset at .*nowhere.*card\.json"):
        open_dataset(text)


def test_folders_and_imported_names_are_found(tmp_path, monkeypatch):
    write_numbered(tmp_path / "set", [3, 2])
    assert resolve_dataset(str(tmp_path / "set")).num_episodes == 2
    assert len(list(episodes(tmp_path / "set"))) == 2
    write_numbered(imported_folder("mine/one"), [4])
    assert resolve_dataset("mine/one").num_transitions == 4
    assert find_folder("mine/one") == imported_folder("mine/one")
    monkeypatch.chdir(tmp_path)
    assert open_dataset("set").num_episodes == 2


def test_half_built_datasets_are_not_listed(tmp_path):
    write_numbered(imported_folder("mine"), [4])
    write_numbered(tmp_path / "data" / "imported" / ".other.partial-x", [4])
    assert list(stored_datasets()) == [imported_folder("mine")]


def test_an_import_cannot_take_the_name_of_a_built_in_dataset(tmp_path):
    with pytest.raises(UsageError, match="built-in"):
        import_dataset(str(tmp_path), "toy/random")


def test_a_data_folder_that_cannot_be_made_is_one_clear_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "file" / "data"))
    with pytest.raises(DatasetError, match="ZOO_DATA"):
        ensure("toy/random")


def test_a_cache_that_cannot_be_written_only_costs_a_verification(tmp_path, monkeypatch):
    write_numbered(tmp_path / "set", [3])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file" / "cache"))
    assert Dataset.open(tmp_path / "set").num_episodes == 1
