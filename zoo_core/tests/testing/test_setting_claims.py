"""Settings, presets and hook modules: each fault is named with its remedy."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sound_algorithm import Config, Sound, entry, failures

from zoo_core import AlgorithmEntry, Source, setting
from zoo_core.testing import algorithm_claims, check_algorithm


class Empty:
    pass


class WithoutConfig(Sound):
    Config = None


class WithAPlainConfig(Sound):
    Config = dict


class Undecorated(Config):
    lr: float = 0.1


class WithAnUndecoratedConfig(Sound):
    Config = Undecorated


def only_builds_sound(team, config, *, statistics=None, mixer=None):
    return Sound(team, config, statistics=statistics, mixer=mixer)


@pytest.mark.parametrize(
    ("factory", "advice"),
    [
        (Empty, "make it a subclass of zoo_core.Algorithm"),
        (only_builds_sound, "make it a subclass of zoo_core.Algorithm"),
        (WithoutConfig, "has no Config: set Config = "),
        (WithAPlainConfig, "is no dataclass: set Config = "),
        (WithAnUndecoratedConfig, "decorated @dataclass(frozen=True)"),
    ],
)
def test_a_factory_that_is_no_algorithm_is_one_failure_and_the_claims_about_its_code_are_skipped(factory, advice):
    given = AlgorithmEntry("toy", "", f"{__name__}:{factory.__name__}", Source("none"), actions=("continuous",))
    rows = {row.name: row for row in check_algorithm(given)}
    assert [name for name, row in rows.items() if row.outcome in ("fail", "warn")] == ["the_factory_fits_its_kind"]
    assert advice in rows["the_factory_fits_its_kind"].detail
    if factory is WithAnUndecoratedConfig:
        return  # its code runs, with the settings of the base
    reason = "its factory is at fault: see the_factory_fits_its_kind"
    for name in ("training_changes_weights[continuous]", "a_killed_run_resumes_to_equal_weights"):
        assert rows[name][1:3] == ("skip", reason)


def test_a_config_without_settings_of_its_own_needs_no_decorator():
    class Same(Config):
        """As its base."""

    class WithTheSame(Sound):
        Config = Same

    globals()["WithTheSame"] = WithTheSame
    assert failures(entry(WithTheSame)) == {}


def with_setting(**made) -> AlgorithmEntry:
    """The sound algorithm with more settings, name → field."""
    fields = {"__annotations__": dict.fromkeys(made, float), **made, "__module__": __name__}
    grown = type("Grown", (Sound,), {"Config": dataclass(frozen=True)(type("GrownConfig", (Config,), fields))})
    globals()["Grown"] = grown
    return entry(grown)


def test_undocumented_settings_are_named():
    assert "['secret']" in failures(with_setting(secret=3.0))["settings_are_documented"]


def test_a_config_that_takes_any_name_is_caught():
    found = failures(with_setting(no_such_setting=setting(0.0, "A trap.")))
    assert found.keys() == {"unknown_settings_are_refused"}


def test_a_setting_that_json_cannot_hold_is_caught():
    found = failures(with_setting(odd=setting(complex(0, 1), "Not a number that JSON knows.")))
    assert "cannot be written as JSON: Object of type complex" in found["settings_survive_json"]


def test_a_preset_that_does_not_run_is_named(tmp_path, monkeypatch):
    (tmp_path / "toy_presets").mkdir()
    (tmp_path / "toy_presets" / "__init__.py").touch()
    (tmp_path / "toy_presets" / "defaults.yaml").write_text(
        "presets:\n  zoo: {continuous: {}}\n  wild: {continuous: {noise: {value: -1.0, reason: a test}}}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    class RefusesNegativeNoise(Sound):
        def __init__(self, team, config, *, statistics=None, mixer=None):
            super().__init__(team, config, statistics=statistics, mixer=mixer)
            if config.noise < 0:
                raise ValueError("noise is negative")

    globals()["RefusesNegativeNoise"] = RefusesNegativeNoise
    found = failures(entry(RefusesNegativeNoise, settings="toy_presets:defaults.yaml"))
    assert found.keys() == {"every_preset_runs"}
    assert "preset 'wild' it raised ValueError: noise is negative" in found["every_preset_runs"]


def test_a_heavy_hook_module_is_named(tmp_path, monkeypatch):
    (tmp_path / "heavy_hooks.py").write_text("import numpy\nprint('hello')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for module in ("settings", "factories"):
        monkeypatch.setattr(f"zoo_core.testing.{module}.hook_modules", lambda entry: ["heavy_hooks"])
    found = failures(entry())
    assert found.keys() == {"the_hook_module_is_light"}
    assert "import heavy_hooks brings in numpy" in found["the_hook_module_is_light"]


def test_of_an_online_trainer_only_the_entry_is_tested():
    names = [claim.name for claim in algorithm_claims(entry(online="python -m toy"))]
    assert names == [
        "the_factory_can_be_imported",
        "the_factory_fits_its_kind",
        "words_are_known",
        "settings_are_documented",
    ]
