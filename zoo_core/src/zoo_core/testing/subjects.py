"""What the claims about an algorithm are tested on: cached tiny data, learners on it, and their policies acting."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo_core.data import Dataset
from zoo_core.entries import DISCRETE, AlgorithmEntry
from zoo_core.seeding import generator
from zoo_core.team import TeamSpec
from zoo_core.testing.tiny import random_obs, tiny_config, tiny_dataset, tiny_learner, tiny_team
from zoo_core.training import Learner


@functools.cache
def data_of(team: TeamSpec) -> Dataset:
    """Tiny data for a team; discrete actions come with masks."""
    return tiny_dataset(team, masked=team.discrete)


def data(kind: str) -> Dataset:
    return data_of(tiny_team(kind))


def learner(entry: AlgorithmEntry, kind: str, *seeds: int, iterations: int | None = None) -> Learner:
    """A tiny learner that is given whatever it could need: what it has to declare is another claim's business."""
    settings: dict[str, Any] = {} if iterations is None else {"iterations": iterations}
    return tiny_learner(entry, data(kind), tiny_config(entry, kind, **settings), seeds or (0,), undeclared=True)


STEPS = 3
"""So many views are acted on, one after the other: what a recurrent policy remembers counts too."""


def views(team: TeamSpec, copies: int, *, seed: int = 0) -> list[Tensor]:
    """[E, n, o] observations of `STEPS` steps."""
    return [random_obs(team, copies, STEPS * seed + step) for step in range(STEPS)]


def act(learner: Learner, seen: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
    """The policy's actions in the last of these views, all seen from its first memory on."""
    return act_and_draw(learner, seen, mask)[0]


def act_and_draw(learner: Learner, seen: Sequence[Tensor], mask: Tensor | None = None) -> tuple[Tensor, bool]:
    """The same, and whether the policy drew random numbers. Without a mask discrete actions have the data's first."""
    algorithm, copies, source = learner.algorithm(), len(seen[0]), generator(0, "act")
    if algorithm.team.discrete and mask is None:
        mask = masks(copies)
    fresh, memory = source.get_state(), algorithm.initial_memory(copies)
    with torch.no_grad():
        for obs in seen:
            action, memory = algorithm.act(obs, mask, memory, source)
    return action, not torch.equal(source.get_state(), fresh)


def masks(copies: int) -> Tensor:
    """[E, n, A]: the first masks of the tiny dataset."""
    mask = data(DISCRETE).action_mask
    assert mask is not None
    return mask[:copies]


def close(one: Tensor, other: Tensor) -> bool:
    """Whether two actions are equal, to rounding if they are numbers."""
    if one.shape != other.shape:
        return False
    return torch.equal(one, other) if one.dtype == torch.int64 else torch.allclose(one, other, atol=1e-5)


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Names of the tensors that are not bit-equal."""
    return [name for name in one if not torch.equal(one[name], other[name])]


def batch_of(learner: Learner, phase: Any, wanted: int | Sequence[int], purpose: str) -> Any:
    """The batch or batches of one update, drawn for `purpose`."""
    sampler = data_of(learner.networks.algorithms[0].team).sampler(phase.data)
    if isinstance(wanted, int):
        return sampler.sample(generator(0, purpose, wanted))
    return tuple(sampler.sample(generator(0, purpose, index)) for index in wanted)
