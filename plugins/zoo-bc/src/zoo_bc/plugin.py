"""What this plugin offers."""

from zoo_core import AlgorithmEntry, Source, hookimpl

ENTRIES = (
    AlgorithmEntry(
        name="bc",
        summary="Behaviour cloning: each agent's own actor imitates the logged actions.",
        factory="zoo_bc.algorithm:BC",
        source=Source("Pomerleau 1991, Efficient Training of Artificial Neural Networks for Autonomous Navigation"),
        settings="zoo_bc:defaults.yaml",
        actions=("continuous", "discrete"),
        needs=("rows",),
        imitates=True,
        table_column="None: SPaCQL's and OMCDA's tables show no BC. It is the reference row of every table of ours.",
    ),
)


@hookimpl
def zoo_algorithms() -> tuple[AlgorithmEntry, ...]:
    return ENTRIES
