"""Hooks of zoo-bcq."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="bcq-ma",
            summary="BCQ-MA: agents choose among actions that the data could hold; their critics' mix is the team's.",
            factory="zoo_bcq.algorithm:BCQMA",
            source=Source(
                paper="Fujimoto, Meger & Precup 2019, Off-Policy Deep Reinforcement Learning without Exploration, for "
                "a team as OMCDA's Eq. 1 decomposes its value",
                url="https://arxiv.org/abs/1812.02900",
                equations="Algorithm 1 of BCQ; Eq. 1 of OMCDA",
                code="https://github.com/sfujim/BCQ; https://github.com/vietbt/ComaDICE (agents/continuous/bcq.py)",
            ),
            settings="zoo_bcq:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows", "state", "statistics"),
            mixer=("monotone",),
            table_column="BCQ-MA in Tables 6 and 7 of OMCDA",
        )
    ]
