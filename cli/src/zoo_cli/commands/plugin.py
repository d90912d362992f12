"""`zoo plugin`: make a new plugin, prove one, list those that are installed."""

from __future__ import annotations

from pathlib import Path

import click

from zoo_cli.tables import show_heading


@click.group(
    epilog="\b\nExamples:\n  zoo plugin new foo --kind algorithm\n  zoo plugin check ./zoo-foo\n  zoo plugin list"
)
def plugin() -> None:
    """Make a new plugin, prove one, list those installed.

    `new` writes a complete package that works at once; `check` runs the conformance kit on an installed plugin or on a
    folder, every claim a row.
    """


@plugin.command(
    epilog="\b\nExamples:\n  zoo plugin new foo --kind algorithm\n  zoo plugin new maze --kind env --out ~/plugins\n"
    "  zoo plugin new sticky --kind dataset --env mpe-cn"
)
@click.argument("name")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(["algorithm", "env", "dataset", "mixer"]),
    help="What the plugin offers.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder to write zoo-NAME into; the current one by default.",
)
@click.option("--env", help="The environment that a dataset comes from; an installed one by default.")
def new(name: str, kind: str, out: Path, env: str | None) -> None:
    """Write a complete package zoo-NAME that works at once.

    It has an entry point, a hook module, a small working implementation, tests that run the conformance kit, a README
    and a CI file. NAME has letters a-z, digits and hyphens; a leading zoo- may be left out. Nothing is overwritten and
    nothing is downloaded.
    """
    from zoo_cli.scaffold.naming import parse_name, require_free
    from zoo_cli.scaffold.package import render, require_class_name, write_package
    from zoo_cli.scaffold.partners import find_partners, next_steps, placeholders
    from zoo_core.plugins import load_zoo

    names, zoo = parse_name(name), load_zoo()
    partners = find_partners(kind, zoo, env)
    entry = f"{partners.env}/{names.name}" if kind == "dataset" else names.name
    require_class_name(kind, names)
    require_free(names, entry, zoo)
    files = render(kind, placeholders(kind, names, partners))
    target = out.expanduser() / names.distribution
    write_package(target, files)
    show_heading(f"{names.distribution}: a working plugin that offers the {kind} {entry}, in {target}")
    for path in sorted(files):
        click.echo(f"  {path}")
    show_heading("Next")
    for step in next_steps(kind, names, partners, target):
        click.echo(f"  {step}")


@plugin.command("list", epilog="\b\nExamples:\n  zoo plugin list\n  zoo plugin list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--refresh", is_flag=True, help="Look at every plugin again, whatever the cache says.")
@click.pass_context
def list_plugins(ctx: click.Context, as_json: bool, refresh: bool) -> None:
    """Show the installed plugins: `zoo list plugins`."""
    from zoo_cli.commands.list import list_command

    ctx.invoke(list_command, what="plugins", as_json=as_json, refresh=refresh, available=False)
