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
from zoo_core.testing.tiny import tiny_config, tiny_dataset, tiny_learner, tiny_team
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


def act(learner: Learner, obs: Tensor, *, index: int = 0) -> Tensor:
    """Actions of one seed's policy from its first memory on, masked as in the data if they are discrete."""
    algorithm = learner.algorithm(index)
    mask = masks(len(obs)) if algorithm.team.discrete else None
    with torch.no_grad():
        action, _ = algorithm.act(obs, mask, algorithm.initial_memory(len(obs)), generator(0, "act"))
    return action


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
