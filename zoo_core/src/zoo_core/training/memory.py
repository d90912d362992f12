"""Running out of memory, as one error that says what to lower."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from zoo_core.errors import OutOfMemory, ran_out_of_memory
from zoo_core.training.plan import Plan

_UNITS = {"bytes": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50}


@contextmanager
def memory_explained(plan: Plan) -> Iterator[None]:
    """Raise `OutOfMemory` where this block runs out of it, in whatever words torch or numpy say so."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"{plan.algorithm.name} on {plan.dataset.name} ran out of memory{_asked_for(str(error))}."
            f" Lower with --set what its arrays grow with: {_sizes(plan)}; fewer --jobs leave more for each"
        ) from error


def _asked_for(message: str) -> str:
    """The size of the array that could not be had, in GiB, if the message says it."""
    match = re.search(r"allocate ([\d.]+) ?(bytes|[kmgtp]ib)", message, re.IGNORECASE)
    if not match:
        return ""
    return f": an array of {float(match[1]) * _UNITS[match[2].lower()] / (1 << 30):,.1f} GiB"


def _sizes(plan: Plan) -> str:
    """The whole numbers the user set himself, and the batch; `--iterations` makes no array larger."""
    origins = plan.resolved.origins
    own = [name for name, origin in origins.items() if origin.layer == "--set" or origin.layer.startswith("file ")]
    names = dict.fromkeys([*own, "batch_size"])
    values = {name: getattr(plan.config, name, None) for name in names if name != "iterations"}
    return ", ".join(f"{name} (now {value:,})" for name, value in values.items() if type(value) is int)
