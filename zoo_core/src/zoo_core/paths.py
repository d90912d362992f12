"""Where the zoo keeps what it makes: one cache folder, with the built datasets inside it unless told otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """`$ZOO_CACHE`, else `$XDG_CACHE_HOME/zoo`, else `~/.cache/zoo`. Not created here."""
    if given := os.environ.get("ZOO_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "zoo"


def data_home() -> Path:
    """`$ZOO_DATA`, else `data` inside `cache_home()`. Not created here."""
    if given := os.environ.get("ZOO_DATA"):
        return Path(given).expanduser()
    return cache_home() / "data"
