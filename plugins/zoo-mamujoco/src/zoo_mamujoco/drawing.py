"""What MuJoCo can draw with where there is no screen. Imports nothing, for MuJoCo decides when it is imported."""

from __future__ import annotations

import ctypes
import os

LIBRARIES = {"egl": ("libEGL.so.1",), "osmesa": ("libOSMesa.so.8", "libOSMesa.so.6")}
"""Value of MUJOCO_GL → the libraries that serve it, best first."""


def drawing_library() -> str:
    """The value of MUJOCO_GL that works here; `disabled` where no library is found.

    MuJoCo cannot even be imported if it is told to draw with a library that is not there.
    """
    for value, names in LIBRARIES.items():
        if any(_loads(name) for name in names):
            return value
    return "disabled"


def how_to_draw() -> str:
    """What is set, and what to type, for a message."""
    chosen = os.environ.get("MUJOCO_GL", "unset")
    return (
        f"MUJOCO_GL being {chosen}. Without a screen `export MUJOCO_GL=egl`, which needs `apt install libegl1 "
        "libgl1-mesa-dri`; or `export MUJOCO_GL=osmesa`, which needs `apt install libosmesa6`"
    )


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
