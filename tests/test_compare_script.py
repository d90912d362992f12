"""scripts/compare.py pairs rows of the ledger by seed."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from zoo_core import UsageError

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    yield importlib.import_module("compare")
    for name in ("compare", "results_page"):
        sys.modules.pop(name, None)


@pytest.fixture
def folder(tmp_path):
    """Three seeds of `iql`, two of them and another of `bc`, and one of `omar` at a budget of its own."""
    returns = {
        ("iql", None): {0: 150.0, 1: 160.0, 2: 170.0},
        ("bc", None): {0: 140.0, 1: 140.0, 3: 999.0},
        ("omar", 500): {0: 100.0},
    }
    for (algorithm, budget), seeds in returns.items():
        for seed, mean in seeds.items():
            kept = {
                "quality": "random", "algorithm": algorithm, "seed": seed, "preset": "zoo",
                "reference": {"random": 100.0, "expert": 300.0}, "final": {"mean": mean},
                **({"budget": budget} if budget else {}),
            }  # fmt: skip
            path = tmp_path / "mpe-cn" / "random" / f"{algorithm}-seed{seed}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(kept))
    return tmp_path / "mpe-cn"


def test_only_seeds_of_both_count(script, folder):
    (line,) = script.compare(folder, "random", "iql", "bc")
    assert line == (
        "published budget: iql - bc: +10.0 (seed 0), +20.0 (seed 1); "
        "mean +15.0 ± 63.5, normalised +7.5 ± 31.8"  # t(1) = 12.706, times 7.07 / √2 = 5
    )


@pytest.mark.parametrize(
    ("quality", "rows", "message"),
    [
        ("random", ("iql", "bcc"), r"no row of mpe-cn/random is called 'bcc'\. Did you mean 'bc'"),
        ("expert", ("iql", "bc"), "no row of mpe-cn/expert is called 'iql'"),
        ("random", ("iql", "omar"), "no seed in common at any budget"),
    ],
)
def test_what_cannot_be_compared_is_named(script, folder, quality, rows, message):
    with pytest.raises(UsageError, match=message):
        list(script.compare(folder, quality, *rows))


def test_an_environment_without_results_is_named(script, folder):
    with pytest.raises(UsageError, match=r"no results of 'mpe-cm'\. Did you mean 'mpe-cn'"):
        list(script.compare(folder.parent / "mpe-cm", "random", "iql", "bc"))
