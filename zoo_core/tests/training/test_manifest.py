"""What a run records of the code it was made with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zoo_core.training.manifest import distributions_of, plugin_records, source_hash


def test_a_wrapped_module_is_recorded_by_its_distribution_and_a_users_own_by_its_name() -> None:
    assert distributions_of(["numpy", "no_distribution_has_this"]) == {
        "numpy": "numpy",
        "no_distribution_has_this": "no_distribution_has_this",
    }
    assert distributions_of([]) == {}


def test_editing_a_module_of_one_file_changes_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "my_one_file_game.py"
    file.write_text("SPEED = 1\n")
    before = plugin_records({"my_one_file_game": "my_one_file_game"})
    assert source_hash("my_one_file_game") != source_hash("no_module_is_called_this")
    file.write_text("SPEED = 2\n")
    after = plugin_records({"my_one_file_game": "my_one_file_game"})
    assert before != after
    assert before.keys() == after.keys() == {"my_one_file_game"}
    assert "my_one_file_game" not in sys.modules
