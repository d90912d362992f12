"""Where the zoo keeps its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo_core.paths import cache_home, data_home


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ZOO_CACHE", "ZOO_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")


def test_the_cache_is_below_the_home_folder_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_home() == Path("/home/ada/.cache/zoo")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/ada")
    assert cache_home() == Path("/var/ada/zoo")
    monkeypatch.setenv("ZOO_CACHE", "~/zoo-cache")
    assert cache_home() == Path("/home/ada/zoo-cache")


def test_data_lies_in_the_cache_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", "/scratch")
    assert data_home() == Path("/scratch/data")
    monkeypatch.setenv("ZOO_DATA", "/bulk/zoo")
    assert data_home() == Path("/bulk/zoo")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ZOO_CACHE", "ZOO_DATA", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, "")
    assert data_home() == Path("/home/ada/.cache/zoo/data")
