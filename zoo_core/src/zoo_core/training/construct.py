"""Building an algorithm so that its initial weights are a function of the seed alone."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch

from zoo_core.algorithms import Algorithm, Statistics
from zoo_core.entries import AlgorithmEntry, MixerEntry
from zoo_core.mixers import Mixer
from zoo_core.seeding import derive
from zoo_core.team import TeamSpec


def build_algorithm(
    entry: AlgorithmEntry,
    team: TeamSpec,
    config: Any,
    seed: int,
    *,
    statistics: Statistics | None = None,
    mixer: MixerEntry | Callable[..., Mixer] | None = None,
) -> Algorithm:
    """An algorithm on the CPU, initialised from `seed`; the global generator is left as it was."""
    chosen = functools.partial(mixer.load()) if isinstance(mixer, MixerEntry) else mixer
    return seeded(seed, lambda: entry.load()(team, config, statistics=statistics, mixer=chosen))


def seeded(seed: int, build: Callable[[], Algorithm]) -> Algorithm:
    """Run a constructor while torch's CPU generator is privately seeded, then restore it."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed every accelerator's generator.
        torch.default_generator.manual_seed(derive(seed, "construct"))
        return build()


def statistics_to_json(statistics: Statistics | None) -> dict[str, Any] | None:
    """JSON that `statistics_from_json` reads back equal."""
    if statistics is None:
        return None
    values = {f.name: getattr(statistics, f.name) for f in dataclasses.fields(statistics)}
    return {name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def statistics_from_json(data: Mapping[str, Any] | None) -> Statistics | None:
    if data is None:
        return None
    values: dict[str, Any] = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in data.items()}
    return Statistics(**values)
