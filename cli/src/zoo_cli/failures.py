"""What the user sees of an error: one message that says what to do, and the exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import traceback

import click

from zoo_core.errors import UnknownName, ZooError, did_you_mean, ran_out_of_memory

DONE, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


def exit_code_for(error: BaseException, *, debug: bool) -> int:
    """Report an error on standard error and return the exit code it stands for."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        raise error
    if isinstance(error, BrokenPipeError):
        _silence_stdout()  # the reader went away, as in `zoo list | head -1`
        return FAILED
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | click.exceptions.Abort):
        _say("interrupted")
        return INTERRUPTED
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        _write(error.format_message())
        return BAD_USAGE
    if isinstance(error, click.UsageError):
        _usage(error)
        return BAD_USAGE
    if isinstance(error, click.ClickException):
        _say(error.format_message())
        return error.exit_code
    if isinstance(error, ZooError):
        _say(str(error) + (_whose(error) if isinstance(error, UnknownName) else ""))
        return error.exit_code
    _say(_unplanned(error, debug))
    return FAILED


def _whose(error: UnknownName) -> str:
    """Where an unknown name can be had, if the catalogue knows it and its plugin is not installed."""
    from importlib import metadata

    from zoo_cli.registry import load_registry

    for known in load_registry():
        if known.offers(error.name) and error.kind in known.provides:
            try:
                metadata.version(known.distribution)
            except metadata.PackageNotFoundError:
                return f"\nIt comes with {known.distribution}, which is not installed: {known.install_command()}"
    return ""


def _unplanned(error: BaseException, debug: bool) -> str:
    """The message for an error nobody raised on purpose."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        _silence_stdout()
        where = f" while writing {error.filename}" if error.filename else ""
        return f"the disk is full{where}: make room, or set ZOO_CACHE, ZOO_DATA or --out to a folder elsewhere"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror or error}"
    if ran_out_of_memory(error):
        return "out of memory: use fewer --jobs, a smaller batch_size or a smaller dataset"
    hint = "" if debug else "; the same command with --debug shows where"
    return f"unexpected {type(error).__name__}: {error}{hint}"


def _usage(error: click.UsageError) -> None:
    """Click's usage errors, with a suggestion for a misspelt choice and the command whose help explains it."""
    message = error.format_message()
    if isinstance(error, click.BadParameter) and error.param is not None:
        choices = getattr(error.param.type, "choices", ())
        given = re.match(r"'(.*?)' is not", error.message)
        if choices and given:
            message += did_you_mean(given[1], [str(getattr(c, "value", c)) for c in choices], listed=True)
    _say(message)
    if error.ctx is not None:
        _write(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help'.")


def _say(message: str) -> None:
    """One message; click leaves the colour out where standard error is no terminal."""
    _write(click.style("Error: ", fg="red", bold=True) + message)


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # standard error may be full or closed too
        click.echo(text, err=True)


def _silence_stdout() -> None:
    """Keep the interpreter's last flush from failing once more."""
    with contextlib.suppress(OSError, ValueError):
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
