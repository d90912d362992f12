"""Ends the process inside a hook, past every handler."""

import os

from zoo_core import hookimpl


@hookimpl
def zoo_algorithms():
    os._exit(0)
