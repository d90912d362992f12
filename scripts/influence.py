"""Draw OMCDA's influence analysis (its Figures 3, 7 and 8) of one run: m_i and V^r_i of every agent over training.

    python scripts/influence.py runs/mamujoco-hopper-3x1/medium-replay/omcda/seed0-1a2b3c4d
    python scripts/influence.py results/mamujoco-hopper-3x1/medium-replay/omcda-seed0-20000it-….json

The paper's claim is that agents of more return are allocated more influence; what is printed is whether they are in
this run, as the rank correlation of the two over its second half.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from zoo_core import UsageError, ZooError
from zoo_core.runs import Run

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import EngFormatter, MaxNLocator

SHARE, VALUE = "alpha/share", "value_r/value"
"""The metrics: m_i, logged where α is updated, and the batch's mean of V^r_i."""


class KeptRun:
    """A run of the ledger, of which results/ keeps fewer rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self._kept = json.loads(folder.read_text(encoding="utf-8"))["metrics"]
        except (OSError, ValueError, KeyError) as error:
            raise UsageError(
                f"{folder} is no result of the ledger: give a run's folder or a file of results/"
            ) from error

    def metrics(self) -> dict[str, NDArray]:
        """As `Run.metrics`."""
        found = {name: np.array(values, dtype=np.float64) for name, values in self._kept.items()}
        return {"iterations": found.pop("iteration"), **found}


def of_agents(run: Run | KeptRun, metric: str) -> tuple[NDArray, NDArray]:
    """Iterations [T] and the metric of every agent [T, n], where it was logged."""
    found = run.metrics()
    columns = [found[f"{metric}/{i}"] for i in range(sum(name.startswith(f"{metric}/") for name in found))]
    if not columns:
        raise UsageError(f"{run.folder} logged no {metric}: this figure is of runs of omcda and its ablations")
    values = np.stack(columns, axis=1)
    logged = np.isfinite(values).all(1)
    return np.asarray(found["iterations"])[logged], values[logged]


def rank_correlation(first: NDArray, second: NDArray) -> float:
    """Spearman's, over agents, of two arrays [n]; NaN where all are equal."""
    ranks = [np.argsort(np.argsort(x)).astype(float) for x in (first, second)]
    if min(np.ptp(first), np.ptp(second)) < 1e-12:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def draw(folder: Path, out: Path) -> str:
    """Write the figure; returns what it shows in a sentence."""
    run = KeptRun(folder) if folder.suffix == ".json" else Run(folder)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), constrained_layout=True)
    late = []
    for axis, metric, label in zip(axes, (SHARE, VALUE), ("influence $m_i$", "return value $V^r_i$"), strict=True):
        iterations, values = of_agents(run, metric)
        for i in range(values.shape[1]):
            axis.plot(iterations, values[:, i], label=f"agent {i}", linewidth=1.2)
        axis.set(xlabel="update", ylabel=label)
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        late.append(values[len(values) // 2 :].mean(0))
    axes[0].legend(fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=120)
    plt.close(figure)
    rank = rank_correlation(*late)
    return f"m = {np.round(late[0], 3).tolist()}, V^r = {np.round(late[1], 3).tolist()} (second half); " + (
        "all agents are equal, so there are no ranks" if np.isnan(rank) else f"rank correlation over agents {rank:.2f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="m_i and V^r_i of every agent over the training of one run.")
    parser.add_argument("run", type=Path, help="a run's folder, or a file of results/, of omcda or an ablation")
    parser.add_argument(
        "--out", type=Path, help="the figure's file (default: influence.png in the run's folder or, of a result, here)"
    )
    given = parser.parse_args()
    out = given.out or (given.run if given.run.is_dir() else Path()) / "influence.png"
    try:
        print(draw(given.run, out))
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
