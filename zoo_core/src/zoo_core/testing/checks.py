"""What a check is: a named claim about an entry that holds, or says how to mend it."""

from __future__ import annotations

import re
import sys
import time
import traceback
import unittest
import warnings
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from zoo_core.errors import ZooError

Outcome = Literal["pass", "fail", "warn", "skip"]

_LABELS = {"pass": "ok  ", "fail": "FAIL", "warn": "warn", "skip": "skip"}
_NOT_A_PLUGIN = frozenset({"zoo_core", "torch", "numpy", "safetensors", "pluggy", "yaml"}) | sys.stdlib_module_names


class Check(NamedTuple):
    """The outcome of one claim.

    Attributes:
        name: the claim's.
        outcome: `pass`; `fail`; `warn`, an advisory claim that does not hold; `skip`, a claim that says nothing about
            this entry.
        detail: what was seen and how to mend it, or why it was skipped; empty if it passed.
        seconds: what testing it took, by the clock.
    """

    name: str
    outcome: Outcome
    detail: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing has to be mended: every outcome but `fail`."""
        return self.outcome != "fail"

    def __str__(self) -> str:
        return f"{_LABELS[self.outcome]} {self.name}{': ' if self.detail else ''}{self.detail}"


class Broken(AssertionError):
    """A claim that does not hold."""


class NotApplicable(unittest.SkipTest):
    """A claim that says nothing about this entry, with the reason. pytest reports a test that raises it as skipped."""


class ConformanceWarning(UserWarning):
    """Advice of the conformance kit that an entry does not follow."""


def demand(holds: object, mend: str) -> None:
    """Raise `Broken` with the advice `mend` unless `holds`."""
    if not holds:
        raise Broken(mend)


@dataclass(frozen=True)
class Claim:
    """A claim ready to be tested: call it, and it raises `Broken` (an `AssertionError`) if it does not hold.

    It raises `NotApplicable` where it says nothing about the entry. With `required=False` it is advice: called, it
    warns where it would raise `Broken` or anything else. Parametrise a test with claims:
    `@pytest.mark.parametrize("claim", claims(entry), ids=str)`, body `claim()`.
    """

    name: str
    test: Callable[[], None]
    required: bool = True

    def __call__(self) -> None:
        try:
            self.test()
        except NotApplicable:
            raise
        except (Exception, SystemExit) as error:
            if self.required:
                raise
            warnings.warn(f"{self}: {_detail(error)}", ConformanceWarning, stacklevel=2)

    def __str__(self) -> str:
        return self.name


Observer = Callable[[Any], None]
"""Told a claim's name before it is tested and its `Check` after."""


def run_claims(claims: Iterable[Claim], observer: Observer | None = None, package: str = "") -> list[Check]:
    """Test every claim. One that raises is a failure with its reason, and does not stop the others.

    `package`: the plugin's top-level package, whose lines failures name.
    """
    checks = []
    for claim in claims:
        if observer:
            observer(claim.name)
        checks.append(_tested(claim, package))
        if observer:
            observer(checks[-1])
    return checks


def _tested(claim: Claim, package: str) -> Check:
    started = time.perf_counter()

    def outcome(word: Outcome, detail: str = "") -> Check:
        return Check(claim.name, word, detail, time.perf_counter() - started)

    try:
        claim.test()
    except NotApplicable as reason:
        return outcome("skip", str(reason))
    except (Exception, SystemExit) as error:  # a plugin's own fault, of whatever type, is a failed check
        return outcome("fail" if claim.required else "warn", _detail(error, package))
    return outcome("pass")


def _detail(error: BaseException, package: str = "") -> str:
    """What a claim that raised has to say: the advice, or what went wrong and where."""
    if isinstance(error, Broken):
        return str(error)
    if isinstance(error, ZooError):
        return f"{error}{place(error.__cause__, package)}"
    return f"{type(error).__name__}: {error}{place(error, package)}"


FEW = 3
"""So many of the things that differ are named."""


def few(noun: str, names: Collection[str]) -> str:
    """`17 tensors (a, b, c, …)`: how many there are, and the first few by name."""
    listed = ", ".join(sorted(names)[:FEW]) + (", …" if len(names) > FEW else "")
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'} ({listed})"


def last_words(stderr: str, package: str) -> str:
    """Of what a process that failed wrote: its error, with the last line of the plugin's package on the way there."""
    lines = stderr.strip().splitlines() or ["it said nothing"]
    error = next((line for line in reversed(lines) if re.match(r"[\w.]+(: |$)", line)), lines[-1])
    places = re.findall(r'File "(.+)", line (\d+)', stderr)
    own = [(file, line) for file, line in places if package in Path(file).with_suffix("").parts]
    where = (own or places)[-1:]
    return error + "".join(f" ({'/'.join(Path(file).parts[-2:])}:{line})" for file, line in where)


def place(error: BaseException | None, package: str) -> str:
    """` (package/file.py:line)`: the last line of the plugin's own that an error passed through.

    That of the plugin's package; else of code that belongs neither to the core nor to what it builds on; else the line
    that raised.
    """
    if error is None:
        return ""
    frames = list(traceback.walk_tb(error.__traceback__))
    own = [f for f in frames if package and _top(f[0]) == package]
    foreign = [f for f in frames if _top(f[0]) not in _NOT_A_PLUGIN]
    for frame, line in reversed(own or foreign or frames):
        return f" ({'/'.join(Path(frame.f_code.co_filename).parts[-2:])}:{line})"
    return ""


def _top(frame: Any) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]
