"""A hook that returns names instead of entries."""

from zoo_core import hookimpl


@hookimpl
def zoo_algorithms():
    return ["spacql"]
