"""The child process that tests claims, seen from the parent: its messages, and how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from zoo_core.entries import Entry

STARTING = 60.0
"""Seconds for starting Python and importing torch, beyond those for a claim."""

GRACE = 3.0
"""Seconds after the deadline in which the child still says where it is."""

KEPT = 1 << 16
"""Bytes of the child's standard error that are kept: where it crashed stands at its end."""

_CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from zoo_cli.conformance.child import main
main()
"""


class Child:
    """A process group of its own, which ends with the `with` block, whatever the plugin started in it.

    Its temporary files lie in a folder of their own and end with it: a process that is killed removes none.
    """

    def __init__(self, job: dict[str, Any], seconds: float) -> None:
        self.job, self.seconds = job, seconds
        self.errors = b""
        self.late = False

    def __enter__(self) -> Child:
        self.temporary = tempfile.TemporaryDirectory(prefix="zoo-check-", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"OMP_NUM_THREADS": "1", **os.environ, "TMPDIR": self.temporary.name},  # the kit's tensors are tiny
            start_new_session=True,
        )
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(self.job).encode())
            self.process.stdin.close()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        self.temporary.cleanup()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Its messages up to its end, or until it says nothing for too long (`late`).

        A process that the plugin left behind may hold the pipes open, so their end is not waited for.
        """
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        text, until, ended = b"", time.monotonic() + STARTING + self.seconds, False
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            selector.register(self.process.stderr, selectors.EVENT_READ)
            while (left := until - time.monotonic()) > 0:
                if not ended and self.process.poll() is not None:
                    ended, until = True, time.monotonic() + 1.0  # to read what it still said
                ready = selector.select(0 if ended else min(0.05, left))
                if ended and not ready:
                    return
                for key, _ in ready:
                    chunk = os.read(key.fd, 1 << 16)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is self.process.stderr:
                        self.errors = (self.errors + chunk)[-KEPT:]
                    else:
                        *lines, text = (text + chunk).split(b"\n")
                        for message in filter(None, map(_message, lines)):
                            yield message
                            until = time.monotonic() + self.seconds + GRACE
        self.late = not ended

    def ending(self) -> tuple[Literal["hung", "left", "killed"], str]:
        """How it ended: which way, and in words."""
        if self.late:
            return "hung", f"took more than {self.seconds:g} s"
        code = self.process.returncode
        if code >= 0:
            return "left", f"ended the process: exit code {code}"
        with contextlib.suppress(ValueError):
            return "killed", f"ended the process: killed by {signal.Signals(-code).name}"
        return "killed", f"ended the process: killed by signal {-code}"

    def place(self, entry: Entry) -> str:
        """` (package/file.py:line)`: where in the plugin it was, by Python's fault handler; empty if nowhere."""
        package = entry.factory.partition(":")[0].partition(".")[0]
        for file, line in re.findall(r'File "(.*?)", line (\d+)', self.errors.decode(errors="replace")):
            if package in Path(file).with_suffix("").parts:
                return f" ({'/'.join(Path(file).parts[-2:])}:{line})"
        return ""


def _message(line: bytes) -> dict[str, Any] | None:
    """A line of the child's; None for what a plugin that writes to every open file has mixed in."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
