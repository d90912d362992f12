"""Works, but its hook module imports numpy, which makes the first start slow."""

import numpy  # noqa: F401

from zoo_core import MixerEntry, Source, hookimpl


@hookimpl
def zoo_mixers():
    return (MixerEntry("heavy-mixer", "A mixer.", "zoo_heavy.things:Mixer", Source("made for the tests")),)
