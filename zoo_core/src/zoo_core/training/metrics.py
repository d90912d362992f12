"""Metrics: means over an interval, one row per interval in `metrics.jsonl`, all rows again as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo_core.training.files import explained, write_atomic

Row = dict[str, Any]


class Means:
    """Running means of metrics [S] or [S, k] since the last row. Sums are float64 and part of a checkpoint."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Mapping[str, Tensor]) -> None:
        for name, value in metrics.items():
            value = value.to(torch.float64)
            before = self._sums.get(name)
            self._sums[name] = value if before is None else before + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self, index: int) -> dict[str, float | None]:
        """One seed's means; a vector metric becomes `name/0`, `name/1`, … Not finite becomes None."""
        row: dict[str, float | None] = {}
        for name, total in self._sums.items():
            mean = (total[index] / self._counts[name]).reshape(-1).tolist()
            labels = [name] if total.dim() == 1 else [f"{name}/{i}" for i in range(len(mean))]
            row |= {label: x if math.isfinite(x) else None for label, x in zip(labels, mean, strict=True)}
        return row

    def clear(self) -> None:
        self._sums.clear()
        self._counts.clear()

    def state(self, index: int) -> dict[str, Any]:
        """One seed's sums and counts as JSON; Python writes floats so that they read back equal."""
        return {name: [_jsonable(total[index].tolist()), self._counts[name]] for name, total in self._sums.items()}

    def load(self, states: list[Mapping[str, Any]], device: torch.device) -> None:
        self.clear()
        for name, (_, count) in states[0].items():
            values = [torch.tensor(_from_json(state[name][0]), dtype=torch.float64) for state in states]
            self._sums[name] = torch.stack(values).to(device)
            self._counts[name] = count


class MetricsLog:
    """`metrics.jsonl` of one run: a row per line, flushed as written; and `metrics.csv`, made from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "metrics.jsonl"

    def truncate(self, iteration: int) -> None:
        """Drop rows after `iteration` and what a kill left half written."""
        kept = [json.dumps(row) + "\n" for row in self.rows() if row["iteration"] <= iteration]
        with explained(self.folder):
            write_atomic(self.path, "".join(kept).encode())

    def append(self, row: Row) -> None:
        with explained(self.folder), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")

    def rows(self) -> list[Row]:
        """Every complete row, in order."""
        if not self.path.exists():
            return []
        rows: list[Row] = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                break  # the line a kill cut short
            if not isinstance(row, dict) or not isinstance(row.get("iteration"), int):
                break
            rows.append(row)
        return rows

    def write_csv(self) -> None:
        """`metrics.csv`: the union of all columns, empty where a row has no value."""
        rows = self.rows()
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with explained(self.folder):
            write_atomic(self.folder / "metrics.csv", text.getvalue().encode())


def _jsonable(value: Any) -> Any:
    """JSON has no NaN or infinity: they travel as text."""
    if isinstance(value, list):
        return [_jsonable(v) for v in value]
    return value if math.isfinite(value) else str(value)


def _from_json(value: Any) -> Any:
    return [_from_json(v) for v in value] if isinstance(value, list) else float(value)
