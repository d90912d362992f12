"""Runs as objects: the scores, curves, metrics and policies that lie in run folders, finished or not.

`Run` is one seed's folder; `Runs` are the seeds of one configuration, which is what `zoo_core.train` returns. Nothing
is kept in memory but what a run was told: scores and curves are read when they are asked for, so an object made while
another process trains shows how far that has come.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.entries import ReferenceScores
from zoo_core.errors import RunError, UsageError, did_you_mean
from zoo_core.training.checkpoints import latest_iteration
from zoo_core.training.folder import RunFolder, run_id
from zoo_core.training.load import find_runs
from zoo_core.training.metrics import MetricsLog
from zoo_core.training.scores import Evaluation, Evaluations, Score
from zoo_core.training.summary import Subject, SummaryRow, as_text, row_of, score_line, summary_rows

if TYPE_CHECKING:
    from zoo_core.acting import RunPolicy

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Measured(Score):
    """A mean with its 95% interval (`low`, `high`) and what that is `over`: episodes of one run, or seeds."""

    over: str = ""

    @classmethod
    def from_score(cls, score: Score, over: str) -> Measured:
        return cls(score.mean, score.std, score.count, over)

    def __str__(self) -> str:
        return f"{self.mean:.2f} (95% interval {self.low:.2f} to {self.high:.2f} over {self.over})"


class Run:
    """One seed's run, by its folder. Raises `RunError` if there is none, or a damaged one.

    Attributes:
        folder: where everything about it lies.
        config: the content of its `config.json`: every setting with its origin, the team, the data.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).absolute()  # a notebook may change its working directory
        self.config: Mapping[str, Any] = RunFolder(self.folder).config

    @property
    def seed(self) -> int:
        return int(self.config["seed"])

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting's value; `config["settings"]` also says where each came from."""
        return {name: given["value"] for name, given in self.config["settings"].items()}

    @property
    def iteration(self) -> int:
        """The iteration of its newest checkpoint; 0 if there is none yet."""
        return latest_iteration(self.folder / "checkpoints") or 0

    @property
    def evaluations(self) -> Evaluations:
        """Its periodic evaluations and the final one, as they lie on the disk now."""
        return Evaluations.load(self.folder)

    @property
    def finished(self) -> bool:
        return self.evaluations.final is not None

    def metrics(self) -> dict[str, Array]:
        """Every metric it logged, by name [rows]; NaN where a row has none. `iterations` [rows] counts them."""
        found = Runs([self]).metrics()
        return {name: values.reshape(-1) for name, values in found.items()}

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self._state()})"

    def _state(self) -> str:
        return "finished" if self.finished else f"unfinished, at iteration {self.iteration:,}"


class Runs:
    """The seeds of one configuration, sorted by seed.

    >>> runs = zoo_core.train("bc", "mpe-cn", quality="expert", seeds=5)
    >>> runs.score.mean, runs.score.low, runs.score.high, runs.score.over
    >>> curve = runs.curve()
    >>> plt.plot(curve["iterations"], curve["normalised"])

    The score that counts is the last: the final evaluation, over episodes never seen in training. `best` is the best
    periodic evaluation, picked with hindsight.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise UsageError("there are no runs here")
        self._runs = sorted(runs, key=lambda run: run.seed)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self._runs)

    @property
    def algorithm(self) -> str:
        return str(self._runs[0].config["algorithm"])

    @property
    def env(self) -> str:
        return str(self._runs[0].config["env"])

    @property
    def dataset(self) -> str:
        return str(self._runs[0].config["dataset"]["name"])

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting's value, equal in all seeds."""
        return self._runs[0].settings

    @property
    def folders(self) -> list[Path]:
        return [run.folder for run in self._runs]

    @property
    def folder(self) -> Path:
        """The run's folder; of several runs, the folder that holds them."""
        return self._runs[0].folder if len(self._runs) == 1 else self._runs[0].folder.parent

    @property
    def finished(self) -> bool:
        """Whether every seed is."""
        return all(run.finished for run in self._runs)

    @property
    def reference(self) -> ReferenceScores | None:
        """What 0 and 100 of the normalised scale are, and where that is from; None for an environment without."""
        return next((found.reference for run in self._runs if (found := run.evaluations).reference), None)

    def run(self, seed: int | None = None) -> Run:
        """The run of a seed, which may be left out if there is but one. Raises `UsageError`."""
        if seed is None and len(self._runs) == 1:
            return self._runs[0]
        for run in self._runs:
            if run.seed == seed:
                return run
        raise UsageError(
            f"say which seed: {', '.join(map(str, self.seeds))}" + (f", not {seed}" if seed is not None else "")
        )

    # --- scores -------------------------------------------------------------------------------------------------

    @property
    def score(self) -> Measured:
        """The last score, raw: the final evaluation's return. Raises `RunError` unless every seed is finished."""
        row = self._last()
        return Measured.from_score(row.score, row.over)

    @property
    def normalised(self) -> Measured | None:
        """The last score on the normalised scale (random 0, expert 100); None without reference scores."""
        row = self._last()
        return None if row.normalised is None else Measured.from_score(row.normalised, row.over)

    @property
    def best(self) -> Measured:
        """The best periodic return of each seed: picked with hindsight, so report `score`."""
        row = self._best()
        return Measured.from_score(row.score, row.over)

    @property
    def best_normalised(self) -> Measured | None:
        """`best` on the normalised scale."""
        row = self._best()
        return None if row.normalised is None else Measured.from_score(row.normalised, row.over)

    def _last(self) -> SummaryRow:
        finals = [run.evaluations.final for run in self._runs]
        return self._row(finals, "has no final score yet")

    def _best(self) -> SummaryRow:
        return self._row([run.evaluations.best for run in self._runs], "was not evaluated yet")

    def _row(self, evaluations: Sequence[Evaluation | None], lacking: str) -> SummaryRow:
        without = [str(run.seed) for run, found in zip(self._runs, evaluations, strict=True) if found is None]
        if without:
            raise RunError(
                f"seed {', '.join(without)} of {self.algorithm} on {self.dataset} {lacking}: the call or command that"
                " began it resumes it. What there is so far: curve(), metrics()"
            )
        return row_of("", [found for found in evaluations if found is not None], self.reference)

    def table(self) -> list[dict[str, Any]]:
        """The command line's last table, a dictionary a row: label, mean, low, high, normalised, over.

        Last, best, behaviour cloning on the same data if there are runs of it, the data itself, the reference scores.
        Seeds without a final score are left out of the first row.
        """
        return [
            {
                "label": row.label,
                "mean": row.score.mean,
                "low": row.score.low,
                "high": row.score.high,
                "normalised": None if row.normalised is None else row.normalised.mean,
                "over": row.over,
            }
            for row in self._rows()
        ]

    def _rows(self) -> list[SummaryRow]:
        return summary_rows(self._subject(), [run.evaluations for run in self._runs])

    def _subject(self) -> Subject:
        return Subject.of_config(self._runs[0].config, self._runs[0].folder, self.reference)

    # --- what happened on the way -------------------------------------------------------------------------------

    def curve(self) -> dict[str, Any]:
        """The periodic evaluations of k iterations and s seeds.

        Returns:
            `iterations` [k]; `seeds` [s]; `returns` [k, s] and `normalised` [k, s], which is None without reference
            scores, NaN where a seed was not evaluated; `mean`, `low`, `high` [k]: of the returns, with the 95%
            interval over seeds, or over episodes if there is one seed.
        """
        found = [{e.iteration: e for e in run.evaluations.periodic} for run in self._runs]
        iterations = sorted(set().union(*found))
        returns = np.array(
            [[points[i].score.mean if i in points else np.nan for points in found] for i in iterations], dtype=float
        ).reshape(len(iterations), len(found))
        scores = [row_of("", [points[i] for points in found if i in points], None).score for i in iterations]
        reference = self.reference
        return {
            "iterations": np.array(iterations, dtype=np.int64),
            "seeds": np.array(self.seeds, dtype=np.int64),
            "returns": returns,
            "normalised": None if reference is None else reference.normalise(returns),  # type: ignore[arg-type]
            "mean": np.array([score.mean for score in scores]),
            "low": np.array([score.low for score in scores]),
            "high": np.array([score.high for score in scores]),
        }

    def metrics(self, *names: str) -> dict[str, Array]:
        """Logged metrics, such as `critic/loss`, by name [k, s] of k iterations and s seeds; all without a name.

        `iterations` [k] counts them; a value is NaN where a seed or phase has none. Raises `UsageError` for a metric
        that no seed logged.
        """
        logs = [{row["iteration"]: row for row in MetricsLog(run.folder).rows()} for run in self._runs]
        known = list(dict.fromkeys(name for rows in logs for row in rows.values() for name in row))
        known = [name for name in known if name not in ("iteration", "phase")]
        for name in names:
            if name not in known:
                raise UsageError(f"no seed logged a metric {name!r}.{did_you_mean(name, known)}")
        iterations = sorted(set().union(*logs))
        found: dict[str, Array] = {"iterations": np.array(iterations, dtype=np.int64)}
        for name in names or known:
            values = [[rows.get(i, {}).get(name) for rows in logs] for i in iterations]
            found[name] = np.array(values, dtype=np.float64)  # None becomes NaN
        return found

    def policy(self, seed: int | None = None) -> RunPolicy:
        """A seed's trained policy, from its newest checkpoint: `policy(obs) -> action`. See `zoo_core.RunPolicy`."""
        from zoo_core.acting import RunPolicy

        return RunPolicy.load(self.run(seed).folder)

    # --- shown --------------------------------------------------------------------------------------------------

    def headline(self) -> str:
        """One line that says everything a score must say, or how far the seeds are."""
        if self.finished:
            return score_line(self._subject(), self._last(), self.seeds)
        states = "; ".join(f"seed {run.seed} {run._state()}" for run in self._runs)
        return f"{self.algorithm} on {self.dataset}: {states}"

    def _cells(self) -> list[tuple[str, str, str, str]]:
        return as_text(self._rows())

    def __repr__(self) -> str:
        cells = [_HEADERS, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
        return "\n".join([*lines, "", self.headline()])

    def _repr_html_(self) -> str:
        """The same as a table for notebooks."""
        head = "".join(f"<th style='text-align:left'>{html.escape(cell)}</th>" for cell in _HEADERS)
        rows = (
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._cells()
        )
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            f"<small>{html.escape(self.headline())}</small>"
        )


_HEADERS = ("", "return", "normalised", "over")


def load_runs(path: str | Path) -> list[Runs]:
    """Open the runs at or below a folder, finished or not: one `Runs` for each configuration, its seeds together.

    >>> for runs in zoo_core.load_runs("runs/mpe-cn/expert"):
    ...     print(runs)

    A damaged run is left out with a warning. Raises `RunError` if there is no whole one.
    """
    groups: dict[tuple[Path, str, str], list[Run]] = {}
    damaged: list[RunError] = []
    for folder in find_runs(Path(path)):
        try:
            run = Run(folder.path)
        except RunError as error:
            damaged.append(error)
            continue
        identity = run_id(run.config["identity"])
        repetition = run.folder.name.partition(f"-{identity}")[2]  # "-2" where `again` began a second
        groups.setdefault((run.folder.parent, identity, repetition), []).append(run)
    if not groups:
        raise damaged[0]
    for found in damaged:
        warnings.warn(f"left out: {found}", stacklevel=2)
    return [Runs(runs) for runs in groups.values()]
