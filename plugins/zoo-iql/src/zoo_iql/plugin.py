"""Hooks of zoo-iql."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="iql",
            summary="IQL: implicit Q-learning of each agent's own, values by expectiles, policies by weighted cloning.",
            factory="zoo_iql.algorithm:IQL",
            source=Source(
                paper="Kostrikov, Nair & Levine 2022, Offline Reinforcement Learning with Implicit Q-Learning",
                url="https://arxiv.org/abs/2110.06169",
                equations="Eqs. 5 to 7, for each agent",
                code="https://github.com/ikostrikov/implicit_q_learning",
            ),
            settings="zoo_iql:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows", "statistics"),
            table_column="IQL in Table 2 of SPaCQL (implicit, not independent, Q-learning)",
        )
    ]
