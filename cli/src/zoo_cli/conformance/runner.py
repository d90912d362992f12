"""Runs the conformance kit on a plugin's entries in a child process, and goes on in a new one where that ends.

Whatever a plugin does in a claim (raise, hang, `os._exit`, a segmentation fault) is one red row that names the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_cli.conformance.process import Child
from zoo_cli.conformance.rows import PACKAGE, Row
from zoo_core.entries import Entry

Trying = Callable[[str, str], None]
"""Told what a claim is about and its name, before it is tested."""

MOST_ENDINGS = 3
"""Claims about one entry that may end the process or hang before the rest of them is left alone."""

MEND = {
    "hung": "make it end in time, or raise the limit: --seconds",
    "left": "raise an error instead: nothing in a plugin may end the process",
    "killed": "a crash in compiled code, or too little memory: look at the call in that line",
}


@dataclass
class Pending:
    """An entry that is not through: how many of its claims are, and how many of those ended the process."""

    entry: Entry
    done: int = 0
    endings: int = 0

    @property
    def about(self) -> str:
        return f"{self.entry.KIND} {self.entry.name}"


@dataclass(frozen=True)
class Job:
    """What is to be tested.

    Attributes:
        entries: those whose claims are tested.
        envs: environments at hand for datasets, installed or not.
        packages: folders or files of the plugin, whose imports are looked at.
        only: the pattern of the claims to test; see `Selection`.
        seconds: time for each claim.
    """

    entries: Sequence[Entry]
    envs: Sequence[Entry]
    packages: Sequence[Path]
    only: str
    seconds: float

    def message(self, pending: Sequence[Pending], first: bool) -> dict[str, Any]:
        return {
            "entries": [{"entry": item.entry.as_json(), "done": item.done} for item in pending],
            "envs": [env.as_json() for env in self.envs],
            "packages": [str(package) for package in self.packages] if first else [],
            "only": self.only,
            "seconds": self.seconds,
        }


def run(job: Job, trying: Trying) -> Iterator[Row]:
    """Every row as soon as it is there. `trying` hears of each claim before it is tested."""
    pending, first = [Pending(entry) for entry in job.entries], True
    while pending or first:
        with Child(job.message(pending, first), job.seconds) as child:
            tried: dict[str, Any] | None = None
            for message in child.messages():
                if "finished" in message:
                    return
                if "row" in message:
                    yield Row(**message["row"])
                if "over" in message:
                    pending.pop(0)
                tried = message if "claim" in message else None
                if tried:
                    trying(tried["about"], tried["claim"])
        yield from _after_the_end(child, pending, tried)
        first = False


def _after_the_end(child: Child, pending: list[Pending], tried: dict[str, Any] | None) -> Iterator[Row]:
    """The row on what ended the process or hung, and what is still to do: at least one claim less than before."""
    how, seen = child.ending()
    if tried is None:  # between two claims: nobody's fault in particular
        about = pending.pop(0).about if pending else PACKAGE
        yield Row(about, "claims_can_be_tested", "fail", seen, MEND[how])
        return
    entry = pending[0]
    yield Row(entry.about, tried["claim"], "fail", f"{seen}{child.place(entry.entry)}", MEND[how])
    entry.done, entry.endings = tried["number"] + 1, entry.endings + 1
    if tried["number"] < 0:
        pending.pop(0)
    elif entry.endings >= MOST_ENDINGS:
        pending.pop(0)
        seen = f"not tested: {MOST_ENDINGS} claims ended the process or hung"
        yield Row(entry.about, "the_other_claims", "fail", seen, "mend those first")
