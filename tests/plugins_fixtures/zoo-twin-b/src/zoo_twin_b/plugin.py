"""One of two plugins that offer the same name."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [AlgorithmEntry("twin", "Twin b.", "zoo_twin_b.things:Algorithm", Source("made for the tests"))]
