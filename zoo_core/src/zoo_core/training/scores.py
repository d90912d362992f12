"""Scores: mean returns with intervals, and the periodic and final evaluations of one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo_core.entries import ReferenceScores
from zoo_core.errors import RunError
from zoo_core.training.files import explained, read_json, write_json

FILE = "evaluations.json"

_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""97.5% points of Student's t distribution for 1 to 30 degrees of freedom."""


def t_quantile(freedom: int) -> float:
    """97.5% point of Student's t; above 30 degrees of freedom by the first terms of its expansion (to 0.001)."""
    if freedom <= 30:
        return _T_975[freedom - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


@dataclass(frozen=True, slots=True)
class Score:
    """A mean with its 95% t interval over `count` independent values. With one value the interval is that value."""

    mean: float
    std: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Score:
        """Raises ValueError for no values."""
        if not values:
            raise ValueError("a score needs at least one value")
        mean = math.fsum(values) / len(values)
        squares = math.fsum((v - mean) ** 2 for v in values)
        return cls(mean, math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else 0.0, len(values))

    @property
    def half_width(self) -> float:
        """Half the interval: t · s / √count."""
        return t_quantile(self.count - 1) * self.std / math.sqrt(self.count) if self.count > 1 else 0.0

    @property
    def low(self) -> float:
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        return self.mean + self.half_width

    def normalised(self, reference: ReferenceScores) -> Score:
        """The same on the normalised scale (random 0, expert 100)."""
        return Score(
            reference.normalise(self.mean), abs(100.0 * self.std / (reference.expert - reference.random)), self.count
        )

    def as_json(self) -> dict[str, Any]:
        return {"mean": self.mean, "std": self.std, "episodes": self.count, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Returns of the policy after `iteration` iterations, over episodes whose seeds start at `first_seed`."""

    iteration: int
    score: Score
    first_seed: int
    returns: tuple[float, ...] = ()

    def as_json(self, reference: ReferenceScores | None, *, returns: bool = False) -> dict[str, Any]:
        body = {"iteration": self.iteration, **self.score.as_json(), "first_seed": self.first_seed}
        if reference is not None:
            body["normalised"] = reference.normalise(self.score.mean)
        return {**body, "returns": list(self.returns)} if returns else body

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Evaluation:
        score = Score(data["mean"], data["std"], data["episodes"])
        return cls(data["iteration"], score, data["first_seed"], tuple(data.get("returns", ())))


@dataclass
class Evaluations:
    """All evaluations of one run; `final` exists once it is finished."""

    reference: ReferenceScores | None = None
    periodic: list[Evaluation] = field(default_factory=list)
    final: Evaluation | None = None

    @property
    def best(self) -> Evaluation | None:
        """The best periodic evaluation. Picked with hindsight: reports flag it, and rank by the last."""
        return max(self.periodic, key=lambda e: e.score.mean, default=None)

    def truncate(self, iteration: int) -> None:
        """Forget what came after `iteration`."""
        self.periodic = [e for e in self.periodic if e.iteration <= iteration]
        self.final = None

    def save(self, folder: Path) -> None:
        reference = self.reference
        content = {
            "unit": "undiscounted team return of the deterministic policy: mean over learners, sum over steps",
            "reference": None
            if reference is None
            else {"random": reference.random, "expert": reference.expert, "source": reference.source},
            "periodic": [e.as_json(reference) for e in self.periodic],
            "best": self.best.as_json(reference) if self.best else None,
            "final": self.final.as_json(reference, returns=True) if self.final else None,
        }
        with explained(folder):
            write_json(folder / FILE, content)

    @classmethod
    def load(cls, folder: Path) -> Evaluations:
        """Those of a run folder; empty if it has none yet."""
        if not (folder / FILE).exists():
            return cls()
        data = read_json(folder / FILE, "evaluations")
        try:
            reference = ReferenceScores(**data["reference"]) if data["reference"] else None
            final = Evaluation.from_json(data["final"]) if data["final"] else None
            return cls(reference, [Evaluation.from_json(e) for e in data["periodic"]], final)
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{folder / FILE} is damaged ({error!r}). Start another run with --again") from error
