"""Hooks of zoo-omiga."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="omiga",
            summary="OMIGA: a regularised team value split into local ones by a linear mixer; weighted cloning.",
            factory="zoo_omiga.algorithm:OMIGA",
            source=Source(
                paper="Wang et al. 2023, Offline Multi-Agent RL with Implicit Global-to-Local Value Regularization",
                url="https://arxiv.org/abs/2307.11620",
                equations="the local value, the mixed temporal difference and the local policy loss of its algorithm",
                code="https://github.com/ZhengYinan-AIR/OMIGA",
            ),
            settings="zoo_omiga:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows", "state"),
            mixer=("linear",),
            table_column="OMIGA in Tables 6 and 7 of OMCDA",
        )
    ]
