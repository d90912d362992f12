"""What training tells whoever watches: plain data, so that it can cross a process boundary as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line: what was chosen and why, or a warning."""

    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Building:
    """A missing dataset is being built: `done` of `total` transitions."""

    dataset: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Started:
    """A run begins, or goes on after `iteration` iterations."""

    seed: int
    folder: str
    iteration: int
    total: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is. `metrics` are means since the last logged row; `rate` is iterations per second."""

    seed: int
    phase: str
    iteration: int
    total: int
    rate: float
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A periodic evaluation, or the final one."""

    seed: int
    iteration: int
    mean: float
    low: float
    high: float
    episodes: int
    normalised: float | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A run is complete; `already`: it was before this command."""

    seed: int
    folder: str
    already: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A run stopped with an error."""

    seed: int
    message: str
    exit_code: int = 1


Event = Note | Building | Started | Progress | Evaluated | Finished | Failed
Observer = Callable[[Event], None]

_KINDS = {kind.__name__: kind for kind in (Note, Building, Started, Progress, Evaluated, Finished, Failed)}


def ignore(event: Event) -> None:
    """The observer that watches nothing."""


def event_to_json(event: Event) -> dict[str, Any]:
    return {"event": type(event).__name__, **asdict(event)}


def event_from_json(data: Mapping[str, Any]) -> Event:
    """Raises KeyError or TypeError for what `event_to_json` did not write."""
    values = dict(data)
    found: Event = _KINDS[values.pop("event")](**values)
    return found
