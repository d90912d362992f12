"""The floor of a critic update: the time of exactly its matrix products, in the form with the least arithmetic.

Partial replacement changes one agent's action, so the first layer's product with the state and with the logged actions
is taken once per transition and shared by all candidates; only the candidate's own action is multiplied per candidate.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from reference import Shape

Product = tuple[tuple[int, int], tuple[int, int]]


def products(shape: Shape, heads: int, penalty: str, forwards: int) -> list[tuple[Product, int]]:
    """Every matrix product of one critic update as ((m, k), (k, n)) with how often it is taken.

    `forwards` counts joint actions per transition evaluated without a gradient, over heads (online and target).
    """
    b, h, m = shape.batch, shape.hidden, shape.candidates
    width = shape.agents * (shape.obs + shape.action)
    rows = b * m * (shape.agents if penalty == "counterfactual" else 1)
    own = shape.action if penalty == "counterfactual" else shape.agents * shape.action
    found: list[tuple[Product, int]] = []

    def layer(rows: int, inputs: int, outputs: int, *, times: int, input_gradient: bool) -> None:
        found.append((((rows, inputs), (inputs, outputs)), times))
        found.append((((inputs, rows), (rows, outputs)), times))
        if input_gradient:
            found.append((((rows, outputs), (outputs, inputs)), times))

    layer(b, width, h, times=heads, input_gradient=False)  # state and logged actions, shared by every candidate
    layer(b, h, h, times=heads, input_gradient=True)  # the logged joint action itself
    layer(rows, own, h, times=heads, input_gradient=False)  # each candidate's own action
    layer(rows, h, h, times=heads, input_gradient=True)
    layer(rows, h, 1, times=heads, input_gradient=True)
    for inputs, outputs in ((width, h), (h, h), (h, 1)):  # targets, without gradients
        found.append((((b, inputs), (inputs, outputs)), forwards))
    return found


def clone_products(shape: Shape) -> list[tuple[Product, int]]:
    """Every matrix product of one update of behaviour cloning: each agent's actor, forward and backward."""
    b, h, found = shape.batch, shape.hidden, []
    for inputs, outputs, first in ((shape.obs, h, True), (h, h, False), (h, shape.action, False)):
        found.append((((b, inputs), (inputs, outputs)), shape.agents))
        found.append((((inputs, b), (b, outputs)), shape.agents))
        if not first:
            found.append((((b, outputs), (outputs, inputs)), shape.agents))
    return found


def flops(found: list[tuple[Product, int]]) -> float:
    """Multiplications and additions of these products."""
    return float(sum(2 * m * k * n * times for ((m, k), (_, n)), times in found))


def multiply(found: list[tuple[Product, int]]) -> Callable[[], None]:
    """A function that takes all these products once, into buffers made beforehand."""
    prepared = []
    for ((m, k), (_, n)), times in found:
        prepared.append((torch.randn(m, k), torch.randn(k, n), torch.empty(m, n), times))

    def run() -> None:
        for left, right, out, times in prepared:
            for _ in range(times):
                torch.mm(left, right, out=out)

    return run
