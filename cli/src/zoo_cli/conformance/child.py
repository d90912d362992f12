"""The child process of `zoo plugin check`: tests the claims about some entries, one after the other.

It reads its job, one JSON object, from standard input, and speaks JSON lines on what was its standard output; from then
on the plugin's own prints go to standard error. A line says what is being tried, the next what came of it, so that the
parent can say in which claim the process ended or hung. Where it hung or crashed stands on standard error.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import math
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

Say = Callable[[dict[str, Any]], None]

IMPORT = "the_factory_can_be_imported"
LISTING = "the_claims_can_be_listed"
LONGEST = 86_400.0
"""Seconds beyond which there is no limit: clocks of the system hold no endless ones."""
BEFORE = -1
"""The number of what comes before the kit's own claims, which are numbered from zero."""


def main() -> None:
    """Do the job and end the process."""
    job = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    faulthandler.enable()

    def say(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    work(job, say)
    say({"finished": True})
    os._exit(0)  # threads and exit handlers of the plugin have no say any more


def work(job: dict[str, Any], say: Say) -> None:
    """Test what the job names: the plugin's imports, then every entry from the claim it was left at."""
    from zoo_cli.conformance.imports import private_imports
    from zoo_cli.conformance.rows import PACKAGE, Row, Selection
    from zoo_core.entries import EnvEntry, entry_from_json
    from zoo_core.testing import tiny  # noqa: F401  imports torch before the first claim's clock starts

    selection, seconds = Selection(job["only"]), float(job["seconds"])
    if job["packages"] and selection.takes(PACKAGE, "uses_only_the_public_api"):
        found = private_imports(job["packages"])
        mend = "use what zoo_core, zoo_core.nn, zoo_core.data and zoo_core.testing export: only that stays as it is"
        row = Row(
            PACKAGE, "uses_only_the_public_api", "warn" if found else "pass", "; ".join(found), (found and mend) or ""
        )
        say({"row": row.as_json()})
    entries = [(entry_from_json(item["entry"]), int(item["done"])) for item in job["entries"]]
    envs = [entry for data in job["envs"] if isinstance(entry := entry_from_json(data), EnvEntry)]
    for entry, done in entries:
        _check_entry(entry, done, envs, selection, seconds, say)


def _check_entry(entry: Any, done: int, envs: list[Any], selection: Any, seconds: float, say: Say) -> None:
    """Test the claims about one entry, leaving out the first `done`."""
    from zoo_cli.conformance.rows import Row
    from zoo_core.testing.checks import Claim, run_claims
    from zoo_core.testing.kit import claims, package_of

    about, package = f"{entry.KIND} {entry.name}", package_of(entry)

    def tested(name: str, claim: Callable[[], None], number: int, required: bool = True) -> Row:
        say({"about": about, "claim": name, "number": number})
        _watch(seconds)
        (found,) = run_claims([Claim(name, claim, required)], package=package)
        faulthandler.cancel_dump_traceback_later()
        return Row(about, name, found.outcome, found.detail, "", round(found.seconds, 3))

    listed: list[Claim] = []
    listing = tested(LISTING, lambda: listed.extend(claims(entry, envs=envs)), BEFORE)
    if listing.outcome != "pass":
        say({"row": listing.as_json()})
    chosen = [(number, claim) for number, claim in enumerate(listed) if selection.takes(about, claim.name)]
    if chosen or selection.takes(about, IMPORT):
        imported = tested(IMPORT, lambda: _import(entry.factory), BEFORE)
        if imported.outcome != "pass" or not (done or IMPORT in map(str, listed)):
            say({"row": imported.as_json()})
        for number, claim in chosen if imported.outcome == "pass" else []:
            if number >= done:
                say({"row": tested(claim.name, claim.test, number, claim.required).as_json()})
    say({"over": True})


def _import(factory: str) -> None:
    """Import what an entry names as its factory. An error of the plugin's own while it is imported is let through."""
    from zoo_core.errors import did_you_mean
    from zoo_core.testing.checks import Broken, demand

    name, _, attribute = factory.partition(":")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            raise Broken(f"there is no module {error.name}: write it, or correct the factory {factory!r}") from error
        raise
    except SyntaxError as error:
        raise Broken(f"{error.filename}:{error.lineno}: {error.msg}") from error
    demand(hasattr(module, attribute), f"{name} has no {attribute!r}.{did_you_mean(attribute, vars(module))}")
    demand(callable(getattr(module, attribute)), f"{factory} cannot be called: the factory is a class or a function")


def _watch(seconds: float) -> None:
    """Say on standard error where the process is once the time is up; and end it if the parent has not done so."""
    seconds = min(seconds, LONGEST)
    faulthandler.dump_traceback_later(seconds)
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds) + 10)  # nobody else ends a plugin that hangs if the parent was killed
