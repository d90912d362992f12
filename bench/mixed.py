"""What one update of mixed local critics costs on HalfCheetah's six agents, beside a plain reference and the floor."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from floor import Product, flops, multiply
from plain_omcda import PlainOMCDA
from plain_omiga import MIXER_HIDDEN, PlainOMIGA
from reference import Data, Shape
from updates import Repeated, as_batch, interleaved

from zoo_core import TeamSpec
from zoo_core.config import resolve
from zoo_core.plugins import Zoo
from zoo_core.training import Learner, build_algorithm
from zoo_core.training.modes import Modes, computing

CHEETAH = Shape(agents=6, obs=23, action=1, hidden=256, batch=128, gamma=0.99, lr=5e-4, tau=0.005)
OFFICIAL_MS = {"omiga": 38}
"""The official code on these shapes, on an idle core; OMCDA has none."""


def network(rows: int, sizes: tuple[int, ...], *, learns: bool = False, through: int = 0) -> list[Product]:
    """A perceptron's products: forward, weight gradients where it learns, gradients of `through` of its inputs."""
    found = []
    for number, (i, j) in enumerate(itertools.pairwise(sizes)):
        found.append(((rows, i), (i, j)))
        if learns:
            found.append(((i, rows), (rows, j)))
        if number and (learns or through):
            found.append(((rows, j), (j, i)))
        elif through:
            found.append(((rows, j), (j, through)))
    return found


def products(shape: Shape) -> dict[str, list[tuple[Product, int]]]:
    """Every matrix product of an update in its least-arithmetic form: nothing is asked twice unless it moved."""
    n, h, rows = shape.agents, shape.hidden, shape.batch * shape.agents
    q, v, policy = (shape.obs + shape.action, h, h, 1), (shape.obs, h, h, 1), (shape.obs, h, h, 2 * shape.action)
    mixer, mixer_c = ((n * shape.obs, MIXER_HIDDEN, totals * (n + 1)) for totals in (1, n))
    omiga = [
        *(product for sizes in (q, v, policy) for product in network(rows, sizes, learns=True)),
        *network(rows, q), *network(rows, v),  # targets
        *network(shape.batch, mixer, learns=True), *network(shape.batch, mixer), *network(shape.batch, mixer),
    ]  # fmt: skip
    omcda = [
        *omiga,
        *(product for sizes in (q, v, policy) for product in network(rows, sizes, learns=True)),  # Q^c, V^c, π_b
        *network(rows, q), *network(rows, v),  # targets of Q^c, V^c
        *network(rows, v), *network(rows, v),  # V^r in V^c's loss and V^c in the policy's, just updated
        *network(rows, policy), *network(rows, policy),  # π and π_b, just updated, in KL
        *network(rows, q, through=shape.action), *network(shape.batch, mixer),  # the influence
        *network(shape.batch, mixer_c, learns=True), *network(shape.batch, mixer_c), *network(shape.batch, mixer_c),
    ]  # fmt: skip
    return {"omiga": [(product, 1) for product in omiga], "omcda": [(product, 1) for product in omcda]}


def measure_mixed(zoo: Zoo, repeats: int) -> Iterator[dict[str, Any]]:
    """One record per algorithm, as `updates.measure` gives."""
    data = Data.random(CHEETAH, torch.Generator().manual_seed(0))
    plains = {"omiga": PlainOMIGA(CHEETAH), "omcda": PlainOMCDA(CHEETAH)}
    for name, found in products(CHEETAH).items():
        plain = plains[name]
        variants: dict[str, Callable[[], object]] = {
            "eager": _update(zoo, name, data, compile_=False),
            "compiled": _update(zoo, name, data, compile_=True),
            "reference": lambda plain=plain: plain.iterate(data),
            "floor": multiply(found),
        }
        yield {"algorithm": name, "seconds": interleaved(variants, 10 * repeats), "gflop": flops(found) / 1e9}


def with_official(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table of `run.updates`, and what the official code takes."""
    return [{**row, "official code elsewhere, ms": OFFICIAL_MS.get(row["iteration of"], "")} for row in rows]


def _update(zoo: Zoo, name: str, data: Data, *, compile_: bool) -> Callable[[], object]:
    """One iteration at the settings of HalfCheetah's six agents, without the sampling."""
    n, entry = CHEETAH.agents, zoo.find("algorithm", name)
    team = TeamSpec("cheetah", tuple(f"joint {i}" for i in range(n)), (CHEETAH.obs,) * n, (CHEETAH.action,) * n)
    env = zoo.find("env", "mamujoco-halfcheetah-6x1")
    config = resolve(entry, entry.load().Config, env=env, action_kind="continuous", quality="expert").config  # type: ignore[attr-defined]
    algorithm = build_algorithm(entry, team, config, seed=0, mixer=zoo.find("mixer", entry.default_mixer))
    learner = Learner([algorithm], [0], lambda need: Repeated(as_batch(data)))
    *before, _ = algorithm.phases()  # the last one is what is measured
    learner.iteration = sum(phase.iterations for phase in before)

    def run() -> None:
        with computing(Modes(compile=compile_)):
            learner.step()

    return run
