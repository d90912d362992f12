"""What this package offers. `zoo list` reads this module, so it imports neither torch nor numpy."""

from __future__ import annotations

from zoo_core import DatasetEntry, EnvEntry, ReferenceScores, Source, hookimpl

SOURCE = Source(paper="none: a task made with `zoo plugin new`")

ENV = EnvEntry(
    name="__NAME__",
    summary="Three agents meet at a beacon that only the first of them sees.",
    factory="__PACKAGE__.env:__CLASS__",
    source=SOURCE,
    family="__NAME__",
    gives=("continuous",),
    convention="a square [-1, 1]², steps of at most 0.15, reward minus the mean distance to the beacon",
    agents=3,
    default_quality="mixed",
    # Measured over 10,000 episodes; tests/test_reference.py measures them again.
    reference=ReferenceScores(random=-26.43, expert=-4.44, source="uniform actions; policies.guided"),
)

DATASET = DatasetEntry(
    name="__NAME__/mixed",
    summary="Half of the episodes guided with noise, half uniformly random actions.",
    factory="__PACKAGE__.dataset:fill",
    source=SOURCE,
    env="__NAME__",
    quality="mixed",
    transitions=50_000,
)


@hookimpl
def zoo_envs() -> list[EnvEntry]:
    return [ENV]


@hookimpl
def zoo_datasets() -> list[DatasetEntry]:
    return [DATASET]
