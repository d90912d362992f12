"""Hooks of zoo-comadice."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="comadice",
            summary="ComaDICE: how often the best team visits logged steps, by a mixed value; policies clone by it.",
            factory="zoo_comadice.algorithm:ComaDICE",
            source=Source(
                paper="Bui, Nguyen & Mai 2025, ComaDICE: Offline Cooperative Multi-Agent Reinforcement Learning with "
                "Stationary Distribution Shift Regularization",
                url="https://arxiv.org/abs/2410.01954",
                equations="the dual objective in the local values, the mixed critic, the weighted cloning",
                code="https://github.com/vietbt/ComaDICE",
            ),
            settings="zoo_comadice:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows", "state", "initial_obs", "statistics"),
            mixer=("linear",),
            table_column="ComaDICE in Tables 6 and 7 of OMCDA",
        )
    ]
