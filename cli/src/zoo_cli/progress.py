"""Live progress of training: a moving view on a terminal, plain lines now and then in a log file."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import click

from zoo_core.training.events import Building, Evaluated, Event, Failed, Finished, Note, Progress, Started

LOG_SECONDS = 30.0
BARS = "▁▂▃▄▅▆▇█"
INTERRUPTED = (130, 143)
WIDE = 110  # columns from which losses and a curve fit beside the rest


class View(Protocol):
    """Watches training; a context manager."""

    def __enter__(self) -> View: ...
    def __exit__(self, kind: Any, error: Any, trace: Any) -> None: ...
    def __call__(self, event: Event) -> None: ...


def make_view(*, quiet: bool) -> View:
    """Nothing but warnings if quiet, a live view on a terminal, else lines on standard error."""
    if quiet:
        return QuietView()
    return LiveView() if sys.stderr.isatty() else LogView()


@dataclass
class Watched:
    """What is known of one seed's run."""

    seed: int
    phase: str = ""
    iteration: int = 0
    total: int = 0
    rate: float = 0.0
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    returns: list[float] = field(default_factory=list)
    state: str = "running"

    def hear(self, event: Event) -> None:
        """Take in an event of this seed."""
        if isinstance(event, Started):
            self.iteration, self.total = event.iteration, event.total
        elif isinstance(event, Progress):
            self.phase, self.iteration, self.total, self.rate = event.phase, event.iteration, event.total, event.rate
            if event.metrics:
                self.metrics = event.metrics
        elif isinstance(event, Evaluated) and not event.final:
            self.iteration = event.iteration
            self.returns.append(event.mean)
        elif isinstance(event, Finished):
            self.iteration, self.state = self.total, "already finished" if event.already else "finished"
        elif isinstance(event, Failed):
            self.state = "stopped" if event.exit_code in INTERRUPTED else "failed"

    @property
    def losses(self) -> str:
        """`critic 0.31  actor -2.1`: the current losses."""
        found = [(n.removesuffix("/loss"), v) for n, v in self.metrics.items() if n.endswith("/loss")]
        return "  ".join(f"{name} {_brief(value)}" for name, value in found)

    @property
    def eta(self) -> str:
        if not self.rate or self.iteration >= self.total:
            return ""
        return duration((self.total - self.iteration) / self.rate)


class QuietView:
    """Warnings and failures only."""

    def __enter__(self) -> QuietView:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note) and event.warning:
            _say(f"warning: {event.text}")
        elif isinstance(event, Failed):
            _say(failure(event))


class LogView(QuietView):
    """A line per evaluation, and one every half minute, so that a log file stays short and says where training is."""

    def __init__(self) -> None:
        self.runs: dict[int, Watched] = {}
        self.spoken: dict[int, float] = {}
        self.tenth = -1

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, Note):
            if not event.warning:
                _say(event.text)
            return
        if isinstance(event, Building):
            self._building(event)
            return
        run = self.runs.setdefault(event.seed, Watched(event.seed))
        run.hear(event)
        if isinstance(event, Started):
            where = f"resumed after iteration {event.iteration:,}" if event.iteration else "started"
            _say(f"seed {event.seed}  {where} of {event.total:,}  {event.folder}")
        elif isinstance(event, Progress) and time.monotonic() - self.spoken.get(event.seed, 0.0) > LOG_SECONDS:
            self.spoken[event.seed] = time.monotonic()
            _say(_line(run))
        elif isinstance(event, Evaluated):
            scale = "" if event.normalised is None else f"  normalised {event.normalised:.1f}"
            kind = "final score" if event.final else "return"
            half = (event.high - event.low) / 2
            _say(
                f"seed {event.seed}  iteration {event.iteration:,}/{run.total:,}"
                f"  {kind} {event.mean:.1f} ± {half:.1f}{scale}  ({event.episodes:,} episodes)"
            )
        elif isinstance(event, Finished) and event.already:
            _say(f"seed {event.seed}  already finished: {event.folder} (--again starts another run)")

    def _building(self, event: Building) -> None:
        tenth = 10 * event.done // max(event.total, 1)
        if tenth != self.tenth:
            self.tenth = tenth
            _say(f"building dataset {event.dataset}: {event.done:,}/{event.total:,} transitions")


class LiveView(QuietView):
    """A row per seed that moves: bar, rate, time left, losses, returns."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(stderr=True)
        self.runs: dict[int, Watched] = {}
        self.building: Building | None = None
        self._live = Live(
            console=self.console,
            get_renderable=self._render, refresh_per_second=4, transient=False,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> LiveView:
        self._live.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.refresh()
        self._live.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Note):
            self.console.print(event.text, style="yellow" if event.warning else "dim", markup=False, highlight=False)
            return
        if isinstance(event, Building):
            self.building = event
            return
        self.building = None
        if isinstance(event, Failed):
            self.console.print(failure(event), style="red", markup=False, highlight=False)
        elif isinstance(event, Finished) and event.already:
            text = f"seed {event.seed} is already finished: {event.folder} (--again starts another run)"
            self.console.print(text, markup=False, highlight=False)
        elif isinstance(event, Started) and event.iteration:
            self.console.print(f"seed {event.seed}: resumed after iteration {event.iteration:,}", highlight=False)
        self.runs.setdefault(event.seed, Watched(event.seed)).hear(event)

    def _render(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for _ in range(7):
            table.add_column(no_wrap=True)
        if self.building is not None:
            done, total = self.building.done, self.building.total
            bar = ProgressBar(total=total, completed=min(done, total), width=30)
            table.add_row(f"building {self.building.dataset}", bar, f"{done:,}/{total:,} transitions")
        wide = self.console.width >= WIDE
        for run in list(self.runs.values()):
            if run.total:
                bar = ProgressBar(total=run.total, completed=run.iteration, width=24 if wide else 12)
                rate = f"{run.rate:.3g}/s" if run.rate and run.state == "running" else run.state
                cells = [f"seed {run.seed}", bar, f"{run.iteration:,}/{run.total:,}", rate, run.eta]
                if run.returns:
                    cells.append(f"return {run.returns[-1]:.1f} {sparkline(run.returns, 16 if wide else 8)}")
                if wide:
                    cells += [""] * (6 - len(cells)) + [f"[dim]{run.losses}[/dim]"]
                table.add_row(*cells)
        return table


def failure(event: Failed) -> str:
    """What became of a seed that did not finish."""
    if event.exit_code in INTERRUPTED:
        return f"seed {event.seed} {event.message}"
    return f"seed {event.seed} failed: {event.message}"


def sparkline(values: list[float], width: int = 16) -> str:
    """The last values as a row of bars, scaled to their own range."""
    shown = values[-width:]
    low, span = min(shown), max(shown) - min(shown)
    if span <= 0:
        return BARS[0] * len(shown)
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in shown)


def duration(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _line(run: Watched) -> str:
    share = 100 * run.iteration // max(run.total, 1)
    return (
        f"seed {run.seed}  iteration {run.iteration:,}/{run.total:,} ({share}%)  {run.phase}"
        f"  {run.rate:.3g} it/s  {run.eta} left  {run.losses}"
    )


def _brief(value: float | None) -> str:
    return "nan" if value is None else f"{value:.3g}"


def _say(text: str) -> None:
    click.echo(text, err=True)
