"""Hooks of zoo-mpe: the particle world of the offline-MARL benchmark and its datasets."""

from __future__ import annotations

from zoo_core import EnvEntry, ReferenceScores, Source, hookimpl

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
        default_quality="medium-replay",
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
    ),
)


@hookimpl
def zoo_envs() -> tuple[EnvEntry, ...]:
    return ENVS
