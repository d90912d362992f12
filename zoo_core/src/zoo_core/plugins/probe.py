"""Probes a plugin in a child process with a deadline: whatever it does there, it costs one row and no more."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.plugins.installed import Installed, core_mismatch

DEADLINE = 20.0
"""Seconds a probe may take unless `ZOO_PROBE_SECONDS` says otherwise."""

_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from zoo_core.plugins.probe_child import main
main(sys.argv[3:], float(sys.argv[2]))
"""


def deadline() -> float:
    """Seconds one probe may take. Raises `UsageError` for a `ZOO_PROBE_SECONDS` that is no positive number."""
    text = os.environ.get("ZOO_PROBE_SECONDS", "")
    if not text:
        return DEADLINE
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"ZOO_PROBE_SECONDS must be a positive number of seconds, not {text!r}")
    return seconds


def probe(plugin: Installed, seconds: float, stop: threading.Event | None = None) -> dict[str, Any]:
    """The finding for a plugin: `{ok: true, entries, import_seconds, heavy, files}` or `{ok: false, reason, files}`.

    Setting `stop` from another thread ends the probe at once, as the deadline would.
    """
    if reason := plugin.fault or core_mismatch(plugin):
        return _broken(reason)
    command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), str(seconds), *plugin.modules]
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a group of its own: whatever it starts ends with it
        )
    except OSError as error:
        return _broken(f"cannot start a process to probe it: {error}")
    try:
        messages = _listen(child, time.monotonic() + seconds, stop or threading.Event())
        in_time = child.poll() is not None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout:
            child.stdout.close()
    if messages and "ok" in messages[-1]:
        return messages[-1]
    stage = messages[-1].get("stage", "") if messages else "starting Python"
    if not in_time:
        return _broken(f"{stage} took more than {seconds:g} s (ZOO_PROBE_SECONDS raises the limit)")
    return _broken(f"{stage} ended the process: {_ending(child.returncode)}")


def _listen(child: subprocess.Popen[bytes], until: float, stop: threading.Event) -> list[dict[str, Any]]:
    """The child's messages up to its finding, its end or the deadline.

    A process that the plugin left behind may hold the pipe open, so the pipe's end is not waited for.
    """
    assert child.stdout is not None
    text = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0 and not stop.is_set():
            ended = child.poll() is not None
            if selector.select(0 if ended else min(0.05, left)):
                chunk = os.read(child.stdout.fileno(), 1 << 16)
                text += chunk
                if not chunk:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        child.wait(left)
                    break
                if text.endswith(b"\n") and text.rpartition(b"\n{")[2].startswith(b'"ok"'):
                    break
            elif ended:
                break
    return list(_messages(text))


def _messages(text: bytes) -> Iterator[dict[str, Any]]:
    """The lines that are messages; a plugin that writes to every open file may have mixed in others."""
    for line in text.splitlines(keepends=True):
        with contextlib.suppress(ValueError):
            message = json.loads(line) if line.endswith(b"\n") else None
            if isinstance(message, dict) and ("stage" in message or isinstance(message.get("files"), list)):
                yield message


def _ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _broken(reason: str) -> dict[str, Any]:
    return {"ok": False, "reason": reason, "files": []}
