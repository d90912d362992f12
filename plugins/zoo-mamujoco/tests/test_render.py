"""Pictures are drawn without a screen, and where they cannot be, the message says what is missing."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from zoo_core import UsageError
from zoo_mamujoco.envs import MultiAgentMujoco


@pytest.fixture
def hopper():
    env = MultiAgentMujoco(2, robot="Hopper", partition="3x1")
    env.reset([0, 1])
    return env


def test_a_picture_is_rgb_bytes_follows_the_robot_and_changes_nothing(hopper):
    try:
        first = hopper.render(1)
    except UsageError as error:
        pytest.skip(f"nothing to draw with here: {error}")
    assert (first.shape, first.dtype) == ((480, 480, 3), np.uint8)
    assert np.array_equal(first, hopper.render(1))
    undrawn = MultiAgentMujoco(2, robot="Hopper", partition="3x1")
    undrawn.reset([0, 1])
    for _ in range(12):
        action = np.ones((2, 3, 1))
        drawn, other = hopper.step(action), undrawn.step(action)
        picture = hopper.render(1)
        assert np.array_equal(drawn.obs, other.obs)
    assert np.abs(picture.astype(int) - first).max() > 50
    middle = picture[:, 160:320].astype(int)
    assert np.ptp(middle, axis=(0, 1)).max() > 100  # the robot is in the middle, not an empty floor


def test_without_a_drawing_library_the_message_names_it(hopper, monkeypatch):
    def broken(*_args):
        raise RuntimeError("no display")

    monkeypatch.setattr(mujoco, "Renderer", broken)
    with pytest.raises(UsageError, match=r"export MUJOCO_GL=egl.*libegl1.*no display"):
        hopper.render()


def test_a_copy_that_does_not_exist_is_refused(hopper):
    with pytest.raises(UsageError, match="copies 0 to 1, not 2"):
        hopper.render(2)
