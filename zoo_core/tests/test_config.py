"""Settings resolve in the documented order, remember where they came from, and refuse what they cannot take."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from zoo_core import AlgorithmConfig, AlgorithmEntry, EnvEntry, SettingError, Source, setting
from zoo_core.config import load_presets, parse_assignments, resolve
from zoo_core.errors import PluginError

ENV = EnvEntry("arena", "", "x:y", Source("none"), hints={"width": 6, "not_a_setting": 1})
OTHER_ENV = EnvEntry("elsewhere", "", "x:y", Source("none"))

PRESETS = """
presets:
  published:
    continuous:
      lr: {value: 2.0, source: "by kind"}
      depth: {value: 2, source: "by kind"}
      width: {value: 2, source: "by kind"}
      penalty: {value: mean, source: "by kind"}
    discrete:
      lr: {value: 20.0, source: "by kind"}
    arena:
      "*":
        lr: {value: 3.0, source: "by environment"}
        depth: {value: 3, source: "by environment"}
        width: {value: 3, source: "by environment"}
      expert:
        lr: {value: 4.0, source: "by quality"}
  zoo:
    extends: published
    continuous:
      penalty: {value: lse, reason: "a repair"}
  loop: {extends: loop}
  orphan: {extends: publsihed}
"""


@dataclass(frozen=True)
class Config(AlgorithmConfig):
    lr: float = setting(1.0, "Step size.", source="the paper")
    depth: int = setting(1, "Layers.")
    width: int = setting(1, "Units.")
    penalty: str = setting("lse", "Which penalty.", choices=("lse", "mean"))
    clip: float | None = setting(None, "Largest norm; empty: none.")
    quirk: bool = setting(False, "A quirk.")
    sizes: tuple[int, ...] = setting((1, 2), "Sizes.")
    share: float | None = setting(0.5, "A share.", at_least=0, at_most=1)


@dataclass(frozen=True)
class Derived(Config):
    share: float | None = setting(0.25, "The same share, by another default.")


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """An algorithm whose settings file lies in an importable package."""
    return make_entry(tmp_path, monkeypatch, PRESETS)


def make_entry(tmp_path: Path, monkeypatch, text: str) -> AlgorithmEntry:
    package = tmp_path / "some_presets"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "defaults.yaml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "some_presets", raising=False)
    return AlgorithmEntry("toy", "", "x:y", Source("none"), settings="some_presets:defaults.yaml")


def settle(entry, *, env=ENV, kind="continuous", **options):
    return resolve(entry, Config, env=env, action_kind=kind, **options)


def test_each_layer_overrides_the_one_before(entry, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("width: 7\nclip: 0.5\n", encoding="utf-8")
    assert settle(entry, env=OTHER_ENV, kind="none").config.lr == 1.0
    assert settle(entry, env=OTHER_ENV).config.lr == 2.0
    assert settle(entry, env=OTHER_ENV, kind="discrete").config.lr == 20.0
    assert settle(entry).config.lr == 3.0
    assert settle(entry, quality="expert").config.lr == 4.0
    assert settle(entry, quality="expert").config.depth == 3
    assert settle(entry).config.width == 6
    assert settle(entry, file=file).config.width == 7
    assert settle(entry, file=file, overrides={"width": 8}).config.width == 8


def test_every_value_remembers_its_layer_and_source(entry, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("clip: 0.5\n", encoding="utf-8")
    resolved = settle(entry, quality="expert", file=file, overrides={"depth": 9})
    origin = {name: (o.layer, o.source) for name, o in resolved.origins.items()}
    assert origin == {
        "iterations": ("default", ""),
        "batch_size": ("default", ""),
        "lr": ("published: arena/expert", "by quality"),
        "depth": ("--set", ""),
        "width": ("hints of arena", ""),
        "penalty": ("published: continuous", "by kind"),
        "clip": ("file mine.yaml", ""),
        "quirk": ("default", ""),
        "sizes": ("default", ""),
        "share": ("default", ""),
    }
    assert resolved.as_json()["settings"]["lr"] == {
        "value": 4.0,
        "from": "published: arena/expert",
        "source": "by quality",
    }


def test_the_first_preset_is_the_default_and_extends_inherits(entry):
    assert settle(entry).preset == "published"
    repaired = settle(entry, preset="zoo")
    assert (repaired.config.penalty, repaired.config.lr) == ("lse", 3.0)
    assert repaired.origins["penalty"].source == "a repair"
    assert settle(AlgorithmEntry("toy", "", "x:y", Source("none"))).preset == "default"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"learning_rate": 1.0, "widht": 2}, "no setting 'learning_rate'"),
        ({"widht": 2}, "Did you mean 'width'"),
        ({"lr": "fast"}, "lr takes float, not 'fast'"),
        ({"lr": True}, "lr takes float, not True"),
        ({"lr": float("nan")}, "not nan"),
        ({"lr": float("inf")}, "not inf"),
        ({"iterations": 0}, "at least 1"),
        ({"depth": 1.5}, "depth takes int, not 1.5"),
        ({"depth": None}, "depth takes int, not None"),
        ({"depth": True}, "depth takes int, not True"),
        ({"quirk": 1}, "quirk takes bool, not 1"),
        ({"clip": "tight"}, "clip takes float or NoneType"),
        ({"penalty": "maen"}, "Did you mean 'mean'"),
        ({"penalty": "huber"}, r"penalty must be one of lse, mean, not 'huber'\.$"),
        ({"sizes": 3}, "sizes takes"),
        ({"share": -0.01}, r"share must be at least 0, not -0.01 \(A share.\)"),
        ({"share": 1.01}, r"share must be at most 1, not 1.01 \(A share.\)"),
    ],
)
def test_a_bad_setting_is_named_with_what_it_takes(entry, overrides, message):
    with pytest.raises(SettingError, match=message):
        settle(entry, overrides=overrides)


@pytest.mark.parametrize(("given", "words"), [(-1, "at least 0"), (2, "at most 1")])
def test_bounds_hold_where_a_subclass_declares_the_field_again(entry, given, words):
    with pytest.raises(SettingError, match=words):
        resolve(entry, Derived, env=ENV, action_kind="continuous", overrides={"share": given})


@pytest.mark.parametrize("given", [0, 1, None])
def test_bounds_themselves_are_allowed_and_so_is_nothing_where_the_type_says_so(entry, given):
    assert settle(entry, overrides={"share": given}).config.share == given


@pytest.mark.parametrize(
    ("name", "given", "stored"),
    [("lr", "1e-3", 1e-3), ("lr", 2, 2.0), ("clip", None, None), ("clip", 1, 1.0), ("sizes", [3, 4], (3, 4))],
)
def test_values_take_the_type_of_their_field(entry, name, given, stored):
    value = getattr(settle(entry, overrides={name: given}).config, name)
    assert value == stored
    assert type(value) is type(stored)


def test_an_optional_written_the_old_way_is_understood(entry):
    from typing import Optional

    @dataclass(frozen=True)
    class Old(Config):
        clip: Optional[float] = setting(None, "")  # noqa: UP045 - the spelling under test

    resolved = resolve(entry, Old, env=ENV, action_kind="continuous", overrides={"clip": 2})
    assert resolved.config.clip == 2.0


def test_an_unknown_preset_suggests_the_nearest(entry):
    with pytest.raises(SettingError, match=r"no preset 'publish'.*Did you mean 'published'"):
        settle(entry, preset="publish")


@pytest.mark.parametrize(("preset", "message"), [("loop", "extends itself"), ("orphan", "publsihed.*'published'")])
def test_a_preset_that_extends_itself_or_nothing_is_the_plugins_fault(entry, preset, message):
    with pytest.raises(PluginError, match=message):
        settle(entry, preset=preset)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("presets: {zoo: {continuous: {lr: 3.0}}}", "lr needs a value and a source or reason"),
        ("presets: {zoo: {continuous: {lr: {value: 3.0}}}}", "lr needs a value and a source or reason"),
        ("presets: nonsense", "cannot read its settings"),
        ("presets: {zoo: null}", "cannot read its settings"),
        ("other: {}", "cannot read its settings"),
        ("presets: {zoo: [", "cannot read its settings"),
    ],
)
def test_a_malformed_settings_file_is_the_plugins_fault(tmp_path, monkeypatch, text, message):
    with pytest.raises(PluginError, match=message):
        settle(make_entry(tmp_path, monkeypatch, text))


def test_a_missing_settings_file_is_the_plugins_fault():
    entry = AlgorithmEntry("toy", "", "x:y", Source("none"), settings="zoo_core:nowhere.yaml")
    with pytest.raises(PluginError, match=r"nowhere\.yaml"):
        load_presets(entry)


def test_a_field_without_a_default_is_the_plugins_fault(entry):
    from dataclasses import field

    @dataclass(frozen=True)
    class Bare(AlgorithmConfig):
        rates: list = field(default_factory=list)

    with pytest.raises(PluginError, match=r"Bare\.rates has no default"):
        resolve(entry, Bare, env=ENV, action_kind="continuous")


@pytest.mark.parametrize(("text", "message"), [("- 1\n- 2\n", "setting: value"), ("a: [", "cannot read the config")])
def test_a_bad_config_file_is_named(entry, tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingError, match=message):
        settle(entry, file=file)
    with pytest.raises(SettingError, match=r"absent\.yaml"):
        settle(entry, file=tmp_path / "absent.yaml")


def test_assignments_are_typed_and_dashes_are_underscores():
    assert parse_assignments(["lr=0.01", "batch-size=8", "quirk=true", "penalty=mean", "clip="]) == {
        "lr": 0.01,
        "batch_size": 8,
        "quirk": True,
        "penalty": "mean",
        "clip": None,
    }
    for bad in ("lr", "=3", "lr=["):
        with pytest.raises(SettingError, match="--set"):
            parse_assignments([bad])
