"""What this plugin offers. `zoo list` reads this module, so it imports nothing heavy."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="plcql",
            summary="PLCQL: a bandit learns, state by state, how many agents a Bellman target replaces.",
            factory="plcql.algorithm:PLCQL",
            source=Source(
                paper="Jin & Montana 2026, Learning Partial Action Replacement in Offline MARL",
                url="https://arxiv.org/abs/2603.28573",
            ),
            settings="plcql:defaults.yaml",
            needs=("rows", "next_action", "state"),
        )
    ]
