"""A frozen prey read from a file. Nothing in the file is ever executed.

Two layouts are read:

- ours, `.safetensors`: `norm.mean`, `norm.variance`, `norm.weight`, `norm.bias` [o] (optional, all or none), then
  `layer<i>.weight` [out, in] and `layer<i>.bias` [out] for i = 0, 1, …; ReLU between layers, tanh after the last;
- the benchmark's `pretrained_adv_model.pt`, a torch pickle: `agent_params[-1]["policy"]` is the state dict of
  BatchNorm1d (`in_fn`) and three linear layers (`fc1`, `fc2`, `fc3`), evaluated with its running statistics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core import ZooError
from zoo_mpe.physics import Float

BATCH_NORM_EPSILON = 1e-5
BLOCK = 256
"""Copies per block of a forward pass: activations of [64, 256] stay in the cache."""


class NetworkFileError(ZooError):
    """A file that does not hold a usable prey network."""


class NetworkPrey:
    """A frozen multi-layer perceptron in float64.

    Sums run one input after the other, elementwise over copies, and not through a matrix product: a library's product
    may round differently for another number of copies, and an episode must not depend on it.
    """

    def __init__(self, name: str, layers: Sequence[tuple[Float, Float]]) -> None:
        """`layers`: (weight [out, in], bias [out]) pairs, any input normalisation folded into the first."""
        self.name = name
        self._layers = [(np.ascontiguousarray(weight.T)[:, :, None], bias[:, None]) for weight, bias in layers]

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Any) -> None:
        """Nothing to forget: the network has no memory."""

    def act(self, obs: Float, time: NDArray[np.intp]) -> Float:
        """Actions [2, E] from observations [o, E]."""
        blocks = range(0, obs.shape[1], BLOCK)
        return np.concatenate([self._forward(obs[:, at : at + BLOCK]) for at in blocks], axis=1)

    def _forward(self, signal: Float) -> Float:
        for depth, (columns, bias) in enumerate(self._layers):
            if depth:
                signal = np.maximum(signal, 0.0)
            total = np.repeat(bias, signal.shape[1], axis=1)
            product = np.empty_like(total)
            for column, row in zip(columns, signal, strict=True):
                total += np.multiply(column, row, out=product)
            signal = total
        return np.tanh(signal)


def load_prey(path: Path, obs_size: int) -> NetworkPrey:
    """The prey in `path`, for observations of `obs_size` numbers.

    Raises:
        NetworkFileError: the file is not of either layout, asks for code to be run, or is for another game.
    """
    tensors = _read_safetensors(path) if path.suffix == ".safetensors" else _read_benchmark(path)
    layers = _layers(path, tensors, obs_size)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return NetworkPrey(f"network-{digest}", layers)


def save_prey(path: Path, layers: Sequence[tuple[Float, Float]]) -> None:
    """Write (weight [out, in], bias [out]) pairs in our layout."""
    from safetensors.numpy import save_file

    tensors = {
        f"layer{i}.{kind}": part
        for i, pair in enumerate(layers)
        for kind, part in zip(("weight", "bias"), pair, strict=True)
    }
    save_file({name: np.ascontiguousarray(part, dtype=np.float32) for name, part in tensors.items()}, path)


def _read_safetensors(path: Path) -> dict[str, Float]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: values.astype(np.float64) for name, values in load_file(path).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise NetworkFileError(f"prey file {path}: not a readable safetensors file ({error})") from error


def _read_benchmark(path: Path) -> dict[str, Float]:
    """The benchmark's torch pickle in our names. The loader builds tensors and plain containers only."""
    import torch

    # The file's training settings hold NumPy numbers next to the networks; these only ever build numbers.
    build_number = np.float64(0.0).__reduce__()[0]
    allowed: list[Any] = [np.dtype, np.dtypes.Float32DType, np.dtypes.Float64DType, np.dtypes.Int64DType]
    allowed += [(build_number, f"{home}.multiarray.scalar") for home in ("numpy.core", "numpy._core")]
    try:
        with torch.serialization.safe_globals(allowed):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a refusal, a truncated archive or a malformed pickle: each has a type of its own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NetworkFileError(
            f"prey file {path}: refused, it is not a plain torch file of tensors ({reason}). Nothing in it was run"
        ) from error
    try:
        policy: Mapping[str, Any] = content["agent_params"][-1]["policy"]
        ours = {"in_fn.running_mean": "norm.mean", "in_fn.running_var": "norm.variance"}
        ours |= {f"in_fn.{part}": f"norm.{part}" for part in ("weight", "bias")}
        ours |= {f"fc{i + 1}.{part}": f"layer{i}.{part}" for i in range(3) for part in ("weight", "bias")}
        return {name: policy[theirs].detach().double().numpy() for theirs, name in ours.items()}
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise NetworkFileError(
            f"prey file {path}: expected agent_params[-1]['policy'] with in_fn, fc1, fc2 and fc3; "
            f"{type(error).__name__}: {error}"
        ) from error


def _layers(path: Path, tensors: Mapping[str, Float], obs_size: int) -> list[tuple[Float, Float]]:
    """(weight, bias) pairs with checked shapes, the normalisation folded into the first."""
    depth = sum(name.endswith(".weight") for name in tensors if name.startswith("layer"))
    expected = {f"layer{i}.{part}" for i in range(depth) for part in ("weight", "bias")}
    norm = {f"norm.{part}" for part in ("mean", "variance", "weight", "bias")}
    if not depth or set(tensors) not in (expected, expected | norm):
        raise NetworkFileError(f"prey file {path}: unexpected tensors {sorted(tensors)}")
    bad = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if bad:
        raise NetworkFileError(f"prey file {path}: {bad[0]} is not finite")
    layers, width = [], obs_size
    for i in range(depth):
        weight, bias = tensors[f"layer{i}.weight"], tensors[f"layer{i}.bias"]
        if weight.ndim != 2 or weight.shape[1] != width or bias.shape != weight.shape[:1]:
            raise NetworkFileError(
                f"prey file {path}: layer {i} has weight {weight.shape} and bias {bias.shape}; it must take {width} "
                "inputs" + (" (is this the prey of the other game?)" if i == 0 else "")
            )
        layers.append((weight, bias))
        width = len(bias)
    if width != 2:
        raise NetworkFileError(f"prey file {path}: the last layer gives {width} numbers, an action has 2")
    if norm <= set(tensors):
        layers[0] = _fold(path, tensors, layers[0], obs_size)
    return layers


def _fold(path: Path, tensors: Mapping[str, Float], first: tuple[Float, Float], obs_size: int) -> tuple[Float, Float]:
    """The first layer with the normalisation (x − mean)/√(variance + ε) · weight + bias in front of it."""
    mean, variance, weight, bias = (tensors[f"norm.{part}"] for part in ("mean", "variance", "weight", "bias"))
    if any(part.shape != (obs_size,) for part in (mean, variance, weight, bias)) or (variance < 0).any():
        raise NetworkFileError(f"prey file {path}: norm.* must have shape ({obs_size},) and a variance ≥ 0")
    scale = weight / np.sqrt(variance + BATCH_NORM_EPSILON)
    return first[0] * scale, first[1] + first[0] @ (bias - mean * scale)
