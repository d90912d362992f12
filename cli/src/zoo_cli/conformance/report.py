"""How `zoo plugin check` looks: rows as they come, with the one being tested on a terminal, and a last line."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import click

from zoo_cli.conformance.rows import PACKAGE, Row, counts, verdict

MARKS = {"pass": "pass", "warn": "warn", "skip": "skip", "fail": "FAIL"}
COLOURS = {"pass": "green", "warn": "yellow", "skip": "bright_black", "fail": "red"}
NAME_WIDTH, PACKAGE_NAME_WIDTH = 52, 32
"""Columns for the name of a claim on an entry, and on the package: the longest of the kit's fit."""
MANY = 20
"""Rows above which the failed ones are named again at the end."""


class Live(Protocol):
    def trying(self, about: str, name: str) -> None: ...
    def show(self, row: Row) -> None: ...


@contextmanager
def reporting(*, silent: bool) -> Iterator[Live]:
    """Where rows go: to the terminal with the claim being tested below them, or line by line; or nowhere."""
    if silent:
        yield _Silent()
    elif sys.stdout.isatty():
        yield from _on_terminal()
    else:
        yield _Lines()


def show_summary(name: str, rows: Sequence[Row], seconds: float, *, partial: bool) -> None:
    """The grade: counts, time, what is to be mended, and the verdict in words."""
    found = counts(rows)
    words = {"pass": "passed", "warn": "warned", "skip": "skipped", "fail": "failed"}
    tally = ", ".join(
        f"{found[word]} {said}" for word, said in words.items() if found[word] or word in ("pass", "fail")
    )
    failed = [row for row in rows if row.outcome == "fail"]
    if failed and len(rows) > MANY:
        click.echo("\nTo mend:")
        for row in failed:
            click.echo(f"  {row.about}: {row.name}")
    colour = "red" if found["fail"] else "yellow" if found["warn"] else "green"
    said = click.style(f"{name} {verdict(rows, partial=partial)}.", fg=colour, bold=True)
    click.echo(f"\n{tally} in {seconds:.1f} s. {said}")


def as_json(head: dict[str, Any], rows: Sequence[Row], seconds: float, *, partial: bool) -> dict[str, Any]:
    """Everything in one object, for other programs."""
    return {
        **head,
        "counts": counts(rows),
        "verdict": f"{head['plugin']} {verdict(rows, partial=partial)}",
        "seconds": round(seconds, 2),
        "rows": [row.as_json() for row in rows],
    }


class _Silent:
    def trying(self, about: str, name: str) -> None:
        pass

    def show(self, row: Row) -> None:
        pass


class _Lines:
    """One line a row, under a heading for what the rows are about; detail and mending on lines of their own."""

    def __init__(self) -> None:
        self.about = ""

    def trying(self, about: str, name: str) -> None:
        pass

    def show(self, row: Row) -> None:
        for line in self.lines(row):
            click.echo(line)

    def lines(self, row: Row) -> Iterator[str]:
        if row.about != self.about:
            self.about = row.about
            yield click.style(f"\n{row.about}", bold=True)
        mark = click.style(MARKS[row.outcome], fg=COLOURS[row.outcome], bold=row.outcome == "fail")
        time = f"{row.seconds:6.2f} s" if row.seconds >= 0.005 else ""
        width = PACKAGE_NAME_WIDTH if row.about == PACKAGE else NAME_WIDTH
        line = f"{row.name:{width}} {time:8}"
        brief = row.outcome in ("pass", "skip") and len(f"  pass  {line}  {row.detail}") <= _columns()
        yield f"  {mark}  {line}  {row.detail if brief else ''}".rstrip()
        if not brief:
            yield from _indented([row.detail, row.mend])


def _columns() -> int:
    return max(80, shutil.get_terminal_size().columns)


def _indented(texts: Iterable[str]) -> Iterator[str]:
    """Paragraphs below a row, as wide as the terminal; a plugin's own line breaks stay."""
    for text in filter(None, texts):
        for paragraph in text.splitlines():
            yield textwrap.fill(
                paragraph,
                _columns(),
                initial_indent=" " * 8,
                subsequent_indent=" " * 8,
                break_long_words=False,
                break_on_hyphens=False,
            )


def _on_terminal() -> Iterator[Live]:
    """Rows above, the claim being tested and its time below."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    lines = _Lines()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(), transient=True) as progress:
        task = progress.add_task("looking at the package", total=None)

        class Terminal:
            def trying(self, about: str, name: str) -> None:
                progress.reset(task, description=f"{about}: {name}")

            def show(self, row: Row) -> None:
                progress.console.print(Text.from_ansi("\n".join(lines.lines(row))), soft_wrap=True)

        yield Terminal()
