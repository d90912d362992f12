"""Hooks of zoo-macql."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="macql",
            summary="MACQL: conservative central critic, penalised on whole joint actions.",
            factory="zoo_macql.algorithm:MACQL",
            source=Source(
                paper="Shao et al. 2023, Counterfactual Conservative Q Learning for Offline Multi-agent RL",
                url="https://arxiv.org/abs/2309.12696",
                equations="its baseline: CQL with a central critic and a joint penalty",
                code="https://github.com/thu-rllab/CFCQL",
            ),
            settings="zoo_macql:defaults.yaml",
            needs=("rows", "state"),
            table_column="MACQL in Table 2 of SPaCQL",
        )
    ]
