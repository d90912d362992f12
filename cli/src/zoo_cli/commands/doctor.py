"""`zoo doctor`: what this installation consists of, what is wrong with it and how to mend it."""

from __future__ import annotations

import click

from zoo_cli.checks import Check, all_checks
from zoo_cli.tables import show_json, show_table
from zoo_core.plugins import discover


@click.command("doctor", epilog="\b\nExamples:\n  zoo doctor\n  zoo doctor --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Check this installation and say how to mend what is wrong.

    Looks at Python, the packages, every plugin (afresh, whatever the cache says), torch's device and threads, the
    compiler, and the cache and data folders. Exits with 1 if something is broken.
    """
    checks = list(all_checks(discover(refresh=True)))
    if as_json:
        show_json([check.as_json() for check in checks])
    else:
        _show(checks)
    return 1 if any(check.state == "bad" for check in checks) else 0


def _show(checks: list[Check]) -> None:
    bad = [index for index, check in enumerate(checks) if check.state == "bad"]
    show_table(("", "what", "found"), [(check.state, check.topic, check.found) for check in checks], red=bad)
    remarks = [check for check in checks if check.mend]
    if remarks:
        click.echo("\nTo mend:")
        for check in remarks:
            click.echo(f"  {check.topic}: {check.mend}")
    click.echo(f"\n{len(bad)} broken." if bad else "\nNothing is broken.")
