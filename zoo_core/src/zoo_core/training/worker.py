"""One seed in a process of its own: a request as JSON on standard input, events as JSON lines on standard output.

python -m zoo_core.training.worker
"""

from __future__ import annotations

import json
import sys
from typing import TextIO

from zoo_core.errors import ZooError
from zoo_core.training.events import Event, Failed, event_to_json
from zoo_core.training.interrupts import RunInterrupted, Stop
from zoo_core.training.plan import TrainRequest
from zoo_core.training.train import train


def main(given: TextIO, out: TextIO) -> int:
    """Run the request and return the exit code. If nobody reads the events any more, stop with a checkpoint."""
    stop = Stop()

    def tell(event: Event) -> None:
        try:
            out.write(json.dumps(event_to_json(event)) + "\n")
            out.flush()
        except BrokenPipeError:
            stop.request()

    request = TrainRequest.from_json(json.load(given))
    seed = request.seeds[0]
    try:
        return train(request, observer=tell, stop=stop).exit_code
    except RunInterrupted as error:
        tell(Failed(seed, str(error), error.exit_code))
        return error.exit_code
    except ZooError as error:
        tell(Failed(seed, str(error), error.exit_code))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.stdin, sys.stdout))
