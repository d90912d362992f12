"""The toy's hooks. Put this folder on the path and the zoo finds it like any installed plugin."""

from zoo_core import AlgorithmEntry, DatasetEntry, EnvEntry, ReferenceScores, Source, hookimpl

SOURCE = Source(paper="none", url="")


@hookimpl
def zoo_envs():
    return [
        EnvEntry(
            name="toy-line",
            summary="Two agents on a line walk to their goals.",
            factory="zoo_toy.env:Line",
            source=SOURCE,
            family="toy",
            agents=2,
            default_quality="random",
            convention="positions in [-1, 1], steps of at most 0.25",
            reference=ReferenceScores(random=-6.0, expert=-2.0, source="measured"),
        ),
        EnvEntry(
            name="toy-discrete",
            summary="The same, left or right.",
            factory="zoo_toy.env:Line",
            source=SOURCE,
            family="toy",
            agents=2,
            gives=("discrete",),
            default_quality="random",
        ),
    ]


@hookimpl
def zoo_datasets():
    return [
        DatasetEntry(
            name="toy-line/random",
            summary="Uniform random actions.",
            factory="zoo_toy.env:build_random",
            source=SOURCE,
            env="toy-line",
            quality="random",
            transitions=2000,
        )
    ]


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="toy",
            summary="Every kind of step, at toy size.",
            factory="zoo_toy.algorithm:Toy",
            source=SOURCE,
            settings="zoo_toy:defaults.yaml",
            needs=("rows", "next_action", "state", "statistics"),
        ),
        AlgorithmEntry(
            name="toy-diverges",
            summary="Its loss becomes NaN in the 12th iteration.",
            factory="zoo_toy.algorithm:Diverging",
            source=SOURCE,
            needs=("rows", "next_action", "state"),
        ),
    ]
