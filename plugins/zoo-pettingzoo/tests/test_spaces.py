"""Gymnasium's spaces as the zoo's numbers."""

import numpy as np
import pytest
from gymnasium import spaces

from zoo_core import PluginError, UsageError
from zoo_pettingzoo.spaces import Codec

SEEN = spaces.Box(-1.0, 1.0, (2,))
CHOICE = spaces.Discrete(3)


def codec(observation=SEEN, action=CHOICE):
    return Codec("pettingzoo:m.e", "a0", observation, action)


@pytest.mark.parametrize(
    ("space", "raw", "flat"),
    [
        (spaces.Box(0, 255, (2, 2), np.uint8), np.array([[1, 2], [3, 4]], np.uint8), [1, 2, 3, 4]),
        (spaces.Discrete(3, start=5), 6, [0, 1, 0]),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 0]), [0, 1, 1, 0, 0]),
        (spaces.Tuple([spaces.Discrete(2), spaces.Box(-9.0, 9.0, (1,))]), (1, np.array([7.0])), [0, 1, 7]),
        (spaces.Dict({"b": CHOICE, "a": spaces.Box(-9.0, 9.0, (1,))}), {"a": np.array([7.0]), "b": 0}, [7, 1, 0, 0]),
    ],
)  # fmt: skip
def test_observations_are_flat_numbers(space, raw, flat):
    found = codec(space)
    assert found.obs_size == len(flat)
    assert found.observe(raw).tolist() == flat


def test_a_vector_in_minus_one_to_one_is_scaled_to_each_dimensions_own_bounds():
    box = spaces.Box(np.array([0.0, -2.0], np.float32), np.array([1.0, 6.0], np.float32))
    act = codec(action=box).act
    assert [act([-1, -1]).tolist(), act([0, 0]).tolist(), act([1, 1]).tolist()] == [[0, -2], [0.5, 2], [1, 6]]
    assert act([5, -5]).tolist() == [1, -2]
    assert act([0.0, 0.0, 9.0]).shape == (2,)  # padding behind an agent's own dimensions


@pytest.mark.parametrize("seed", range(5))
def test_a_scaled_action_never_leaves_the_space_by_a_rounding(seed):
    low = np.random.default_rng(seed).uniform(-3, 0, (2, 3)).astype(np.float32)
    box = spaces.Box(low, low + np.float32(0.1))
    for action in np.random.default_rng(seed).choice([-1.0, -0.999999, 0.3, 0.9999999, 1.0], (200, 6)):
        assert box.contains(codec(action=box).act(action))


def test_a_choice_begins_where_its_space_does():
    assert codec(action=spaces.Discrete(3, start=2)).act(np.int64(1)) == 3


def test_a_mask_is_taken_out_of_the_observation_or_the_info():
    mask = np.array([0, 1, 1], np.int8)
    inside = codec(spaces.Dict({"action_mask": spaces.MultiBinary(3), "observation": SEEN}))
    assert inside.obs_size == 2
    assert inside.observe({"observation": np.ones(2), "action_mask": mask}).tolist() == [1, 1]
    assert inside.available({"observation": np.ones(2), "action_mask": mask}, {}).tolist() == [False, True, True]
    assert codec().available(np.ones(2), {"action_mask": mask}).tolist() == [False, True, True]
    assert codec().available(np.ones(2), None) is None


@pytest.mark.parametrize("inner", [spaces.Dict({"x": SEEN}), spaces.Dict({"x": SEEN, "y": SEEN})])
def test_what_is_seen_beside_a_mask_may_have_parts(inner):
    parts = {"observation": inner} if len(inner.spaces) == 1 else dict(inner.spaces)
    space = spaces.Dict({**parts, "action_mask": spaces.MultiBinary(3)})
    found = codec(space)
    assert found.observe(space.sample()).shape == (found.obs_size,) == (2 * len(inner.spaces),)


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (spaces.MultiDiscrete([2, 3]), r"acts in MultiDiscrete\(\[2 3\]\): several choices at a time"),
        (spaces.MultiBinary(2), "several switches at a time"),
        (spaces.Tuple([CHOICE, CHOICE]), "several parts of different kinds"),
        (spaces.Dict({"a": CHOICE}), "several parts of different kinds"),
        (spaces.Box(0, 5, (2,), np.int64), "neither one Discrete choice nor one Box of real numbers"),
        (spaces.Box(-np.inf, np.inf, (2,)), "which has no bounds: wrap the environment"),
        (spaces.Box(0.0, 1.0, (0,)), "sees or does nothing"),
    ],
)
def test_actions_the_zoo_has_no_place_for_are_refused_by_name(action, why):
    with pytest.raises(UsageError, match=f"pettingzoo:m.e: a0.*{why}"):
        codec(action=action)


@pytest.mark.parametrize("observation", [spaces.Sequence(SEEN), spaces.Graph(SEEN, None)])
def test_observations_without_a_fixed_size_are_refused(observation):
    with pytest.raises(UsageError, match="which has no fixed number of values"):
        codec(observation)


def test_an_environment_that_does_not_keep_to_its_spaces_is_named():
    with pytest.raises(PluginError, match="a0 observes 3 numbers; its space has 2"):
        codec().observe(np.zeros(3))
    with pytest.raises(PluginError, match="an action mask of 2 for 3 actions"):
        codec().available(np.zeros(2), {"action_mask": [1, 1]})
