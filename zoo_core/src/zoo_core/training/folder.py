"""A run's folder: `runs/<env>/<dataset>/<algo>/seed<k>-<id>/`, held by one process at a time."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoo_core.errors import RunError, RunLocked
from zoo_core.training.files import canonical_json, explained, read_json, sha256, write_json
from zoo_core.training.scores import Evaluations

CONFIG_KEYS = ("algorithm", "env", "dataset", "mixer", "seed", "team", "statistics", "settings", "identity")
MANIFEST_KEYS = ("created", "versions", "plugins", "dataset", "modes", "changes")
"""What each record of a run must hold to be used."""


class RunFolder:
    """Paths and records of one run. What it was told (`config.json`) never changes after it was created."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def exists(self) -> bool:
        return (self.path / "config.json").exists()

    @property
    def config(self) -> dict[str, Any]:
        """Raises `RunError` if this is no run folder, or a damaged one."""
        return _record(self.path / "config.json", "the run's settings", CONFIG_KEYS)

    @property
    def manifest(self) -> dict[str, Any]:
        """Raises `RunError` like `config`."""
        return _record(self.path / "manifest.json", "what the run was made with", MANIFEST_KEYS)

    @property
    def finished(self) -> bool:
        """True once the final evaluation is recorded."""
        return Evaluations.load(self.path).final is not None

    def create(self, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        """Record what the run is; `config.json` last, so that a folder with one is complete."""
        with explained(self.path):
            write_json(self.path / "manifest.json", manifest)
            write_json(self.path / "config.json", config)

    def record_change(self, change: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        """Note in the manifest that the run went on with something else."""
        with explained(self.path):
            write_json(self.path / "manifest.json", {**manifest, "changes": [*self.manifest["changes"], change]})

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run within this block. Raises `RunLocked`, naming the process that has it.

        The system frees the lock of a process that died, however it died; its pid file is then written over. A folder
        made for this that never became a run is removed again.
        """
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            with explained(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
            with self._locked():
                try:
                    yield
                finally:
                    if made and not self.exists:
                        self._clear()  # while it is held: nobody else can have the lock that goes
        finally:
            if made and not self.exists:
                with contextlib.suppress(OSError):  # something else lies there by now
                    for folder in made:
                        folder.rmdir()

    def _clear(self) -> None:
        with contextlib.suppress(OSError):
            for name in ("manifest.json", "pid", ".lock"):
                (self.path / name).unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.path / ".lock")
        pid = self.path / "pid"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunLocked(
                f"{self.path} is being trained by process {_holder(pid)}: wait for it, stop it, or start another run"
                " with --again"
            ) from None
        try:
            with explained(self.path):
                pid.write_text(f"{os.getpid()}\n", encoding="ascii")
            yield
        finally:
            pid.unlink(missing_ok=True)
            lock.release()


def run_id(identity: Mapping[str, Any]) -> str:
    """First 8 hex digits of the hash of all that changes a result."""
    return sha256(canonical_json(identity))[:8]


def find_run(parent: Path, seed: int, identity: Mapping[str, Any], *, again: bool) -> RunFolder:
    """The folder for these settings: the newest that exists, or with `again` a new one beside it."""
    base = f"seed{seed}-{run_id(identity)}"
    taken = [0] if (parent / base).exists() else []
    taken += [int(m[1]) for p in parent.glob(f"{base}-*") if (m := re.fullmatch(rf"{base}-(\d+)", p.name))]
    number = max(taken, default=0) if not again else max(taken, default=-1) + 1
    if again and number == 1:
        number = 2  # the second run is called -2
    return RunFolder(parent / (base if number == 0 else f"{base}-{number}"))


def require_same(folder: RunFolder, identity: Mapping[str, Any]) -> None:
    """Raise `RunError` if the folder belongs to another configuration, naming what differs."""
    found = folder.config["identity"]
    if found == identity:
        return
    differing = [name for name in sorted({*found, *identity}) if found.get(name) != identity.get(name)]
    raise RunError(
        f"{folder.path} holds a run of another configuration (different: {', '.join(differing)});"
        " nothing was changed. Start another run with --again or another --out"
    )


def slug(name: str) -> str:
    """A name as a folder: lower case, of `[a-z0-9._-]` alone."""
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "unnamed"


def _record(path: Path, kind: str, keys: Sequence[str]) -> dict[str, Any]:
    """A JSON file of a run folder that must hold an object with these keys."""
    found = read_json(path, kind)
    lacking = [key for key in keys if key not in found] if isinstance(found, dict) else list(keys)
    if lacking:
        raise RunError(f"{path} ({kind}) is damaged: it lacks {', '.join(lacking)}. Start another run with --again")
    return dict(found)


def _holder(pid: Path) -> str:
    try:
        return pid.read_text(encoding="ascii").strip() or "unknown"
    except (OSError, UnicodeDecodeError):
        return "unknown"
