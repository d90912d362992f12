"""Keeping the memory that an iteration frees for the next one."""

from __future__ import annotations

import ctypes
import functools
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt(3)."""
KEPT_BYTES, LARGEST_MMAP_THRESHOLD = 1 << 30, 32 << 20
SWITCH = "ZOO_KEEP_MEMORY"
"""The environment variable that, set to 0, leaves the allocator alone."""


@functools.cache
def keep_freed_memory() -> bool:
    """Tell glibc's allocator to keep up to 1 GiB of freed memory; True if it was glibc's, agreed and was to be told.

    Activations are freed and asked for again at every step. By default the allocator returns them to the system, which
    then clears every page anew: a tenth to a fifth of an iteration on small networks. Applies to the process for good;
    other allocators are left alone, and so is glibc's with `ZOO_KEEP_MEMORY=0`. No result depends on it.
    """
    if os.environ.get(SWITCH, "").strip().lower() in ("0", "off", "no", "false"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no process handle, or another C library
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD) == 1 and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES) == 1)
