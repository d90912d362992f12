"""Offers one of each kind, all as they should be."""

from zoo_core import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry, Source, hookimpl

NOWHERE = Source("made for the tests")


@hookimpl
def zoo_envs():
    return [EnvEntry("healthy-world", "An environment.", "zoo_healthy.things:World", NOWHERE)]


@hookimpl
def zoo_datasets():
    entry = DatasetEntry(
        "healthy-world/expert", "Data.", "zoo_healthy.things:build", NOWHERE, "healthy-world", "expert"
    )
    return [entry]


@hookimpl
def zoo_mixers():
    return [MixerEntry("healthy-mixer", "A mixer.", "zoo_healthy.things:Mixer", NOWHERE, traits=("linear",))]


@hookimpl
def zoo_algorithms():
    return [AlgorithmEntry("healthy-algo", "An algorithm.", "zoo_healthy.things:Algorithm", NOWHERE)]
