"""What this package offers. `zoo list` reads this module, so it imports neither torch nor numpy."""

from __future__ import annotations

from zoo_core import MixerEntry, Source, hookimpl

MIXER = MixerEntry(
    name="__NAME__",
    summary="A sum of the agents' values, weighted by shares of credit that depend on the state, plus an offset.",
    factory="__PACKAGE__.mixer:__CLASS__",
    source=Source(
        paper="after Yang et al. 2020, Qatten: A General Framework for Cooperative Multiagent RL",
        url="https://arxiv.org/abs/2002.03939",
        equations="the weighted sum; the shares come from the state alone, without attention",
    ),
    traits=("linear", "monotone"),
    outputs="1",
)


@hookimpl
def zoo_mixers() -> list[MixerEntry]:
    return [MIXER]
