"""What this plugin offers. It imports nothing heavy."""

from zoo_core import MixerEntry, Source, hookimpl


@hookimpl
def zoo_mixers():
    return [
        MixerEntry(
            name="qatten",
            summary="Attention to the state weighs the agents' values, in several heads with weights of their own.",
            factory="qatten_mixer.mixer:Qatten",
            source=Source(
                paper="Yang et al. 2020, Qatten: A General Framework for Cooperative Multiagent Reinforcement Learning",
                url="https://arxiv.org/abs/2002.03939",
            ),
            traits=("linear", "monotone"),
        )
    ]
