"""For every test of the workspace: `zoo_core` is the installed package, not the folder beside this file."""

import zoo_core  # noqa: F401  pytest's importlib mode would otherwise take the folder as a namespace package
