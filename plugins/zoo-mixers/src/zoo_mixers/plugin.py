"""What this plugin offers."""

from zoo_core import MixerEntry, Source, hookimpl

ENTRIES = (
    MixerEntry(
        name="linear",
        summary="w(s)·Q + b(s) with w ≥ 0, both from one small network of the state; one or several totals.",
        factory="zoo_mixers.mixers:Linear",
        source=Source("OMCDA (Offline MARL with Conservative Degree Allocation)", equations="Eqs. 1, 13–16"),
        traits=("linear", "monotone", "vector"),
        outputs="n",
    ),
    MixerEntry(
        name="vdn",
        summary="The sum of the agents' values; nothing to learn.",
        factory="zoo_mixers.mixers:VDN",
        source=Source("Sunehag et al. 2018, Value-Decomposition Networks", "https://arxiv.org/abs/1706.05296"),
        traits=("linear", "monotone"),
    ),
    MixerEntry(
        name="qmix",
        summary="A monotone network of the agents' values whose weights come from hypernetworks of the state.",
        factory="zoo_mixers.mixers:QMIX",
        source=Source("Rashid et al. 2018, QMIX", "https://arxiv.org/abs/1803.11485", equations="Eq. 5"),
        traits=("monotone",),
    ),
)


@hookimpl
def zoo_mixers() -> tuple[MixerEntry, ...]:
    return ENTRIES
