"""Behaviour policies that ship with this package, as safetensors, and how they act.

`python -m zoo_mamujoco.train` and `python -m zoo_mamujoco.ship` made them; the README has the commands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from zoo_core import DatasetError, normals

Float = NDArray[np.float64]


@dataclass(frozen=True)
class GaussianPolicy:
    """a ~ N(μ(s), σ²), every dimension independent, clipped to [−1, 1]; μ by m perceptrons with tanh between layers.

    `layers` are (weight [m, in, out], bias [m, 1, out]) in float64: in that precision, rounded to float32, an action
    does not depend on how many copies act at once, although the order of sums in a matrix product may. `sees` [m, in]
    says which entries of the full observation each perceptron takes; their outputs side by side are the actuators.
    """

    layers: tuple[tuple[Float, Float], ...]
    sd: Float
    sees: NDArray[np.intp]

    def mean(self, full: Float) -> Float:
        """The full observation [E, entries] → μ clipped to [−1, 1], [E, actuators]."""
        return np.clip(self._mean(full), -1.0, 1.0)

    def sample(self, full: Float, seeds: NDArray[np.int64], t: int) -> Float:
        """An action [E, actuators] at step t; an episode's noise is a function of its seed."""
        return np.clip(self._mean(full) + self.sd * normals(seeds, f"behaviour noise {t}", self.sd.shape), -1.0, 1.0)

    def _mean(self, full: Float) -> Float:
        x = full[:, self.sees].transpose(1, 0, 2)
        for index, (weight, bias) in enumerate(self.layers):
            x = (np.tanh(x) if index else x) @ weight
            x += bias
        return x.transpose(1, 0, 2).reshape(len(full), -1)


@dataclass(frozen=True)
class Shipped:
    """A file of this folder: its policies, in the order of training; what it says of them; its bytes' SHA-256."""

    policies: tuple[GaussianPolicy, ...]
    about: Mapping[str, Any]
    sha256: str


def shipped(name: str) -> Shipped:
    """The file `<name>.safetensors` of this folder."""
    resource = files(__name__) / f"{name}.safetensors"
    try:
        content = resource.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(
            f"zoo-mamujoco was installed without its file policies/{name}.safetensors; reinstall it"
        ) from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["about"])
    return Shipped(policies_of(load(content)), about, hashlib.sha256(content).hexdigest())


def policies_of(tensors: Mapping[str, NDArray]) -> tuple[GaussianPolicy, ...]:
    """Policies from stacked tensors: `0.weight` [S, m, in, out], `0.bias` [S, m, 1, out], …, `log_sd` [S, actuators]
    and `sees` [m, in]."""
    depth = sum(name.endswith(".weight") for name in tensors)
    count = len(tensors["log_sd"])

    def layer(snapshot: int, index: int) -> tuple[Float, Float]:
        weight, bias = tensors[f"{index}.weight"][snapshot], tensors[f"{index}.bias"][snapshot]
        return weight.astype(np.float64), bias.astype(np.float64)

    return tuple(
        GaussianPolicy(
            tuple(layer(snapshot, index) for index in range(depth)),
            np.exp(tensors["log_sd"][snapshot].astype(np.float64)),
            tensors["sees"].astype(np.intp),
        )
        for snapshot in range(count)
    )
