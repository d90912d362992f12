"""Hooks of zoo-cql."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [
        AlgorithmEntry(
            name="cql-ma",
            summary="CQL-MA: conservative local critics whose linear mix is the team's value.",
            factory="zoo_cql.algorithm:CQLMA",
            source=Source(
                paper="Kumar et al. 2020, Conservative Q-Learning for Offline Reinforcement Learning, for a team as "
                "OMCDA's Eq. 1 decomposes its value",
                url="https://arxiv.org/abs/2006.04779",
                equations="Eq. 4 of CQL, CQL(H); Eq. 1 of OMCDA",
                code="https://github.com/vietbt/ComaDICE (agents/continuous/cql.py)",
            ),
            settings="zoo_cql:defaults.yaml",
            actions=("continuous", "discrete"),
            needs=("rows", "state", "statistics"),
            mixer=("linear",),
            table_column="CQL-MA in Tables 6 and 7 of OMCDA",
        )
    ]
