"""Folders that appear whole or not at all.

A dataset is written into a hidden sibling of its folder, forced to disk and renamed. A lock beside it lets one process
build while others wait; whoever holds the lock removes what killed builds have left, and where nothing was built takes
away the folders made for it.
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
    """Hold the lock of `folder`, cleared of what killed writers left; `waiting` is told once if another holds it.

    Raises:
        DatasetError: nothing can be written there.
    """
    new = [parent for parent in folder.parents if not parent.exists()]
    lock = FileLock(folder.parent / f".{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting:
                waiting(f"another process is writing {folder}; waiting for it")
            lock.acquire()
    except OSError as error:
        _remove_empty(new)
        raise _unwritable(folder.parent, error) from error
    try:
        _remove_stale(folder)
        yield
    except BaseException:
        if not folder.exists():
            Path(lock.lock_file).unlink(
                missing_ok=True
            )  # whoever waits for it sees that it is gone and takes a new one
            _remove_empty(new)
        raise
    finally:
        lock.release()


@contextmanager
def staged(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends well and vanishes when it does not.

    Hold `locked(folder)` around it. With `replace`, an existing `folder` is exchanged for the new one.

    Raises:
        DatasetError: `folder` exists and `replace` is false, nothing can be written there, or the disk is full.
    """
    if folder.exists() and not replace:
        raise DatasetError(f"{folder} exists already; nothing was overwritten (--force replaces it)")
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
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
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise _unwritable(folder.parent, error) from error
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


def _unwritable(parent: Path, error: OSError) -> DatasetError:
    """What to say where nothing can be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DatasetError(
            f"the disk under {parent} is full; nothing was left behind. Free some space, or set ZOO_DATA to a folder "
            "on another disk"
        )
    return DatasetError(f"cannot write to {parent}: {error.strerror or error}; set ZOO_DATA to a writable folder")


def _remove_empty(folders: list[Path]) -> None:
    """Remove these folders, the innermost first, as far as they are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _remove_stale(folder: Path) -> None:
    """Remove what killed writers left; a dataset that one of them was about to exchange is put back."""
    for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.partial-*"):
        replaced = leftover / "replaced"
        if replaced.exists() and not folder.exists():
            replaced.rename(folder)
        shutil.rmtree(leftover, ignore_errors=True)
