"""SIGTERM and Ctrl-C end training at the next iteration, with a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from zoo_core.errors import RunError


class RunInterrupted(RunError):
    """Training was asked to stop and did, with a checkpoint. Exits 130 after SIGINT, 143 after SIGTERM."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.signal_number = number
        self.exit_code = 128 + number


class Stop:
    """Whether training should stop, and which signal asked for it (0: none)."""

    def __init__(self) -> None:
        self.signal_number = 0

    def __bool__(self) -> bool:
        return self.signal_number != 0

    def request(self, number: int = signal.SIGTERM) -> None:
        self.signal_number = int(number)


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Within this block SIGTERM and SIGINT set `stop`; a second SIGINT interrupts at once.

    Outside the main thread, where Python allows no handlers, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.request(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
