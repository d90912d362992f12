"""Hooks of zoo-icql-qs."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="icql-qs",
            summary="ICQL-QS: Bellman targets replace one agent's action at a time; one shared critic.",
            factory="zoo_icql_qs.algorithm:ICQLQS",
            source=Source(
                paper="Jin & Montana 2026, Partial Action Replacement: Tackling Distribution Shift in Offline MARL",
                equations="Eqs. 1-2, Proposition 1",
                code="https://github.com/thu-rllab/CFCQL (its --cf_target)",
            ),
            settings="zoo_icql_qs:defaults.yaml",
            needs=("rows", "next_action", "state"),
            table_column="ICQL-QS in Table 1 of SPaCQL",
        )
    ]
