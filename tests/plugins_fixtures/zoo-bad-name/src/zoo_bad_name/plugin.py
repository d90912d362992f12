"""An algorithm whose name has characters that no command line or folder should have to carry."""

from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    return [AlgorithmEntry("Bad Name!", "An algorithm.", "zoo_bad_name.things:Algorithm", Source("made for the tests"))]
