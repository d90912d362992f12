"""What one iteration of an algorithm costs, beside a plain reference and the matrix-product floor, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from decentralised import NAMES, Decentralised, own_products
from floor import Product, clone_products, flops, multiply, products
from reference import Data, Shape, reference_for

from zoo_core import Batch, Statistics, TeamSpec
from zoo_core.config import resolve
from zoo_core.entries import AlgorithmEntry
from zoo_core.plugins import Zoo
from zoo_core.training import Learner, build_algorithm
from zoo_core.training.modes import Modes, computing

ALGORITHMS = ("bc", "td3bc", "iql", "omar", "macql", "cfcql", "icql-qs", "spacql")
CRITIC_STEPS = 5
ENV, QUALITY = "mpe-cn", "medium-replay"
OFFICIAL_MS = {"macql": 58, "cfcql": 122}
"""The official code, one critic and one actor update on these shapes, on a core of 65 to 85 GFLOP/s."""


class Repeated:
    """A sampler that gives one batch again and again: what an update costs without the sampling."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def sample(self, generator: torch.Generator, /) -> Batch:
        return self.batch


def as_batch(data: Data) -> Batch:
    """The reference's data as the zoo's batch; every agent has the team's reward."""
    rows = data.obs.shape[0]
    return Batch(
        obs=data.obs,
        action=data.action,
        reward=data.reward.unsqueeze(-1).expand(-1, data.obs.shape[1]).contiguous(),
        next_obs=data.next_obs,
        terminated=torch.zeros(rows, dtype=torch.bool),
        truncated=torch.zeros(rows, dtype=torch.bool),
        state=data.obs.flatten(1),
        next_state=data.next_obs.flatten(1),
        next_action=data.next_action,
        has_next_action=torch.ones(rows, dtype=torch.bool),
    )


def measure(zoo: Zoo, repeats: int) -> Iterator[dict[str, Any]]:
    """One record per algorithm; its variants take turns, so that drift hits all alike."""
    shape = Shape()
    data = Data.random(shape, torch.Generator().manual_seed(0))
    for name in ALGORITHMS:
        updates = {"bc": 1, "td3bc": 2, "iql": 1, "omar": 1}.get(name, CRITIC_STEPS)
        eager, compiled = (_iteration(zoo, name, data, compile_) for compile_ in (False, True))
        plain = Decentralised(name, shape) if name in NAMES else reference_for(name, shape)
        found = _products(name, shape)
        one_floor, floors = multiply(found), 1 if name in NAMES else updates
        variants: dict[str, Callable[[], object]] = {
            "eager": eager,
            "compiled": compiled,
            "reference": lambda plain=plain, updates=updates: plain.iterate([data] * updates),
            "reference, 1 critic + 1 actor": lambda plain=plain: plain.iterate([data]),
            "floor": lambda one_floor=one_floor, times=floors: [one_floor() for _ in range(times)],
        }
        seconds = interleaved(variants, repeats)
        yield {"algorithm": name, "seconds": seconds, "gflop": floors * flops(found) / 1e9}


def _iteration(zoo: Zoo, name: str, data: Data, compile_: bool) -> Callable[[], object]:
    """One iteration at the settings of CN; of MA-TD3+BC two, in one of which its policies learn."""
    entry, env = zoo.find("algorithm", name), zoo.find("env", ENV)
    assert isinstance(entry, AlgorithmEntry)
    team: TeamSpec = env.load()(1).team
    config = resolve(entry, entry.load().Config, env=env, action_kind=team.action_kind, quality=QUALITY).config
    algorithm = build_algorithm(entry, team, config, seed=0, statistics=_statistics(data))
    learner = Learner([algorithm], [0], lambda need: Repeated(as_batch(data)))

    def run() -> None:
        with computing(Modes(compile=compile_)):
            for _ in range(2 if name == "td3bc" else 1):
                learner.step()

    return run


def _statistics(data: Data) -> Statistics:
    """Of rows that are standard normal, with returns between 0 and 1."""
    zeros, ones = torch.zeros_like(data.obs[0]), torch.ones_like(data.obs[0])
    return Statistics(zeros, ones, None, None, 0.0, 1.0, 0.5, 0.0, 1.0)


def _products(name: str, shape: Shape) -> list[tuple[Product, int]]:
    """The matrix products of one critic update, of one update of behaviour cloning, or of a decentralised iteration."""
    if name in NAMES:
        return own_products(name, shape)
    if name == "bc":
        return clone_products(shape)
    heads = 10 if name == "spacql" else 2
    return products(shape, heads, "joint" if name == "macql" else "counterfactual", _forwards(name, shape, heads))


def _forwards(name: str, shape: Shape, heads: int) -> int:
    """Joint actions per transition the target evaluates, over heads: online and target heads count each."""
    return {"icql-qs": shape.agents * heads, "spacql": 2 * shape.agents * heads}.get(name, heads)


def interleaved(variants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each variant, after one call of each that is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for run in variants.values():
        run()
    for _ in range(repeats):
        for name, run in variants.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in taken.items()}
