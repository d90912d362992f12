"""Hooks of zoo-mpe: the particle world of the offline-MARL benchmark and its datasets."""

from __future__ import annotations

from zoo_core import DatasetEntry, EnvEntry, ReferenceScores, Source, hookimpl

OMAR = Source(
    paper="Pan et al., Plan Better Amid Conservatism: Offline Multi-Agent RL with Actor Rectification (ICML 2022)",
    url="https://arxiv.org/abs/2111.11188",
    code="https://github.com/ling-pan/OMAR",
)
PHYSICS = "the offline-MARL benchmark's particle world (OMAR, CFCQL), not mpe2's: velocity first, acceleration squared"

OWN_PREY = (
    "The prey is this project's, so the published reference returns do not apply (random/expert with the benchmark's "
    "own trained prey: {published}); a file of that prey restores its game: prey=PATH"
)

ENVS = (
    EnvEntry(
        name="mpe-cn",
        summary="Cooperative Navigation: three agents cover three landmarks without colliding.",
        factory="zoo_mpe.envs:CooperativeNavigation",
        source=OMAR,
        family="mpe",
        convention=PHYSICS,
        agents=3,
        default_quality="medium-replay",
        reference=ReferenceScores(159.8, 516.8, "OMAR and CFCQL (published random and expert returns)"),
    ),
    EnvEntry(
        name="mpe-pp",
        summary="Predator-Prey: three predators chase a faster, scripted prey around two obstacles.",
        factory="zoo_mpe.envs:PredatorPrey",
        source=OMAR,
        family="mpe",
        convention=f"{PHYSICS}. {OWN_PREY.format(published='-4.1/185.6')}",
        agents=3,
    ),
    EnvEntry(
        name="mpe-world",
        summary="World: the chase with an obstacle, food and two forests.",
        factory="zoo_mpe.envs:World",
        source=OMAR,
        family="mpe",
        convention=f"{PHYSICS}. {OWN_PREY.format(published='-6.8/79.5')}",
        agents=3,
    ),
)

BUILT_HERE = Source(
    paper="Built here, after the datasets of Pan et al. (ICML 2022); returns as published in OG-MARL's dataset cards",
    url="https://arxiv.org/abs/2111.11188",
)


def cn_dataset(
    quality: str, summary: str, transitions: int = 1_000_000, published_return: float | None = None
) -> DatasetEntry:
    """An entry of `mpe-cn`; the factory is the quality's name in `zoo_mpe.datasets`."""
    return DatasetEntry(
        name=f"mpe-cn/{quality}",
        summary=summary,
        factory=f"zoo_mpe.datasets:{quality.replace('-', '_')}",
        source=BUILT_HERE,
        env="mpe-cn",
        quality=quality,
        transitions=transitions,
        published_return=published_return,
    )


DATASETS = (
    cn_dataset("expert", "A fully trained MATD3 team with noise.", published_return=530.9),
    cn_dataset("medium", "A partly trained MATD3 team with noise.", published_return=273.4),
    cn_dataset("medium-replay", "All that the medium team saw while it learned.", 97_500, published_return=203.7),
    cn_dataset("random", "Independent uniform actions.", published_return=159.6),
    cn_dataset("random-network", "A randomly initialised team: the other reading of `random`."),
)


@hookimpl
def zoo_datasets() -> tuple[DatasetEntry, ...]:
    return DATASETS


@hookimpl
def zoo_envs() -> tuple[EnvEntry, ...]:
    return ENVS
