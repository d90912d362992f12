"""The results ledger: which cells to run, what came out, one small JSON for each finished run under results/.

    python scripts/ledger.py list            the cells and where each stands
    python scripts/ledger.py run [--jobs 2] [--commit]
    python scripts/ledger.py report          write docs/results.md and its figures from results/ alone, and their rows
                                             into the pages of docs/algorithms

`run` takes the first unfinished cells of results/cells.yaml, as many side by side as there are cores, and resumes the
interrupted ones; a killed ledger loses nothing. Every run is the command that `list` prints.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from threading import Lock
from typing import Any

import yaml
from reference_algorithms import write_sections
from results_page import write_page

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
CURVE_COLUMNS = (
    *("critic/w/", "critic/u/", "critic/k_eff", "critic/u", "critic/q", "critic/penalty"),
    *("alpha/", "critic_r/q", "critic_r/credit/", "value_r/value/", "value_c/value/", "value_c/constraint/"),
)
"""Metrics worth keeping in a result, by prefix: what the papers' figures are drawn from."""


@dataclass(frozen=True, order=True)
class Cell:
    """One run of the ledger: at the published budget or for `iterations`, with the preset's settings or some set."""

    env: str
    quality: str
    algorithm: str
    seed: int
    iterations: int | None = None
    settings: tuple[str, ...] = ()
    """`key=value`, as `--set` takes them."""
    episodes: tuple[int, int] | None = None
    """Of a periodic and of the final evaluation, where episodes are too long for the usual numbers."""
    preset: str | None = None
    """None: the algorithm's first. Named where algorithms whose first presets differ are to be compared."""

    @property
    def result(self) -> Path:
        budget = f"-{self.iterations}it" if self.iterations else ""
        variant = "".join(f"-{setting}" for setting in self.settings)
        preset = f"-{self.preset}" if self.preset else ""
        return RESULTS / self.env / self.quality / f"{self.algorithm}-seed{self.seed}{budget}{preset}{variant}.json"

    def command(self, out: Path) -> list[str]:
        """The training command; resumes if the run was interrupted."""
        cell = ["--algo", self.algorithm, "--env", self.env, "--quality", self.quality, "--seed", str(self.seed)]
        if self.iterations:
            cell += ["--iterations", str(self.iterations)]
        if self.preset:
            cell += ["--preset", self.preset]
        for setting in self.settings:
            cell += ["--set", setting]
        if self.episodes:
            cell += ["--eval-episodes", str(self.episodes[0]), "--final-episodes", str(self.episodes[1])]
        return ["zoo", "train", *cell, "--compile", "on", "--out", str(out), "--json"]

    def __str__(self) -> str:
        budget = f", {self.iterations} iterations" if self.iterations else ""
        variant = "".join(f", {what}" for what in (self.preset, *self.settings) if what)
        return f"{self.env}/{self.quality} {self.algorithm} seed {self.seed}{budget}{variant}"


def cells() -> Iterator[Cell]:
    """Every cell, most important first."""
    for block in yaml.safe_load((RESULTS / "cells.yaml").read_text(encoding="utf-8")):
        for seed, quality, algorithm in product(block["seeds"], block["qualities"], block["algorithms"]):
            settings = tuple(f"{key}={value}" for key, value in block.get("set", {}).items())
            episodes = tuple(block["episodes"]) if "episodes" in block else None
            given = block.get("iterations"), settings, episodes, block.get("preset")
            yield Cell(block["env"], quality, algorithm, seed, *given)


def run_cell(cell: Cell, out: Path, *extra: str) -> None:
    """Train the cell to its end and keep its result. Raises RuntimeError if training fails."""
    command = cell.command(out)
    zoo = str(Path(sys.executable).with_name("zoo"))
    finished = subprocess.run([zoo, *command[1:], *extra], capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{cell}: exit {finished.returncode}\n{finished.stderr[-2000:]}")
    folder = Path(json.loads(finished.stdout)["runs"][0]["folder"])
    keep(cell, folder, " ".join(cell.command(Path("runs"))))


def keep(cell: Cell, folder: Path, command: str) -> None:
    """Write the cell's result, whole or not at all."""
    config, manifest, scores = (
        json.loads((folder / name).read_text()) for name in ("config.json", "manifest.json", "evaluations.json")
    )
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    final = {key: value for key, value in scores["final"].items() if key != "returns"}
    result: dict[str, Any] = {
        "command": command,
        "env": cell.env,
        "quality": cell.quality,
        "algorithm": cell.algorithm,
        "seed": cell.seed,
        "budget": cell.iterations or "published",
        "set": list(cell.settings),
        "preset": config["preset"],
        "preset_named": cell.preset is not None,
        "settings": {name: s["value"] for name, s in config["settings"].items()},
        "dataset": config["dataset"],
        "reference": scores["reference"],
        "final": final,
        "best": scores["best"],
        "curve": [[e["iteration"], round(e["mean"], 2), round(e["std"], 2), e["episodes"]] for e in scores["periodic"]],
        "metrics": _thin(rows),
        "train_seconds": rows[-1]["seconds"] if rows else None,
        "versions": manifest["versions"],
        "plugins": manifest["plugins"],
        "core": manifest.get("core"),
        "changes": manifest.get("changes", []),
        "modes": manifest["modes"],
        "processor": manifest["machine"]["processor"],
    }
    cell.result.parent.mkdir(parents=True, exist_ok=True)
    temporary = cell.result.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    temporary.replace(cell.result)


def _thin(rows: list[dict[str, Any]], points: int = 50) -> dict[str, list[Any]]:
    """About `points` rows of the columns worth keeping, by column."""
    some = rows[:: max(1, len(rows) // points)]
    names = [n for n in (rows[-1] if rows else {}) if any(n.startswith(prefix) for prefix in CURVE_COLUMNS)]
    kept = {name: [_short(row.get(name)) for row in some] for name in names}
    return {"iteration": [row["iteration"] for row in some], **kept}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def run(jobs: int, out: Path, limit: int | None, commit: bool, allow_changed: bool = False) -> int:
    """Run unfinished cells; returns how many failed."""
    extra = ["--allow-changed"] if allow_changed else []
    todo = [cell for cell in cells() if not cell.result.exists()][:limit]
    lock, failed = Lock(), []

    def one(cell: Cell) -> None:
        print(f"started   {cell}", file=sys.stderr, flush=True)
        try:
            run_cell(cell, out, *extra)
        except (RuntimeError, OSError, KeyError, ValueError) as error:
            failed.append(cell)
            print(f"FAILED    {error}", file=sys.stderr, flush=True)
            return
        with lock:
            print(f"finished  {cell}", file=sys.stderr, flush=True)
            if commit:
                _commit(cell)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, todo))
    return len(failed)


def _commit(cell: Cell) -> None:
    git, path = shutil.which("git") or "git", str(cell.result.relative_to(ROOT))
    subprocess.run([git, "add", path], cwd=ROOT, check=True)
    subprocess.run([git, "commit", "-q", "-m", f"Result: {cell}", "--", path], cwd=ROOT, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("list", "run", "report"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs side by side (default: the cores)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs", help="the folder of all runs")
    parser.add_argument("--limit", type=int, help="at most so many cells")
    parser.add_argument("--commit", action="store_true", help="commit each result as it comes")
    parser.add_argument(
        "--allow-changed", action="store_true", help="resume cells begun by other code; their results say so"
    )
    options = parser.parse_args()
    if options.what == "run":
        failed = run(options.jobs, options.out, options.limit, options.commit, options.allow_changed)
        return 1 if failed else 0
    if options.what == "report":
        write_page(RESULTS, ROOT / "docs")
        write_sections(ROOT / "docs")
        return 0
    for cell in cells():
        state = "finished" if cell.result.exists() else "to do"
        print(f"{state:9} {cell}: {' '.join(cell.command(Path('runs')))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
