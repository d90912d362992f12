"""The learning curve as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo_core.training.files import explained, write_atomic
from zoo_core.training.scores import Evaluations, Score

INK, QUIET, LINE = "#1f2933", "#7b8794", "#1664a7"


def draw_curve(path: Path, title: str, runs: Sequence[Evaluations], *, dataset_return: float | None = None) -> str:
    """Return against iteration, written to `path` as a PNG.

    One run: its mean with the 95% interval over episodes. Several: the mean over runs with the 95% interval over
    them, and each run as a thin line. Returns why it could not be drawn, or an empty text.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return "no curve.png: matplotlib is not installed (pip install matplotlib)"
    import io

    figure = Figure(figsize=(8.0, 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.add_subplot()
    iterations, scores = _points(runs)
    means = [score.mean for score in scores]
    axes.fill_between(iterations, [s.low for s in scores], [s.high for s in scores], color=LINE, alpha=0.16, lw=0)
    if len(runs) > 1:
        for run in runs:
            axes.plot(iterations, _values(run, iterations), color=LINE, lw=0.8, alpha=0.35)
    axes.plot(iterations, means, color=LINE, lw=2.0, marker="o" if len(means) < 3 else None, solid_capstyle="round")
    axes.plot(iterations[-1:], means[-1:], "o", color=LINE, ms=5, clip_on=False, zorder=5)
    _levels(axes, iterations, runs[0], dataset_return)
    over = f"{len(runs)} seeds" if len(runs) > 1 else f"{scores[-1].count} episodes a point"
    axes.set_title(title, loc="left", color=INK, fontsize=12, pad=12)
    axes.set_xlabel("iteration", color=INK)
    axes.set_ylabel("return of the team", color=INK)
    axes.annotate(
        f"mean and 95% interval over {over}", (1.0, 1.02), xycoords="axes fraction", ha="right", color=QUIET, fontsize=8
    )
    _second_scale(axes, runs[0])
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with explained(path.parent):
        write_atomic(path, buffer.getvalue())
    return ""


def _points(runs: Sequence[Evaluations]) -> tuple[list[int], list[Score]]:
    """Iterations every run was evaluated at, and the score there."""
    if len(runs) == 1:
        return [e.iteration for e in runs[0].periodic], [e.score for e in runs[0].periodic]
    common = sorted(set.intersection(*({e.iteration for e in run.periodic} for run in runs)))
    columns = [_values(run, common) for run in runs]
    return common, [Score.of(list(values)) for values in zip(*columns, strict=True)]


def _values(run: Evaluations, iterations: Sequence[int]) -> list[float]:
    by_iteration = {e.iteration: e.score.mean for e in run.periodic}
    return [by_iteration[i] for i in iterations]


def _levels(axes: Any, iterations: Sequence[int], run: Evaluations, dataset_return: float | None) -> None:
    """Horizontal lines to judge the curve by, each named at an edge."""
    # The data's return often lies on a reference, so its name stands at the other edge.
    levels = [("dataset", "left", dataset_return, "#b8860b", (0, (5, 3)))]
    if run.reference is not None:
        levels += [
            ("random (0)", "right", run.reference.random, QUIET, (0, (1, 2))),
            ("expert (100)", "right", run.reference.expert, "#2f7d4f", (0, (1, 2))),
        ]
    for name, edge, value, color, style in levels:
        if value is not None:
            axes.axhline(value, color=color, lw=1.2, ls=style, zorder=1)
            axes.annotate(
                name, (0.01 if edge == "left" else 0.99, value), xycoords=("axes fraction", "data"), xytext=(0, 3),
                textcoords="offset points", color=color, fontsize=8, ha=edge,
            )  # fmt: skip
    axes.set_xlim(0, max(iterations[-1], 1))
    axes.margins(y=0.08)


def _second_scale(axes: Any, run: Evaluations) -> None:
    """The normalised scale on the right; quiet grid, no box."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(axis="y", color="#e4e7eb", lw=0.8)
    axes.set_axisbelow(True)
    reference = run.reference
    if reference is None or reference.expert == reference.random:
        return
    width = (reference.expert - reference.random) / 100.0
    right = axes.secondary_yaxis(
        "right", functions=(lambda y: (y - reference.random) / width, lambda s: s * width + reference.random)
    )
    right.set_ylabel("normalised", color=QUIET)
    right.tick_params(colors=QUIET, labelsize=9)
    right.spines["right"].set_visible(False)
