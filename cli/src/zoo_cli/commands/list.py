"""`zoo list`: what is installed, what is broken and why, what could be installed."""

from __future__ import annotations

import click

from zoo_core.plugins import load_zoo


@click.command("list")
def list_command() -> None:
    """Show what is installed, what is broken and what could be installed."""
    for row in load_zoo().plugins:
        click.echo(f"{row.distribution} {row.version} {row.state} {row.reason}")
