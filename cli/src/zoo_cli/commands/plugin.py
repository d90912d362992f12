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


@plugin.command(
    epilog="\b\nExamples:\n  zoo plugin check zoo-bc\n  zoo plugin check ./zoo-foo\n"
    "  zoo plugin check spacql --only 'resumed*discrete'"
)
@click.argument("name", metavar="NAME|PATH")
@click.option("--only", default="", metavar="PATTERN", help="Test only claims that hold this text; * is anything.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=60,
    show_default=True,
    help="Time for each claim; what takes longer has failed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(name: str, only: str, seconds: float, as_json: bool) -> int:
    """Prove a plugin: its package, then the conformance kit on all it offers.

    NAME is an installed plugin or something it offers; PATH is a plugin's folder, installed or not. Every claim is a
    row that passes, fails and says how to mend it, warns (advice) or is skipped with the reason. The plugin runs in a
    process of its own. Exits with 1 if a row failed, with 2 if there is no such plugin.
    """
    from zoo_cli.conformance.grading import grade

    return grade(name, only=only, seconds=seconds, as_json=as_json)


@plugin.command("list", epilog="\b\nExamples:\n  zoo plugin list\n  zoo plugin list --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--refresh", is_flag=True, help="Look at every plugin again, whatever the cache says.")
@click.pass_context
def list_plugins(ctx: click.Context, as_json: bool, refresh: bool) -> None:
    """Show the installed plugins: `zoo list plugins`."""
    from zoo_cli.commands.list import list_command

    ctx.invoke(list_command, what="plugins", as_json=as_json, refresh=refresh, available=False)
