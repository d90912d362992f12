"""Hooks of zoo-omar."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="omar",
            summary="OMAR: conservative critics of each agent's own, and a search that rectifies its policy.",
            factory="zoo_omar.algorithm:OMAR",
            source=Source(
                paper="Pan et al. 2022, Plan Better Amid Conservatism: Offline Multi-Agent RL with Actor Rectification",
                url="https://arxiv.org/abs/2111.11188",
                equations="Section 3.2: the rectified policy loss; CQL's penalty for each agent",
                code="https://github.com/ling-pan/OMAR",
            ),
            settings="zoo_omar:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows",),
            table_column="OMAR in Table 2 of SPaCQL (the decentralised form; OMCDA's Table 6 has a mixed one)",
        )
    ]
