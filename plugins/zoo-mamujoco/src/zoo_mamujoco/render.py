"""Pictures of a robot, drawn off screen."""

from __future__ import annotations

from typing import Any

import mujoco

from zoo_core import UsageError
from zoo_mamujoco.drawing import how_to_draw

SIZE = 480


def renderer(model: Any) -> Any:
    """MuJoCo's own renderer. Raises `UsageError` where no drawing library is found."""
    try:
        return mujoco.Renderer(model, SIZE, SIZE)
    except Exception as error:  # whatever the graphics library raises
        raise UsageError(f"MuJoCo cannot draw, {how_to_draw()} ({type(error).__name__}: {error})") from error
