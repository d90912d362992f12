"""The reference of the command line: the help of every command, as a terminal of 80 columns shows it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from zoo_cli.main import zoo

WIDTH = 80

INTRODUCTION = """<!-- Written by `python scripts/reference.py --write` from the commands; do not edit. -->

# Command line

Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 bad usage, 130
interrupted, 143 terminated.

| variable | says |
| --- | --- |
| `ZOO_CACHE` | where the zoo keeps what it makes; `$XDG_CACHE_HOME/zoo`, else `~/.cache/zoo` |
| `ZOO_DATA` | where datasets lie; `data` in that folder |
| `ZOO_KEEP_MEMORY` | `0`: what training frees goes back to the system ([Python](../python.md)) |
| `ZOO_PLUGINS` | only these distributions are plugins: `ZOO_PLUGINS=zoo-mpe,zoo-bc` |
| `ZOO_PLUGINS_OFF` | these distributions are not |
| `ZOO_PROBE_SECONDS` | how long an unknown plugin may take when it is first asked what it offers; 20 |
"""


def page() -> str:
    """Every command and subcommand, in the order of `zoo --help`."""
    root = context(zoo, "zoo", None)
    blocks = [f"## {ctx.command_path}\n\n```text\n{ctx.get_help().rstrip()}\n```" for ctx in walk(root)]
    return INTRODUCTION + "\n" + "\n\n".join(blocks) + "\n"


def walk(ctx: click.Context) -> Iterator[click.Context]:
    """A command's context, then those of its subcommands."""
    yield ctx
    command = ctx.command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            if found is not None and not found.hidden:
                yield from walk(context(found, name, ctx))


def context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """As click makes it when the command runs, but for the width, which is fixed."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    return click.Context(command, info_name=name, parent=parent, **settings)
