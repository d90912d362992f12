"""`make bench`: what an update, an environment step, a dataset and a start-up cost, on one thread.

Prints tables; `--write` also keeps them as results/benchmarks.json and docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from mixed import measure_mixed, with_official
from updates import OFFICIAL_MS, measure

from zoo_core.plugins import Zoo, load_zoo

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "numpy", "gymnasium")


def updates(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The zoo's iteration, eager and compiled, beside the reference and the floor."""
    rows = []
    for record in records:
        s = record["seconds"]
        best = min(s["eager"], s["compiled"])
        rows.append(
            {
                "iteration of": record["algorithm"],
                "eager ms": round(1e3 * s["eager"], 1),
                "compiled ms": round(1e3 * s["compiled"], 1),
                "reference ms": round(1e3 * s["reference"], 1),
                "floor ms": round(1e3 * s["floor"], 1),
                "reference / best": round(s["reference"] / best, 2),
                "best / floor": round(best / s["floor"], 2),
            }
        )
    return rows


def validity(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whether the reference lies near the official codes, as far as two machines can be compared."""
    return [
        {
            "one critic and one actor update": record["algorithm"],
            "reference here, ms": round(1e3 * record["seconds"]["reference, 1 critic + 1 actor"], 1),
            "products here, GFLOP/s": round(record["gflop"] / record["seconds"]["floor"]),
            "official code elsewhere, ms": OFFICIAL_MS[record["algorithm"]],
            "products elsewhere, GFLOP/s": "65-85",
        }
        for record in records
        if record["algorithm"] in OFFICIAL_MS
    ]


def environments(zoo: Zoo) -> list[dict[str, Any]]:
    rows = []
    for name in ("mpe-cn", "mpe-pp", "mpe-world"):
        for copies in (1, 64, 1024):
            env = zoo.find("env", name).load()(copies)
            action = np.random.default_rng(0).uniform(-1, 1, (copies, env.team.n, env.team.action_size))
            seeds = np.arange(copies)
            episodes = max(1, 4096 // copies)
            start = time.perf_counter()
            for _ in range(episodes):
                env.reset(seeds)
                for _ in range(env.team.episode_limit):
                    env.step(action)
            steps = episodes * copies * env.team.episode_limit * env.team.n
            rows.append(
                {"env": name, "copies": copies, "agent-steps/s": round(steps / (time.perf_counter() - start), -3)}
            )
    return rows


def datasets() -> list[dict[str, Any]]:
    """Build, open and sample a million transitions, in an empty data home."""
    from zoo_core import Rows, generator
    from zoo_core.data import ensure, open_dataset

    name = "mpe-cn/expert"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ZOO_DATA"] = folder
        built = _seconds(lambda: ensure(name))
        opened = _seconds(lambda: open_dataset(name))
        sampler = open_dataset(name).sampler(Rows(1024, next_action=True))
        source = generator(0, "bench")
        sampler.sample(source)
        sampled = _seconds(lambda: [sampler.sample(source) for _ in range(100)]) / 100
        del os.environ["ZOO_DATA"]
    return [
        {"what": f"build {name} (1,000,000 transitions)", "seconds": round(built, 2)},
        {"what": "open it again", "seconds": round(opened, 4)},
        {"what": "sample 1,024 rows", "seconds": round(sampled, 5)},
    ]


def startup() -> list[dict[str, Any]]:
    """CPU seconds of `zoo list`, with an empty cache and with a warm one, and whether it imports anything heavy."""
    zoo = str(Path(sys.executable).with_name("zoo"))
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ZOO_CACHE": folder}
        cold = _cpu_seconds([zoo, "list"], environment)
        warm = min(_cpu_seconds([zoo, "list"], environment) for _ in range(5))
        probe = (
            "import sys; from zoo_core.plugins import load_zoo; load_zoo(); "
            f"print([m for m in {HEAVY} if m in sys.modules])"
        )
        heavy = subprocess.run(
            [sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
    return [
        {"what": "zoo list, nothing cached", "CPU seconds": round(cold, 2)},
        {"what": "zoo list, warm", "CPU seconds": round(warm, 2)},
        {"what": f"heavy modules imported: {heavy}", "CPU seconds": ""},
    ]


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def machine() -> dict[str, Any]:
    """What the numbers were taken on, without naming the machine."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = lines[0] if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *[[str(row[key]) for key in head] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(tables: dict[str, list[dict[str, Any]]], where: dict[str, Any]) -> str:
    parts = [
        "# Benchmarks",
        "Written by `python bench/run.py --write`; do not edit. One thread, on "
        + ", ".join(f"{key} {value}" for key, value in where.items())
        + ".\nTimes on a shared machine are noisy: trust ratios, whose parts were taken in turn in one process. "
        "Nothing here was measured on a GPU; `python bench/gpu.py` does that.",
        "An iteration is five critic updates, one actor update and one target update (of `bc`: one update; of `iql` "
        "and `omar`: one of each network; `td3bc` stands for two iterations, in one of which its policies learn) on "
        "1,024 rows of Cooperative Navigation. The reference is the same mathematics written plainly "
        "(`bench/reference.py`, `bench/decentralised.py`: a loop per agent and per head). The floor is the time of "
        "exactly the critic updates' matrix products (`bench/floor.py`); of `td3bc`, `iql`, `omar`, of all products.",
        "Mixed local critics (`bench/mixed.py`) learn on 128 rows of HalfCheetah's six agents and are 256 units wide.",
    ]
    for title, rows in tables.items():
        parts += [f"## {title}", markdown(rows)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the tables under results/ and docs/")
    parser.add_argument("--repeats", type=int, default=5, help="timed iterations of each variant")
    options = parser.parse_args()
    torch.set_num_threads(1)
    zoo = load_zoo()
    records = list(measure(zoo, options.repeats))
    tables = {
        "One iteration of training": updates(records),
        "One update of mixed local critics": with_official(updates(list(measure_mixed(zoo, options.repeats)))),
        "The reference beside the official code": validity(records),
        "Environments": environments(zoo),
        "Data": datasets(),
        "Start-up": startup(),
    }
    text = page(tables, machine())
    print(text)
    if options.write:
        (ROOT / "results").mkdir(exist_ok=True)
        kept = {"machine": machine(), "tables": tables}
        (ROOT / "results" / "benchmarks.json").write_text(json.dumps(kept, indent=1) + "\n")
        (ROOT / "docs" / "benchmarks.md").write_text(text)


if __name__ == "__main__":
    main()
