"""Pictures of a robot, drawn off screen."""

from __future__ import annotations

import os
from typing import Any

import mujoco

from zoo_core import UsageError

SIZE = 480


def renderer(model: Any) -> Any:
    """MuJoCo's own renderer. Raises `UsageError` where no drawing library is found."""
    try:
        return mujoco.Renderer(model, SIZE, SIZE)
    except Exception as error:  # whatever the graphics library raises
        chosen = os.environ.get("MUJOCO_GL", "unset")
        raise UsageError(
            f"MuJoCo cannot draw (MUJOCO_GL is {chosen}): {type(error).__name__}: {error}. Without a screen it needs "
            "EGL or OSMesa: `apt install libegl1 libgl1-mesa-dri`, or `apt install libosmesa6` and MUJOCO_GL=osmesa"
        ) from error
