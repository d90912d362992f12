"""Pictures: drawn without a screen, everything inside, collisions visible."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageColor

from zoo_core import UsageError
from zoo_mpe.envs import CooperativeNavigation, PredatorPrey, World
from zoo_mpe.render import AGENTS, FILL, TOUCH, view


def count(picture, colour, tolerance=40):
    """Pixels within `tolerance` of a colour in every channel."""
    return int((np.abs(picture.astype(int) - ImageColor.getrgb(colour)).max(axis=-1) < tolerance).sum())


def navigation(position, landmarks=((-0.5, 0.5), (0.0, 0.5), (0.5, 0.5))):
    env = CooperativeNavigation(1)
    env.set_state([position], np.zeros((1, 3, 2)), [landmarks])
    return env


@pytest.mark.parametrize("make", [CooperativeNavigation, PredatorPrey, World])
def test_a_picture_is_rgb_bytes_and_shows_every_kind_of_body(make):
    env = make(2)
    env.reset([3, 4])
    picture = env.render(1)
    assert (picture.shape, picture.dtype) == ((480, 480, 3), np.uint8)
    roles = {body.role for body in (*env.scenario.agents, *env.scenario.landmarks)} - {"agent", "forest"}
    for role in roles:
        assert count(picture, FILL[role]) > 15, role
    np.testing.assert_array_equal(picture, env.render(1))
    assert (picture != env.render(0)).any()


def test_the_picture_has_x_to_the_right_and_y_upwards():
    picture = navigation([(0.8, 0.8), (-0.8, -0.8), (-0.8, 0.8)]).render()
    rows, columns = np.nonzero(np.abs(picture.astype(int) - ImageColor.getrgb(AGENTS[0])).max(axis=-1) < 40)
    assert rows.mean() < 120
    assert columns.mean() > 360


def test_overlapping_agents_are_marked():
    apart = navigation([(-0.8, -0.5), (0.0, -0.5), (0.8, -0.5)]).render()
    touching = navigation([(-0.2, -0.5), (0.0, -0.5), (0.8, -0.5)]).render()
    assert count(apart, TOUCH) == 0
    assert count(touching, TOUCH) > 50


@pytest.mark.parametrize("far", [0.5, 1.04, 1.06, 2.5, 40.0])
def test_the_view_holds_every_body_and_changes_in_few_steps(far):
    env = navigation([(far, 0.0), (0.0, -far), (0.1, 0.1)])
    reach = view(env.scenario, env.world.position[..., 0], env.world.landmarks[..., 0])
    assert far + 0.15 <= reach <= max(1.2, far + 0.15 + 0.3) + 1e-9
    assert (reach - 1.2) / 0.3 == pytest.approx(round((reach - 1.2) / 0.3))


def test_a_copy_that_does_not_exist_is_refused():
    env = CooperativeNavigation(2)
    with pytest.raises(UsageError, match="copies 0 to 1, not 2"):
        env.render(2)
