"""One of two plugins that offer the same name."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [AlgorithmEntry("twin", "Twin a.", "zoo_twin_a.things:Algorithm", Source("made for the tests"))]
