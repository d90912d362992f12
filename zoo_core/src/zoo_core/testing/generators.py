"""The global random generators, which nothing in the zoo may draw from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

DREW = ". Or it draws from a global generator: see global_generators_are_untouched"
"""The other cause of whatever a claim finds that differs between two runs."""


def global_states() -> tuple[Any, ...]:
    """The state of Python's, numpy's and torch's global generators, to be compared with a later one."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - read, to see that it is left alone
    assert not isinstance(keys, str)
    return random.getstate(), (name, keys.tobytes(), *rest), bytes(torch.get_rng_state().tolist())
