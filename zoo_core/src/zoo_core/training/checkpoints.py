"""Checkpoints that survive a kill, a full disk or a flipped byte at any moment.

Each is a safetensors file and a JSON file with its SHA-256, iteration and the sums of the metrics since the last
logged row. Both are written under temporary names, synced and renamed; `LATEST` is written last. The two newest are
kept, and an older one goes only after the newer one is whole.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from zoo_core.errors import CheckpointCorrupt
from zoo_core.training.files import canonical_json, explained, sha256, write_atomic

FORMAT = 1
KEEP = 2
LATEST = "LATEST"


@dataclass(frozen=True)
class Checkpoint:
    """A moment of training. `tensors` by path (see `Learner.state`); `extra` is JSON the run keeps beside them."""

    iteration: int
    tensors: Mapping[str, Tensor]
    extra: Mapping[str, Any] = field(default_factory=dict)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint and make it the latest. Raises `RunError` if the disk refuses; older ones stay whole."""
    name = _name(checkpoint.iteration)
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        data = safetensors.torch.save(dict(checkpoint.tensors))
        body = {
            "format": FORMAT,
            "iteration": checkpoint.iteration,
            "file": f"{name}.safetensors",
            "bytes": len(data),
            "sha256": sha256(data),
            "extra": checkpoint.extra,
        }
        write_atomic(folder / f"{name}.safetensors", data)
        document = {"checkpoint": body, "sha256": sha256(canonical_json(body))}
        write_atomic(folder / f"{name}.json", json.dumps(document, indent=1).encode())
        write_atomic(folder / LATEST, f"{name}\n".encode())
        _prune(folder, name)


def load(folder: Path, warn: Callable[[str], None], *, before: int | None = None) -> Checkpoint | None:
    """The latest checkpoint that is whole; None if none was ever completed.

    A damaged one is passed over with a warning for the one before it. `before` limits the iteration.

    Raises:
        CheckpointCorrupt: there are checkpoints and none is whole.
    """
    candidates = _candidates(folder)
    if before is not None:
        candidates = [name for name in candidates if _iteration(name) <= before]
    faults = []
    for name in candidates:
        try:
            return _read(folder, name)
        except CheckpointCorrupt as error:
            faults.append(str(error))
            warn(f"{error}; trying the one before it")
    if faults:
        raise CheckpointCorrupt(
            f"no checkpoint in {folder} is whole: {'; '.join(faults)}. Restore one, or start another run with --again"
        )
    return None


def _read(folder: Path, name: str) -> Checkpoint:
    """One checkpoint, everything checked against its hashes."""
    path = folder / f"{name}.json"
    try:
        document = json.loads(path.read_bytes())
        body = document["checkpoint"]
        if document["sha256"] != sha256(canonical_json(body)):
            raise CheckpointCorrupt(f"{path} does not match its own hash")
        if body["format"] != FORMAT:
            raise CheckpointCorrupt(f"{path} has format {body['format']}; this version reads {FORMAT}")
        data = (folder / body["file"]).read_bytes()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointCorrupt(f"{path} cannot be read ({error})") from error
    if len(data) != body["bytes"] or sha256(data) != body["sha256"]:
        raise CheckpointCorrupt(f"{folder / body['file']} does not match its hash")
    return Checkpoint(body["iteration"], safetensors.torch.load(data), body["extra"])


def _candidates(folder: Path) -> list[str]:
    """Names of completed checkpoints, newest first. What is newer than `LATEST` was never completed."""
    names = sorted((path.stem for path in folder.glob("iteration-*.json")), reverse=True)
    try:
        latest = (folder / LATEST).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return names
    return [name for name in names if name <= latest] if latest in names else names


def _prune(folder: Path, latest: str) -> None:
    """Delete all but the `KEEP` newest up to `latest`. Failing to delete is no reason to stop training."""
    names = {path.name.partition(".")[0] for path in folder.glob("iteration-*")}
    keep = set(sorted((name for name in names if name <= latest), reverse=True)[:KEEP])
    for path in folder.glob("iteration-*"):
        if path.name.partition(".")[0] not in keep:
            with contextlib.suppress(OSError):
                path.unlink()


def _name(iteration: int) -> str:
    return f"iteration-{iteration:010d}"


def _iteration(name: str) -> int:
    return int(name.partition("-")[2])


def latest_iteration(folder: Path) -> int | None:
    """The iteration of the newest completed checkpoint, by name alone."""
    names = _candidates(folder)
    return _iteration(names[0]) if names else None
