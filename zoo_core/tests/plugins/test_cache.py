"""How long a finding holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo_core.plugins import cache
from zoo_core.plugins.installed import Installed

GOOD = {"ok": True, "entries": [], "import_seconds": 0.0, "heavy": [], "files": []}
BAD = {"ok": False, "reason": "No module named 'missing'", "files": []}


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "site" / "cached_plugin").mkdir(parents=True)
    (tmp_path / "site" / "cached_plugin" / "plugin.py").write_text("")
    return Installed("zoo-x", "1.0", ("cached_plugin.plugin",), ("zoo-core>=0.1",), "digest", str(tmp_path / "site"))


@pytest.mark.parametrize("finding", [GOOD, BAD])
def test_a_finding_is_read_back_as_written(plugin: Installed, finding: dict[str, Any]) -> None:
    assert cache.read(plugin) is None
    cache.write(plugin, finding)
    assert cache.read(plugin) == finding


def test_an_upgrade_replaces_the_record_and_leaves_no_other_file(plugin: Installed, tmp_path: Path) -> None:
    cache.write(plugin, BAD)
    newer = Installed("zoo-x", "1.1", plugin.modules, plugin.requires, "digest of 1.1", plugin.location)
    assert cache.read(newer) is None
    cache.write(newer, GOOD)
    assert cache.read(newer) == GOOD
    assert len(list((tmp_path / "cache" / "plugins").iterdir())) == 1


def test_a_changed_or_removed_hook_file_ends_it(plugin: Installed, tmp_path: Path) -> None:
    cache.write(plugin, GOOD)
    hook = tmp_path / "site" / "cached_plugin" / "plugin.py"
    hook.write_text("changed = True")
    assert cache.read(plugin) is None
    cache.write(plugin, GOOD)
    hook.unlink()
    assert cache.read(plugin) is None


def test_another_core_ends_it(plugin: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write(plugin, GOOD)
    monkeypatch.setattr(cache, "__version__", "9.9")
    assert cache.read(plugin) is None


def test_installing_something_ends_a_failure_but_not_a_success(
    plugin: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for finding, after in ((BAD, None), (GOOD, GOOD)):
        cache.write(plugin, finding)
        with monkeypatch.context() as patch:
            patch.setattr(cache, "_surroundings", lambda: ["another package"])
            assert cache.read(plugin) == after


def test_a_write_that_fails_keeps_the_old_record_and_leaves_no_other_file(
    plugin: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(plugin, GOOD)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache.json, "dump", full)
        cache.write(plugin, BAD)
    assert cache.read(plugin) == GOOD
    (record,) = (tmp_path / "cache" / "plugins").iterdir()
    assert record.suffix == ".json"
