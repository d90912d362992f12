"""Behaviour policies and records that ship with this package, as safetensors, and how they are read.

`zoo-matd3` trained them; its README has the command that makes each file again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from zoo_core import DatasetError, uniforms

HIDDEN = 64


@dataclass(frozen=True)
class TanhPolicy:
    """A deterministic team policy: one perceptron per agent, ReLU between layers, tanh at the end.

    `layers` are (weight [n, in, out], bias [n, 1, out]) in float64: in that precision, rounded to float32, an action
    does not depend on how many copies act at once, although the order of sums in a matrix product may.
    """

    layers: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]

    def __call__(self, obs: NDArray) -> NDArray[np.float64]:
        """Obs [E, n, o] → action [E, n, a] in (−1, 1)."""
        x = obs.transpose(1, 0, 2)
        for index, (weight, bias) in enumerate(self.layers):
            x = x @ weight
            x += bias
            if index < len(self.layers) - 1:
                np.maximum(x, 0.0, out=x)
        return np.tanh(x, out=x).transpose(1, 0, 2)


@dataclass(frozen=True)
class Shipped:
    """A file of this folder: its tensors, what it says of its origin, and the SHA-256 of its bytes."""

    tensors: dict[str, NDArray]
    about: dict[str, Any]
    sha256: str

    def policy(self) -> TanhPolicy:
        count = len(self.tensors) // 2
        names = [(f"{index}.weight", f"{index}.bias") for index in range(count)]
        return TanhPolicy(
            tuple((self.tensors[w].astype(np.float64), self.tensors[b].astype(np.float64)) for w, b in names)
        )


def shipped(name: str) -> Shipped:
    """The file `<name>.safetensors` of this folder."""
    resource = files(__name__) / f"{name}.safetensors"
    try:
        content = resource.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(
            f"zoo-mpe was installed without its file policies/{name}.safetensors; reinstall it"
        ) from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["about"])
    return Shipped(load(content), about, hashlib.sha256(content).hexdigest())


def random_policy(seed: int, agents: int, obs_size: int, action_size: int) -> TanhPolicy:
    """A policy as it is before any training: weights and biases U(±1/√inputs), a function of `seed` alone."""
    layers = []
    for index, (i, o) in enumerate([(obs_size, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, action_size)]):
        drawn = (2.0 * uniforms([seed], f"random-policy-{index}", (agents, i + 1, o))[0] - 1.0) / np.sqrt(i)
        layers.append((drawn[:, :i], drawn[:, i:]))
    return TanhPolicy(tuple(layers))
