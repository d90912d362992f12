"""Hooks of zoo-icq."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="icq",
            summary="ICQ: only logged actions are valued, weighted by their softmax; policies clone by it.",
            factory="zoo_icq.algorithm:ICQ",
            source=Source(
                paper="Yang et al. 2021, Believe What You See: Implicit Constraint Approach for Offline Multi-Agent "
                "Reinforcement Learning",
                url="https://arxiv.org/abs/2106.03400",
                equations="the implicit constraint target and the decomposed policy loss of ICQ-MA",
                code="https://github.com/YiqinYang/ICQ",
            ),
            settings="zoo_icq:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows", "next_action", "state", "statistics"),
            mixer=("linear",),
            table_column="ICQ in Tables 6 and 7 of OMCDA",
        )
    ]
