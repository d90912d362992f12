"""Hooks of zoo-matd3: an online learner, which makes the behaviour policies of our datasets."""

from __future__ import annotations

from zoo_core import AlgorithmEntry, Source, hookimpl

MATD3 = AlgorithmEntry(
    name="matd3",
    summary="MATD3, online: centralised twin critics and an actor per agent; trains behaviour policies.",
    factory="zoo_matd3.algorithm:MATD3",
    source=Source(
        paper="Ackermann et al., Reducing Overestimation Bias in Multi-Agent Domains Using Double Centralized Critics "
        "(NeurIPS 2019 Deep RL Workshop)",
        url="https://arxiv.org/abs/1910.01465",
        equations="Section 4; TD3's clipped double Q-learning with MADDPG's centralised critics",
    ),
    online="python -m zoo_matd3 train --env mpe-cn --out policies",
)


@hookimpl
def zoo_algorithms() -> tuple[AlgorithmEntry, ...]:
    return (MATD3,)
