"""Hooks of zoo-td3bc."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="td3bc",
            summary="MA-TD3+BC: a TD3 learner for each agent, its policy held to the data by cloning.",
            factory="zoo_td3bc.algorithm:TD3BC",
            source=Source(
                paper="Fujimoto & Gu 2021, A Minimalist Approach to Offline Reinforcement Learning",
                url="https://arxiv.org/abs/2106.06860",
                equations="Eqs. 3 to 5 and normalised states, for each agent; the team of them: Pan et al. 2022",
                code="https://github.com/sfujim/TD3_BC",
            ),
            settings="zoo_td3bc:defaults.yaml",
            actions=("continuous",),
            needs=("rows", "statistics"),
            table_column="MA-TD3+BC in Table 2 of SPaCQL",
        )
    ]
