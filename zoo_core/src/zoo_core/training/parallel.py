"""Several seeds side by side, each in a process of its own, their events in one stream."""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from typing import IO

from zoo_core.training.events import Event, Failed, Finished, Observer, event_from_json
from zoo_core.training.interrupts import RunInterrupted, Stop, stop_on_signals
from zoo_core.training.plan import TrainRequest

POLL_SECONDS = 0.2


class Worker:
    """A child that trains one seed."""

    def __init__(self, request: TrainRequest, seed: int, events: queue.Queue[Event]) -> None:
        self.seed = seed
        self.ended = False  # by its own account
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        environment = {**os.environ, "OMP_NUM_THREADS": str(request.threads or 1)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "zoo_core.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches the parent, which tells the workers
            text=True,
            encoding="utf-8",
        )
        own = dataclasses.replace(request, seeds=(seed,), jobs=1)
        assert self.process.stdin is not None
        try:
            json.dump(own.as_json(), self.process.stdin)
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it died at once; `failure` says how
        self._reader = threading.Thread(target=self._read, args=(events,), daemon=True)
        self._reader.start()

    def _read(self, events: queue.Queue[Event]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = event_from_json(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # something a library printed
            self.ended |= isinstance(event, Finished | Failed)
            events.put(event)

    def failure(self) -> Failed | None:
        """Once the process is gone: why, if it did not say so itself."""
        self._reader.join()
        code = self.process.wait()
        if self.ended:
            return None
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", errors="replace").strip().splitlines()
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        said = f": {lines[-1]}" if lines else ""
        memory = ", often for lack of memory (fewer --jobs leave more for each)" if code == -signal.SIGKILL else ""
        return Failed(
            self.seed,
            f"its process ended: {cause}{memory}{said}. The same command resumes it from its last checkpoint;"
            f" --seed {self.seed} with --debug shows where it failed",
        )

    def close(self) -> None:
        """End the process if it still runs, and let go of its pipes."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._errors.close()


def run_side_by_side(request: TrainRequest, observer: Observer, stop: Stop) -> None:
    """Train every seed of the request, `jobs` at a time. Failures are events; a signal stops all, with checkpoints.

    Raises:
        RunInterrupted: after every worker has written its checkpoint.
    """
    waiting, running = list(request.seeds), list[Worker]()
    events: queue.Queue[Event] = queue.Queue()
    told = False
    with stop_on_signals(stop):
        try:
            while running or (waiting and not stop):
                while waiting and len(running) < request.jobs and not stop:
                    running.append(Worker(request, waiting.pop(0), events))
                if stop and not told:
                    told = True
                    for worker in running:
                        worker.process.terminate()
                _deliver(events, observer, POLL_SECONDS)
                for worker in [w for w in running if w.process.poll() is not None]:
                    running.remove(worker)
                    failure = worker.failure()
                    _deliver(events, observer, 0.0)
                    if failure is not None:
                        observer(failure)
                    worker.close()
        finally:
            for worker in running:
                worker.close()
    if stop:
        raise RunInterrupted(
            "stopped; every seed that was running wrote a checkpoint: the same command resumes", stop.signal_number
        )


def _deliver(events: queue.Queue[Event], observer: Observer, wait: float) -> None:
    """Hand over what has come in, waiting at most `wait` seconds for the first."""
    try:
        observer(events.get(timeout=wait) if wait else events.get_nowait())
        while True:
            observer(events.get_nowait())
    except queue.Empty:
        return
