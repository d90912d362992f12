"""Hooks of zoo-spacql."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="spacql",
            summary="SPaCQL: Bellman targets mix partial action replacements by the ensemble's certainty.",
            factory="zoo_spacql.algorithm:SPaCQL",
            source=Source(
                paper="Jin & Montana 2026, Partial Action Replacement: Tackling Distribution Shift in Offline MARL",
                equations="Eqs. 3-7, Algorithm 1",
            ),
            settings="zoo_spacql:defaults.yaml",
            needs=("rows", "next_action", "state"),
            table_column="SPaCQL in Table 2 of SPaCQL",
        )
    ]
