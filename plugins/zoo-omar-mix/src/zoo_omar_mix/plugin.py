"""Hooks of zoo-omar-mix."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="omar-mix",
            summary="OMAR with mixed critics: a conservative team value, and a search that rectifies local policies.",
            factory="zoo_omar_mix.algorithm:OMARMix",
            source=Source(
                paper="Pan et al. 2022, Plan Better Amid Conservatism, in the form of OMCDA's tables",
                url="https://arxiv.org/abs/2111.11188",
                equations="OMAR's Section 3.2, with critics mixed by OMCDA's Eq. 1",
                code="https://github.com/vietbt/ComaDICE (agents/continuous/omar.py)",
            ),
            settings="zoo_omar_mix:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows", "state"),
            mixer=("linear",),
            table_column="OMAR in Tables 6 and 7 of OMCDA (a mixed form; `omar` is the paper's decentralised one)",
        )
    ]
