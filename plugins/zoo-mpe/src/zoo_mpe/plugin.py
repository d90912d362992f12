"""Hooks of zoo-mpe: the particle world of the offline-MARL benchmark and its datasets."""

from __future__ import annotations

from zoo_core import DatasetEntry, EnvEntry, Source, hookimpl
from zoo_mpe.scores import REFERENCE

OMAR = Source(
    paper="Pan et al., Plan Better Amid Conservatism: Offline Multi-Agent RL with Actor Rectification (ICML 2022)",
    url="https://arxiv.org/abs/2111.11188",
    code="https://github.com/ling-pan/OMAR",
)
PHYSICS = "the offline-MARL benchmark's particle world (OMAR, CFCQL), not mpe2's: velocity first, acceleration squared"

OWN_PREY = (
    "The prey is this project's, trained beside predators and frozen: another game than the published one, so the "
    "published reference returns do not apply (random/expert with the benchmark's own prey: {published}) and scores "
    "are on a scale of our own; a file of the benchmark's prey restores its game: prey=PATH"
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
        reference=REFERENCE["mpe-cn"],
    ),
    EnvEntry(
        name="mpe-pp",
        summary="Predator-Prey: three predators chase a faster, scripted prey around two obstacles.",
        factory="zoo_mpe.envs:PredatorPrey",
        source=OMAR,
        family="mpe",
        convention=f"{PHYSICS}. {OWN_PREY.format(published='-4.1/185.6')}",
        agents=3,
        default_quality="medium-replay",
        reference=REFERENCE["mpe-pp"],
    ),
    EnvEntry(
        name="mpe-world",
        summary="World: the chase with an obstacle, food and two forests.",
        factory="zoo_mpe.envs:World",
        source=OMAR,
        family="mpe",
        convention=f"{PHYSICS}. {OWN_PREY.format(published='-6.8/79.5')}",
        agents=3,
        default_quality="medium-replay",
        reference=REFERENCE["mpe-world"],
    ),
)

BUILT_HERE = Source(
    paper="Built here, after the datasets of Pan et al. (ICML 2022); returns as published in OG-MARL's dataset cards",
    url="https://arxiv.org/abs/2111.11188",
)
ANOTHER_PREY = Source(
    paper=f"{BUILT_HERE.paper}, which are of another prey and so of another game",
    url=BUILT_HERE.url,
)


def dataset(
    env: str, quality: str, summary: str, transitions: int = 1_000_000, published_return: float | None = None
) -> DatasetEntry:
    """An entry; the factory is the quality's name in `zoo_mpe.datasets`."""
    return DatasetEntry(
        name=f"{env}/{quality}",
        summary=summary,
        factory=f"zoo_mpe.datasets:{quality.replace('-', '_')}",
        source=BUILT_HERE if env == "mpe-cn" else ANOTHER_PREY,
        env=env,
        quality=quality,
        transitions=transitions,
        published_return=published_return,
    )


def four_qualities(
    env: str, team: str, replay: int, expert: float, medium: float, medium_replay: float, random: float
) -> tuple[DatasetEntry, ...]:
    """The benchmark's four, with their published mean returns."""
    return (
        dataset(env, "expert", f"A fully trained MATD3 {team} with noise.", published_return=expert),
        dataset(env, "medium", f"A partly trained MATD3 {team} with noise.", published_return=medium),
        dataset(env, "medium-replay", f"All that the medium {team} saw while it learned.", replay, medium_replay),
        dataset(env, "random", "Independent uniform actions.", published_return=random),
    )


DATASETS = (
    *four_qualities("mpe-cn", "team", 97_500, 530.9, 273.4, 203.7, 159.6),
    dataset("mpe-cn", "random-network", "A randomly initialised team: the other reading of `random`."),
    dataset("mpe-cn", "correlated", "The medium team with noise that its agents share: not factorised, on purpose."),
    *four_qualities("mpe-pp", "pack", 62_500, 207.9, 116.4, 3.9, -4.1),
    *four_qualities("mpe-world", "pack", 80_000, 85.2, 65.9, 1.2, -6.8),
)


@hookimpl
def zoo_datasets() -> tuple[DatasetEntry, ...]:
    return DATASETS


@hookimpl
def zoo_envs() -> tuple[EnvEntry, ...]:
    return ENVS
