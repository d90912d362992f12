"""Hooks of zoo-cfcql."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="cfcql",
            summary="CFCQL: conservative central critic, penalised one agent at a time.",
            factory="zoo_cfcql.algorithm:CFCQL",
            source=Source(
                paper="Shao et al. 2023, Counterfactual Conservative Q Learning for Offline Multi-agent RL",
                url="https://arxiv.org/abs/2309.12696",
                equations="the counterfactual penalty; SPaCQL's ξ_c below its Eq. 5",
                code="https://github.com/thu-rllab/CFCQL",
            ),
            settings="zoo_cfcql:defaults.yaml",
            needs=("rows", "next_action", "state"),
            table_column="CFCQL in Tables 1 and 2 of SPaCQL",
        )
    ]
