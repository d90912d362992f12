"""Training's progress as one line of plain text that moves: for notebooks and scripts, without any dependency."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass
from typing import TextIO

from zoo_core.training.events import Building, Evaluated, Event, Failed, Finished, Note, Progress, Started

LIVE_SECONDS, LOG_SECONDS = 0.2, 30.0
"""Seconds between two states of the line where it can move, and between two lines where it cannot."""
WIDTH = 100


@dataclass
class _Seed:
    iteration: int = 0
    total: int = 0
    rate: float = 0.0
    running: bool = True


def warnings_only(event: Event) -> None:
    """The observer of training without progress: warnings are Python's, failures are raised at the end anyway."""
    if isinstance(event, Note) and event.warning:
        warnings.warn(event.text, stacklevel=2)


class LineProgress:
    """An observer that keeps one line on `stream` (standard error) up to date, or writes one now and then to a file.

    Args:
        title: what is trained.
        seeds: how many runs there will be.
    """

    def __init__(self, title: str, seeds: int, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        # A notebook's stream is no terminal, but moves its line on a carriage return like one.
        self.moves = self.stream.isatty() or type(self.stream).__module__.startswith("ipykernel")
        self.title, self.count = title, seeds
        self.seeds: dict[int, _Seed] = {}
        self.last = ""
        self.shown = 0  # width of the line that stands there
        self.at = float("-inf")

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            self._say(f"warning: {event.text}" if event.warning else event.text)
        elif isinstance(event, Building):
            share = 100 * event.done // max(event.total, 1)
            self._move(f"building {event.dataset}: {event.done:,}/{event.total:,} transitions ({share}%)")
        elif isinstance(event, Failed):
            self.seeds.setdefault(event.seed, _Seed()).running = False
            stopped = event.exit_code in (130, 143)
            self._say(f"seed {event.seed} {'' if stopped else 'failed: '}{event.message}")
        else:
            self._hear(event)
            self._move(self._line(), now=isinstance(event, Finished))

    def close(self) -> None:
        """Leave the line as it is and go to the next."""
        if self.shown:
            self.stream.write("\n")
            self.stream.flush()
            self.shown = 0

    def _hear(self, event: Started | Progress | Evaluated | Finished) -> None:
        seed = self.seeds.setdefault(event.seed, _Seed())
        if isinstance(event, Started):
            seed.iteration, seed.total = event.iteration, event.total
            if event.iteration:
                self._say(f"seed {event.seed} goes on after iteration {event.iteration:,}")
        elif isinstance(event, Progress):
            seed.iteration, seed.total, seed.rate = event.iteration, event.total, event.rate
        elif isinstance(event, Evaluated):
            seed.iteration = event.iteration
            scale = "" if event.normalised is None else f" (normalised {event.normalised:.1f})"
            self.last = f"{'score' if event.final else 'return'} {event.mean:.1f}{scale}"
        else:
            seed.iteration, seed.running = seed.total, False
            if event.already:
                self._say(f"seed {event.seed} was already finished: {event.folder} (again=True starts another run)")

    def _line(self) -> str:
        """`bc on mpe-cn: seed 0, 1,240/2,001 (61%), 12.3/s, 1:02 left, return 412.0 (normalised 71.0)`."""
        total = max((seed.total for seed in self.seeds.values()), default=0)
        done = sum(seed.iteration for seed in self.seeds.values())
        budget = total * self.count
        finished = sum(not seed.running for seed in self.seeds.values())
        rate = sum(seed.rate for seed in self.seeds.values() if seed.running)
        who = f"{finished} of {self.count} seeds done" if self.count > 1 else f"seed {next(iter(self.seeds))}"
        parts = [who]
        if budget:
            parts.append(f"{done:,}/{budget:,} ({100 * done // budget}%)")
        if rate and done < budget:
            parts += [f"{rate:.3g}/s", f"{_duration((budget - done) / rate)} left"]
        return f"{self.title}: {', '.join([*parts, *filter(None, [self.last])])}"

    def _move(self, text: str, *, now: bool = False) -> None:
        """Bring the line up to date, unless that was done a moment ago."""
        clock = time.monotonic()
        if not now and clock - self.at < (LIVE_SECONDS if self.moves else LOG_SECONDS):
            return
        self.at = clock
        if not self.moves:
            self._write(f"{text}\n")
            return
        text = text[:WIDTH]
        self._write(f"\r{text.ljust(self.shown)}")
        self.shown = len(text)

    def _say(self, text: str) -> None:
        """A line of its own, above the one that moves."""
        self._write(f"\r{text.ljust(self.shown)}\n" if self.shown else f"{text}\n")
        self.shown = 0

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
