"""What a check found: one row for each claim."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["pass", "warn", "skip", "fail"]

PACKAGE = "package"
"""What the rows on the distribution itself are about; the others are about an entry, as `algorithm foo`."""


@dataclass(frozen=True)
class Row:
    """The outcome of one claim.

    Attributes:
        about: `package`, or kind and name of an entry.
        name: the claim's.
        outcome: `pass`, `fail`; `warn`, advice that is not followed; `skip`, a claim that says nothing here.
        detail: what was seen, and how to mend it where `mend` does not say so.
        mend: what to do about it.
        seconds: what testing it took.
    """

    about: str
    name: str
    outcome: Outcome
    detail: str = ""
    mend: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Selection:
    """The claims to test: all, or those whose `about name` holds a pattern, in which `*` stands for anything."""

    pattern: str = ""

    def takes(self, about: str, name: str) -> bool:
        words = map(re.escape, self.pattern.split("*"))
        return re.search(".*".join(words), f"{about} {name}", re.IGNORECASE) is not None


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many rows have each outcome."""
    return {word: sum(row.outcome == word for row in rows) for word in ("pass", "warn", "skip", "fail")}


def verdict(rows: Sequence[Row], *, partial: bool) -> str:
    """What the rows come to, in words that follow a plugin's name. `partial`: not all claims were asked for."""
    found = counts(rows)
    if found["fail"]:
        claims = "1 claim does" if found["fail"] == 1 else f"{found['fail']} claims do"
        return f"is not sound: {claims} not hold"
    advice = ", with advice that is not followed" if found["warn"] else ""
    if partial:
        return f"keeps what was tested{advice}"
    return f"is sound{advice or ': every claim holds'}"
