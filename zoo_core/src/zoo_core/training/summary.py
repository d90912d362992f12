"""The last table: the trained policy beside behaviour cloning, the data and the reference scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_core.entries import ReferenceScores
from zoo_core.errors import RunError
from zoo_core.training.folder import RunFolder
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


def summarise(result: TrainResult) -> list[SummaryRow]:
    """Rows of the final table: last score (the one that counts), best (with hindsight), BC, dataset, references."""
    plan, reference = result.plan, result.plan.reference
    finals = [run.evaluations.final for run in result.runs if run.evaluations.final]
    bests = [run.evaluations.best for run in result.runs if run.evaluations.best]
    rows: list[SummaryRow] = []
    if finals:
        rows.append(_row(f"{plan.algorithm.name}, last", finals, reference))
    if bests:
        rows.append(_row(f"{plan.algorithm.name}, best (hindsight)", bests, reference, dated=True))
    if plan.algorithm.name != BASELINE:
        baseline = baseline_finals(plan.parent.parent / BASELINE, plan.dataset.hash)
        rows += [_row(f"{BASELINE}, last", baseline, reference, dated=True)] if baseline else []
    card = plan.dataset.card
    data = Score(card.returns["mean"], card.returns["std"], card.episodes)
    rows.append(SummaryRow("dataset", data, _normalise(data, reference), f"{card.episodes:,} episodes"))
    if reference is not None:
        for name, value in (("random policy", reference.random), ("expert", reference.expert)):
            score = Score(value, 0.0, 1)
            rows.append(SummaryRow(name, score, _normalise(score, reference), "reference"))
    return rows


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


def _row(
    label: str, evaluations: Sequence[Evaluation], reference: ReferenceScores | None, *, dated: bool = False
) -> SummaryRow:
    """A line; `dated` says after which iteration, where that is not the budget asked for and is the same in all."""
    score, over = team_score(evaluations)
    if dated and len(iterations := {e.iteration for e in evaluations}) == 1:
        over += f", at {iterations.pop():,}"
    return SummaryRow(label, score, _normalise(score, reference), over)


def _normalise(score: Score, reference: ReferenceScores | None) -> Score | None:
    return None if reference is None else score.normalised(reference)
