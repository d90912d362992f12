"""Errors a user can act on. Each message says what is wrong, where, and what to type next.

`exit_code` is what the command line exits with: 2 for bad usage, 1 for everything else.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Base of every error the zoo raises on purpose."""

    exit_code = 1


class UsageError(ZooError):
    """The request itself is wrong: an unknown name, an impossible pair, a bad value."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nothing offers; the message suggests the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"no {kind} is called {name!r}.{did_you_mean(name, self.known)}{' ' + hint if hint else ''}")


class AmbiguousName(UsageError):
    """Two distributions offer one name; the message names both and the way to choose."""


class IncompatiblePair(UsageError):
    """An algorithm, environment, dataset or mixer that cannot go together."""


class SettingError(UsageError):
    """An unknown setting or a value of the wrong type."""


class PluginError(ZooError):
    """A plugin that cannot be loaded or breaks its contract."""


class DatasetError(ZooError):
    """Data that is missing, malformed or inconsistent."""


class DatasetCorrupt(DatasetError):
    """Data whose content no longer matches its card."""


class RunError(ZooError):
    """A run folder that cannot be used as asked."""


class RunLocked(RunError):
    """Another process holds the run."""


class CheckpointCorrupt(RunError):
    """A checkpoint that does not match its own hashes."""


class TrainingDiverged(RunError):
    """A loss or parameter became NaN or infinite; the last good checkpoint is kept."""


class OutOfMemory(RunError):
    """Arrays that do not fit into memory; the message names what to lower."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error is Python's, numpy's or torch's (on the CPU, a `RuntimeError` like any other) for no memory."""
    by_name = type(error).__name__ == "OutOfMemoryError"  # torch's on a GPU; torch is not imported here
    return isinstance(error, MemoryError) or by_name or "DefaultCPUAllocator: " in str(error)


def did_you_mean(name: str, known: Iterable[str], *, listed: bool = False) -> str:
    """` Did you mean 'x' or 'y'?`, or the short list of what is known unless the message has it, or nothing."""
    known = sorted(set(known))
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    if near:
        return " Did you mean " + " or ".join(repr(n) for n in near) + "?"
    return f" Known: {', '.join(known)}." if 0 < len(known) <= 20 and not listed else ""
