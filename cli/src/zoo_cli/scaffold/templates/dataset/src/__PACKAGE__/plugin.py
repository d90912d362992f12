"""What this package offers. `zoo list` reads this module, so it imports neither torch nor numpy."""

from __future__ import annotations

from zoo_core import DatasetEntry, Source, hookimpl

DATASET = DatasetEntry(
    name="__ENV__/__NAME__",
    summary="Random actions that are kept for a while: each agent changes its action one step in four.",
    factory="__PACKAGE__.dataset:fill",
    source=Source(paper="none: a recipe made with `zoo plugin new`"),
    env="__ENV__",
    quality="__NAME__",
    transitions=50_000,
    version=1,  # raise it whenever the recipe changes, so that nobody takes the old data for the new
)


@hookimpl
def zoo_datasets() -> list[DatasetEntry]:
    return [DATASET]
