"""For every test of the workspace: `zoo_core` is the installed package, not the folder beside this file."""

import os

# Tests work on tiny tensors, several processes side by side: one thread each. Child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import zoo_core  # noqa: F401  pytest's importlib mode would otherwise take the folder as a namespace package
