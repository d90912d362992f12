"""A small zoo for the commands to show, and plugins that are real modules."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo_cli.main import main
from zoo_core import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry, ReferenceScores, Source
from zoo_core.plugins import Offer, PluginRow, Zoo

ALGORITHM = """
from dataclasses import dataclass
from zoo_core import AlgorithmConfig, setting

@dataclass(frozen=True)
class Config(AlgorithmConfig):
    lr: float = setting(0.1, "Step size.", source="the paper")

class Toy:
    Config = Config
"""
SETTINGS = """
presets:
  published:
    continuous: {lr: {value: 0.2, source: "Table 1"}}
    toy-world:
      expert: {lr: {value: 0.3, source: "Table 2"}}
  zoo:
    extends: published
    continuous: {lr: {value: 0.4, reason: "converges"}}
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """One of each kind from `zoo-toy`, a second `mix` from `zoo-other`, and a broken plugin."""
    package = tmp_path / "zoo_toy_for_tests"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "algorithm.py").write_text(ALGORITHM)
    (package / "defaults.yaml").write_text(SETTINGS)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = Source("A Paper", "https://example.org/paper", "Eq. 1")
    toy = AlgorithmEntry(
        "toy",
        "A toy.",
        "zoo_toy_for_tests.algorithm:Toy",
        source,
        settings="zoo_toy_for_tests:defaults.yaml",
        mixer=("linear",),
        table_column="Toy in Table 1",
    )
    reference = ReferenceScores(1.0, 2.0, "the paper")
    env = EnvEntry("toy-world", "A world.", "x:y", source, default_quality="expert", reference=reference)
    still = EnvEntry("still-world", "Discrete.", "x:y", source, gives=("discrete",))
    data = DatasetEntry(
        "toy-world/expert", "Data.", "x:y", source, env="toy-world", quality="expert", transitions=10**6
    )
    zoo = Zoo.assemble(
        [
            Offer(toy, "zoo-toy", "1.0"),
            Offer(env, "zoo-toy", "1.0"),
            Offer(still, "zoo-toy", "1.0"),
            Offer(data, "zoo-toy", "1.0"),
            Offer(MixerEntry("mix", "A linear mixer.", "x:y", source, traits=("linear",)), "zoo-toy", "1.0"),
            Offer(MixerEntry("mix", "Another.", "x:y", source), "zoo-other", "2.0"),
        ],
        [
            PluginRow("zoo-toy", "1.0", "ok", "", {"algorithm": ("toy",)}, 0.001, (), ">=0.1", "index"),
            PluginRow("zoo-other", "2.0", "ok", "", {"mixer": ("mix",)}, 0.3, ("numpy",)),
            PluginRow("zoo-bc", "0.1.0", "broken", "it raised"),
        ],
    )
    for command in ("list", "info"):
        monkeypatch.setattr(f"zoo_cli.commands.{command}.load_zoo", lambda *progress: zoo)
    yield zoo
    for name in [name for name in sys.modules if name.startswith("zoo_toy_for_tests")]:
        del sys.modules[name]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run `zoo` in this process: its exit code, standard output (parsed with --json) and standard error."""

    def call(*words: str) -> tuple[int, Any, str]:
        code = main(list(words))
        said = capsys.readouterr()
        return code, json.loads(said.out) if "--json" in words and said.out else said.out, said.err

    return call
