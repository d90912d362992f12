"""Tables and cards: ruled and coloured on a terminal, plain aligned text in a pipe or a log file."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click

PROSE = 24
"""Texts longer than this are prose, unless they are names: a terminal's table may fold them, down to this width."""


def show_json(value: Any) -> None:
    """JSON on standard output, for other programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_heading(text: str) -> None:
    click.echo(click.style(text, bold=True))


def show_table(headers: Sequence[str], rows: Sequence[Sequence[Any]], *, red: Sequence[int] = ()) -> None:
    """A table of texts; `red` holds the indices of rows to stand out. Nothing is cut off."""
    texts = [[str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _show_rich(headers, texts, red)
        return
    widths = [max(map(len, column)) for column in zip(headers, *texts, strict=True)]
    for row in [list(headers), *texts]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(("  " + "  ".join(cells)).rstrip())


def show_text(text: str) -> None:
    """A line or paragraph, wrapped on a terminal."""
    room = max(40, shutil.get_terminal_size().columns - 2) if sys.stdout.isatty() else 0
    click.echo(textwrap.indent(textwrap.fill(text, room) if room else text, "  "))


def show_facts(facts: Mapping[str, Any], *, whole: Sequence[str] = ("install",)) -> None:
    """`label  value` lines, wrapped on a terminal; empty values are left out.

    `whole`: labels of commands, which are left to the terminal to wrap, so that they can be copied.
    """
    shown = {label: str(value) for label, value in facts.items() if value not in ("", None)}
    width = max(map(len, shown), default=0)
    for label, value in shown.items():
        if sys.stdout.isatty() and label not in whole:
            room = max(40, shutil.get_terminal_size().columns - width - 4)
            value = textwrap.fill(value, room).replace("\n", "\n" + " " * (width + 4))
        click.echo(f"  {label.ljust(width)}  {value}")


def _show_rich(headers: Sequence[str], rows: Sequence[Sequence[str]], red: Sequence[int]) -> None:
    """Only prose is folded: names are to be copied and numbers to be read.

    Where names leave too little room for the rest, each stands on a line of its own above its row.
    """
    from rich import box
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console()
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    prose = [number > 0 and width > PROSE for number, width in enumerate(widths)]
    least = sum(PROSE if folds else width for width, folds in zip(widths, prose, strict=True)) + 3 * len(widths)
    stacked = least > console.width and len(widths) > 1

    def empty(first: int, **style: Any) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", **style)
        for header, width, folds in list(zip(headers, widths, prose, strict=True))[first:]:
            table.add_column(header, no_wrap=not folds, overflow="fold", min_width=None if folds else width)
        return table

    styles = ["red" if index in red else "" for index in range(len(rows))]
    if not stacked:
        table = empty(0)
        for row, style in zip(rows, styles, strict=True):
            table.add_row(*map(Text, row), style=style)
        console.print(table)
        return
    console.print(Padding(empty(1), (0, 0, 0, 2)))
    for row, style in zip(rows, styles, strict=True):
        console.print(Text(row[0], style=style), soft_wrap=True)
        table = empty(1, show_header=False, show_edge=False)
        table.add_row(*map(Text, row[1:]), style=style)
        console.print(Padding(table, (0, 0, 0, 2)))
