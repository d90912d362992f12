"""The last table: the trained policy beside behaviour cloning, the data and the reference scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.entries import ReferenceScores
from zoo_core.errors import RunError
from zoo_core.training.folder import RunFolder
from zoo_core.training.plan import Plan
from zoo_core.training.scores import Evaluation, Evaluations, Score
from zoo_core.training.train import TrainResult

BASELINE = "bc"
"""The algorithm that stands in every table, if a run of it on the same data exists."""


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A line of the table. `over` says what the interval is over, or why there is none."""

    label: str
    score: Score
    normalised: Score | None
    over: str

    def as_json(self) -> dict[str, Any]:
        body = {"label": self.label, **self.score.as_json(), "over": self.over}
        body["count"] = body.pop("episodes")
        return body if self.normalised is None else {**body, "normalised": self.normalised.as_json()["mean"]}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a table is about, as a plan or a run folder knows it. `parent`: the folder of the algorithm's runs."""

    algorithm: str
    dataset: str
    dataset_hash: str
    data: Score
    reference: ReferenceScores | None
    parent: Path
    preset: str
    iterations: int

    @classmethod
    def of_plan(cls, plan: Plan) -> Subject:
        card = plan.dataset.card
        data = Score(card.returns["mean"], card.returns["std"], card.episodes)
        return cls(
            plan.algorithm.name, plan.dataset.name, plan.dataset.hash, data, plan.reference, plan.parent,
            plan.resolved.preset, plan.config.iterations,
        )  # fmt: skip

    @classmethod
    def of_config(cls, config: Mapping[str, Any], folder: Path, reference: ReferenceScores | None) -> Subject:
        """From `config.json` of the run in `folder`. Old ones lack the spread of the data's return."""
        found = config["dataset"]
        data = Score(found["return"], found.get("return_std", 0.0), found.get("episodes", 1))
        return cls(
            config["algorithm"], found["name"], found["hash"], data, reference, folder.parent,
            config["preset"], config["settings"]["iterations"]["value"],
        )  # fmt: skip


def summarise(result: TrainResult) -> list[SummaryRow]:
    """Rows of the final table of a request."""
    return summary_rows(Subject.of_plan(result.plan), [run.evaluations for run in result.runs])


def summary_rows(subject: Subject, runs: Sequence[Evaluations]) -> list[SummaryRow]:
    """Last score (the one that counts), best (with hindsight), BC, dataset, references."""
    reference = subject.reference
    finals = [run.final for run in runs if run.final]
    bests = [run.best for run in runs if run.best]
    rows: list[SummaryRow] = []
    if finals:
        rows.append(row_of(f"{subject.algorithm}, last", finals, reference))
    if bests:
        rows.append(row_of(f"{subject.algorithm}, best (hindsight)", bests, reference, dated=True))
    if subject.algorithm != BASELINE:
        baseline = baseline_finals(subject.parent.parent / BASELINE, subject.dataset_hash)
        rows += [row_of(f"{BASELINE}, last", baseline, reference, dated=True)] if baseline else []
    data = subject.data
    over = f"{data.count:,} episodes" if data.count > 1 else "all episodes"
    rows.append(SummaryRow("dataset", data, _normalise(data, reference), over))
    if reference is not None:
        for name, value in (("random policy", reference.random), ("expert", reference.expert)):
            score = Score(value, 0.0, 1)
            rows.append(SummaryRow(name, score, _normalise(score, reference), "reference"))
    return rows


def score_line(subject: Subject, row: SummaryRow, seeds: Sequence[int]) -> str:
    """Everything a score must say: raw and normalised, last, interval, seeds, episodes, preset, budget."""
    scale = "" if row.normalised is None else f", normalised {row.normalised.mean:.1f}"
    return (
        f"{subject.algorithm} on {subject.dataset}: return {row.score.mean:.2f}{scale}"
        f" (last; 95% interval {row.score.low:.2f} to {row.score.high:.2f} over {row.over};"
        f" seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}; preset {subject.preset};"
        f" {subject.iterations:,} iterations)"
    )


def as_text(rows: Sequence[SummaryRow]) -> list[tuple[str, str, str, str]]:
    """The table's cells. Returns that are all below ten have two decimals, else one."""
    decimals = 2 if all(abs(row.score.mean) < 10.0 for row in rows) else 1
    return [(row.label, plus_minus(row.score, decimals), plus_minus(row.normalised), row.over) for row in rows]


def plus_minus(score: Score | None, decimals: int = 1) -> str:
    """`372.1 ± 8.1`, the number alone where there is no interval, nothing where there is no score."""
    if score is None:
        return ""
    mean = f"{score.mean:.{decimals}f}"
    return mean if score.count < 2 else f"{mean} ± {score.half_width:.{decimals}f}"


def team_score(evaluations: Sequence[Evaluation]) -> tuple[Score, str]:
    """One run: over its episodes. Several: over the runs' means. And which of the two it is, in words."""
    if len(evaluations) == 1:
        return evaluations[0].score, f"{evaluations[0].score.count:,} episodes"
    least, most = (choose(e.score.count for e in evaluations) for choose in (min, max))
    episodes = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return Score.of([e.score.mean for e in evaluations]), f"{len(evaluations)} seeds × {episodes} episodes"


def baseline_finals(parent: Path, dataset_hash: str) -> list[Evaluation]:
    """Final evaluations of the runs below `parent` on this data that trained longest, one of each seed.

    Of several runs of one seed the one scored over most episodes counts, then the newest.
    """
    found: dict[int, list[tuple[int, int, float, Evaluation]]] = {}
    for path in sorted(parent.glob("seed*/config.json")):
        folder = RunFolder(path.parent)
        try:
            config, final = folder.config, Evaluations.load(folder.path).final
        except RunError:
            continue  # a damaged run of another algorithm is not this run's business
        if final is not None and config["dataset"]["hash"] == dataset_hash:
            rank = final.iteration, final.score.count, path.stat().st_mtime
            found.setdefault(config["seed"], []).append((*rank, final))
    best = [max(runs, key=lambda run: run[:3])[3] for _, runs in sorted(found.items())]
    longest = max((final.iteration for final in best), default=0)
    return [final for final in best if final.iteration == longest]


def row_of(
    label: str, evaluations: Sequence[Evaluation], reference: ReferenceScores | None, *, dated: bool = False
) -> SummaryRow:
    """A line; `dated` says after which iteration, where that is not the budget asked for and is the same in all."""
    score, over = team_score(evaluations)
    if dated and len(iterations := {e.iteration for e in evaluations}) == 1:
        over += f", at {iterations.pop():,}"
    return SummaryRow(label, score, _normalise(score, reference), over)


def _normalise(score: Score, reference: ReferenceScores | None) -> Score | None:
    return None if reference is None else score.normalised(reference)
