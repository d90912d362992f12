"""Progress of work on a dataset, on standard error: a bar on a terminal, a line at every tenth in a log file."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a function `(done, total)` that shows how far `what` is; nothing is shown before its first call."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console, what, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as display:
        task = display.add_task(what, total=None, start=True)
        yield lambda done, total: display.update(task, completed=done, total=total)


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """A SIGTERM inside leaves by an exception, so that what is half written is removed, and exits with 143."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _lines(console: Console, what: str, unit: str) -> Callable[[int, int], None]:
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        tenth = 10 * done // max(total, 1)
        if tenth > shown:
            shown = tenth
            console.print(f"{what}: {done:,} of {total:,} {unit}", highlight=False, soft_wrap=True, markup=False)

    return show
