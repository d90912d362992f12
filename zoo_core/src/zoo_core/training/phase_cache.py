"""The outcome of a costly frozen phase, kept under the cache folder for other runs that would repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo_core.algorithms import Phase, Update
from zoo_core.errors import CheckpointCorrupt, PluginError, RunError
from zoo_core.paths import cache_home
from zoo_core.training import checkpoints
from zoo_core.training.files import canonical_json, sha256
from zoo_core.training.learner import Learner


def phase_folder(phase: Phase, config: Any, length: int, seed: int, context: Mapping[str, Any]) -> Path:
    """Where this phase's outcome lies. `context`: the data, the code and the modes, which decide it too."""
    unknown = [name for name in phase.reuse or () if not hasattr(config, name)]
    if unknown:
        raise PluginError(f"phase {phase.name!r} is reused by settings that do not exist: {unknown}")
    key = {
        "phase": phase.name,
        "data": {type(phase.data).__name__: asdict(phase.data)},
        "iterations": length,
        "settings": {name: getattr(config, name) for name in phase.reuse or ()},
        "seed": seed,
        **context,
        **({"algorithm": phase.reuse_as} if phase.reuse_as else {}),
    }
    return cache_home() / "phases" / sha256(canonical_json(key))[:24]


def outcome(learner: Learner, phase: Phase, index: int) -> dict[str, Tensor]:
    """Of one seed's state, what the steps of this phase have written."""
    written = {f"model/{name}" for step in phase.steps for name in learner.networks.written_by(step)}
    prefixes = tuple(f"optimiser/{step.name}/" for step in phase.steps if isinstance(step, Update))
    state = learner.state(index)
    return {path: tensor for path, tensor in state.items() if path in written or path.startswith(prefixes)}


def recall(folder: Path) -> Mapping[str, Tensor] | None:
    """A kept outcome; None if there is none or it is damaged, for it can be computed again."""
    try:
        found = checkpoints.load(folder, lambda message: None)
    except CheckpointCorrupt:
        return None
    return found.tensors if found else None


def keep(folder: Path, tensors: Mapping[str, Tensor], iterations: int) -> str:
    """Store an outcome. Returns why it could not be, or an empty text: a full cache is no reason to stop."""
    try:
        checkpoints.save(folder, checkpoints.Checkpoint(iterations, tensors))
    except RunError as error:
        return str(error)
    return ""
