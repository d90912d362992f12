"""An algorithm that keeps every claim, for the tests to break, and what the kit says about it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    AlgorithmEntry,
    Batch,
    Draw,
    Loss,
    Phase,
    Rows,
    Source,
    Update,
    setting,
)
from zoo_core.nn import StackedMLP
from zoo_core.testing import Check, algorithm_claims
from zoo_core.testing.checks import run_claims

LONG = ("long_training_stays_finite", "memory_stays_flat", "a_killed_run_resumes_to_equal_weights", "learns_a_game")
"""The claims that take seconds."""


@dataclass(frozen=True)
class Config(AlgorithmConfig):
    hidden: int = setting(64, "Width.")
    noise: float = setting(0.1, "Deviation of the noise on the actions that are imitated.")


class Sound(Algorithm):
    """Imitates noisy actions, from one network per agent."""

    Config = Config

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.actors = StackedMLP(team.n, team.obs_size, (config.hidden,), team.action_size)

    def phases(self):
        size, team = self.config.batch_size, self.team
        noise = {"jitter": Draw("normal", (size, team.n, team.action_size))}
        actor = Update("actor", self.loss, learns=("actors",), optimizer=Adam(1e-3), noise=noise)
        return (Phase("train", Rows(size), steps=(actor,)),)

    def policy(self, obs: Tensor) -> Tensor:
        unit = torch.tanh(self.actors(obs.transpose(0, 1)).transpose(0, 1))
        return 0.5 * (self.team.action_high - self.team.action_low) * (unit + 1.0) + self.team.action_low

    def loss(self, batch: Batch, noise) -> Loss:
        value = (self.policy(batch.obs) - batch.action - self.config.noise * noise["jitter"]).square().mean()
        return Loss(value, {"mse": value})

    def act(self, obs, mask, memory, generator):
        return self.policy(obs), None


def entry(algorithm: type[Algorithm] = Sound, **fields) -> AlgorithmEntry:
    given = {"imitates": True, **fields}
    return AlgorithmEntry("toy", "", f"{algorithm.__module__}:{algorithm.__name__}", Source("none"), **given)


def quick(entry: AlgorithmEntry) -> dict[str, Check]:
    """Every claim that takes a fraction of a second, by its name without the kind of action."""
    claims = [claim for claim in algorithm_claims(entry) if not claim.name.startswith(LONG)]
    return {row.name.partition("[")[0]: row for row in run_claims(claims)}


def failures(entry: AlgorithmEntry) -> dict[str, str]:
    return {name: row.detail for name, row in quick(entry).items() if row.outcome == "fail"}


def long(algorithm: type[Algorithm], *names: str, **fields) -> dict[str, Check]:
    """The claims that take seconds, those whose names begin so, by name without the kind of action."""
    claims = [claim for claim in algorithm_claims(entry(algorithm, **fields)) if claim.name.startswith(names)]
    return {row.name.partition("[")[0]: row for row in run_claims(claims)}
