"""The `zoo` command: which commands there are, and what becomes of errors.

Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted. Results go to standard output, everything else to standard
error. A traceback is shown only with `--debug`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from zoo_cli.failures import exit_code_for
from zoo_cli.lazy import LazyGroup

COMMANDS = {
    "list": (
        "zoo_cli.commands.list:list_command",
        "Show what is installed, what is broken and what could be installed.",
    ),
    "info": ("zoo_cli.commands.info:info", "Show the card of an algorithm, environment, dataset, mixer or plugin."),
    "train": ("zoo_cli.commands.train:train", "Train an algorithm on a dataset and score it."),
    "evaluate": ("zoo_cli.commands.evaluate:evaluate", "Score a trained policy again."),
    "render": ("zoo_cli.commands.render:render", "Draw a trained policy acting."),
    "data": ("zoo_cli.commands.data:data", "List, build, collect, import, export, inspect and verify datasets."),
    "plugin": ("zoo_cli.commands.plugin:plugin", "Make a new plugin, prove one, list those installed."),
    "doctor": ("zoo_cli.commands.doctor:doctor", "Check this installation and say how to mend what is wrong."),
}
"""Name → where the command lives, and its line in `zoo --help`."""


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from zoo_cli import __version__ as cli
        from zoo_core import __version__ as core

        click.echo(f"zoo {cli} (zoo-core {core}, Python {sys.version.split()[0]})")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  zoo list\n  zoo info spacql\n  zoo train --algo spacql --env mpe-cn",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show versions."
)
@click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error; works after any command."
)
def zoo() -> None:
    """The offline multi-agent RL zoo: train, evaluate and compare."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. Never raises but for `SystemExit` from a command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given  # taken out here, so that it may stand after any command
    words = [word for word in given if word != "--debug"] or ["--help"]
    try:
        result = zoo.main(words, prog_name="zoo", standalone_mode=False)
        sys.stdout.flush()  # a full disk or a closed pipe shows itself here, not at the interpreter's end
    except BaseException as error:
        return exit_code_for(error, debug=debug)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


if __name__ == "__main__":
    sys.exit(main())
