"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo_core.errors import RunError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_atomic(path: Path, data: bytes) -> None:
    """Write under a temporary name, fsync, rename, fsync the folder. On any failure the old file stays as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, content: Any) -> None:
    """Atomically write indented JSON; NaN and infinity are errors."""
    write_atomic(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path, kind: str) -> Any:
    """The content of a JSON file of a run folder. `kind` names it in the `RunError` if it cannot be read."""
    try:
        return json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.parent} has no {path.name} ({kind}): it is not a run folder of the zoo") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} ({kind}) cannot be read: {error}. Start another run with --again") from error


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical_json(content: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal content gives equal bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn a failed write inside this block into a `RunError` that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        cause = "the disk is full" if error.errno in _NO_ROOM else str(error)
        kept = any(any(place.glob("iteration-*.json")) for place in (folder, folder / "checkpoints"))
        rest = (
            "The last complete checkpoint is untouched; mend that and give the same command again to resume"
            if kept
            else "There is no checkpoint yet; mend that and give the same command again"
        )
        raise RunError(f"cannot write to {folder}: {cause}. {rest}") from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system lets a folder be synced."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
