"""Folders that appear whole or not at all.

A dataset is written into a hidden sibling of its folder, forced to disk and renamed. A lock beside it lets one process
build while others wait; whoever holds the lock removes what killed builds have left.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zoo_core.errors import DatasetError


def slug(text: str) -> str:
    """A folder name made of `[a-z0-9._-]`; slashes separate folders and stay."""
    parts = [re.sub(r"[^a-z0-9._-]+", "-", part.lower()).strip("-.") for part in text.split("/")]
    return "/".join(part or "_" for part in parts)


@contextmanager
def locked(folder: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock of `folder`, cleared of what killed writers left; `waiting` is told once if another holds it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"cannot create {folder.parent}: {error.strerror}; set ZOO_DATA to a writable folder"
        ) from None
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if waiting:
            waiting(f"another process is writing {folder}; waiting for it")
        lock.acquire()
    try:
        _remove_stale(folder)
        yield
    finally:
        lock.release()


@contextmanager
def staged(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends well and vanishes when it does not.

    Hold `locked(folder)` around it. With `replace`, an existing `folder` is exchanged for the new one.

    Raises:
        DatasetError: `folder` exists and `replace` is false, or the disk is full.
    """
    if folder.exists() and not replace:
        raise DatasetError(f"{folder} exists already; nothing was overwritten (--force replaces it)")
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    try:
        yield staging
        staging.chmod(0o755)
        sync_folder(staging)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
            folder.rename(old / "replaced")
        staging.rename(folder)
        sync_folder(folder.parent)
        _remove_stale(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatasetError(
                f"the disk under {folder.parent} is full; nothing was left behind. Free some space, or set ZOO_DATA "
                "to a folder on another disk"
            ) from error
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a small file so that it is whole or absent, also after a power cut."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Force a folder's list of names to disk."""
    with suppress(OSError):  # not every file system can
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_stale(folder: Path) -> None:
    """Remove what killed writers left; a dataset that one of them was about to exchange is put back."""
    for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.partial-*"):
        replaced = leftover / "replaced"
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(leftover, ignore_errors=True)
