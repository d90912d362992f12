"""Several seeds of one algorithm together on a GPU: seconds an iteration, plain and as CUDA graphs, and of the budget.

    python bench/gpu.py                  a hundred timed iterations of SPaCQL on Cooperative Navigation, five seeds
    python bench/gpu.py --whole          the command itself: all iterations, evaluations and files

Needs an NVIDIA GPU and a build of torch that uses it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from zoo_core.plugins import load_zoo
from zoo_core.training import Learner, Plan, RunFolder, TrainRequest, make_plan, train
from zoo_core.training.modes import Modes, computing
from zoo_core.training.replay import cuda_graph, fault
from zoo_core.training.run import make_learner

WARM_UP = 5
MOST_MINUTES, MOST_TIMES_ONE_SEED = 2.0, 1.5
"""Five seeds of SPaCQL on CN: so long at the published budget, and so many times one seed."""


def seconds_per_iteration(learner: Learner, iterations: int, synchronise: Callable[[], None]) -> float:
    """The mean over iterations that follow each other, as in training."""
    for _ in range(WARM_UP):
        learner.step()
    synchronise()
    start = time.perf_counter()
    for _ in range(iterations):
        learner.step()
    synchronise()
    return (time.perf_counter() - start) / iterations


def measure(plan: Plan, seeds: int, iterations: int) -> list[dict[str, Any]]:
    """A row for each of: one seed and all, plain and recorded."""
    rows = []
    for graph in (False, True):
        for count in (1, seeds):

            def make(count: int = count) -> Learner:
                return make_learner(plan, range(count), "cuda")

            with computing(Modes("cuda", graph=graph)):
                why_not = fault(make, cuda_graph) if graph else ""
                if why_not:
                    rows.append({"seeds": count, "graph": f"cannot be: {why_not}", "seconds": float("nan")})
                    continue
                learner = make()
                if graph:
                    learner.replay_with(cuda_graph)
                seconds = seconds_per_iteration(learner, iterations, torch.cuda.synchronize)
            rows.append({"seeds": count, "graph": "yes" if graph else "no", "seconds": seconds})
            del learner
            torch.cuda.empty_cache()
    return rows


def report(rows: list[dict[str, Any]], total: int) -> str:
    """The table, what the whole budget would take, and what several seeds cost beside one."""
    lines = ["| seeds | CUDA graph | ms an iteration | minutes for the budget |", "| --- | --- | --- | --- |"]
    for row in rows:
        s = row["seconds"]
        lines.append(f"| {row['seeds']} | {row['graph']} | {1e3 * s:.1f} | {s * total / 60:.2f} |")
    for plain_or_graph in ("no", "yes"):
        pair = [row for row in rows if row["graph"] == plain_or_graph]
        if len(pair) == 2:
            one, all_ = pair
            lines.append(
                f"graph {plain_or_graph}: {all_['seeds']} seeds take {all_['seconds'] / one['seconds']:.2f} times one"
                f" (to hold: {MOST_TIMES_ONE_SEED}) and {all_['seconds'] * total / 60:.2f} minutes for {total:,}"
                f" iterations without evaluations (to hold: {MOST_MINUTES})"
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algo", default="spacql")
    parser.add_argument("--env", default="mpe-cn")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=100, help="timed iterations of each row")
    parser.add_argument("--whole", action="store_true", help="time the whole of `zoo train` instead")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print(
            f"bench/gpu.py measures on an NVIDIA GPU, and torch {torch.__version__} finds none here; `zoo doctor` shows"
            " what it finds, and `python bench/run.py` measures the processor",
            file=sys.stderr,
        )
        return 2
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        request = TrainRequest(
            options.algo, options.env, seeds=tuple(range(options.seeds)), device="cuda", out=folder, again=True
        )
        if options.whole:
            start = time.perf_counter()
            result = train(request)
            minutes = (time.perf_counter() - start) / 60
            graphs = [RunFolder(run.folder).manifest["modes"].get("graph", False) for run in result.runs]
            how = "as CUDA graphs" if all(graphs) else "not as CUDA graphs"
            print(f"{len(graphs)} seeds, evaluations and files included, {how}: {minutes:.2f} minutes")
            return result.exit_code
        plan = make_plan(request, load_zoo())
        print(report(measure(plan, options.seeds, options.iterations), plan.config.iterations))
    return 0


if __name__ == "__main__":
    sys.exit(main())
