"""Which quality a path names: the innermost part decides, by whole words, and what is ambiguous is not guessed."""

from __future__ import annotations

import pytest

from zoo_core.data.importers.published import _quality_in

QUALITIES = ["expert", "medium", "medium-expert", "medium-replay", "random"]


@pytest.mark.parametrize(
    ("path", "quality"),
    [
        ("medium/expert", "expert"),
        ("expert/medium/seed_0_data", "medium"),
        ("data/medium-replay/seed_1_data", "medium-replay"),
        ("data/medium_replay", "medium-replay"),
        ("Hopper-v2-3x1-medium-expert.hdf5", "medium-expert"),
        ("HalfCheetah-Expert.npz", "expert"),
        ("medium/medium-replay.npz", "medium-replay"),
    ],
)
def test_the_innermost_part_that_names_a_quality_decides(path, quality):
    found, said = _quality_in(path, QUALITIES)
    assert found == quality
    assert said.startswith(f"{quality} (from its path, ")
    assert "--quality changes it" in said


@pytest.mark.parametrize("path", ["experts/mediums", "data/seed_0_data", "unexpert/superb", "good.npz"])
def test_a_path_without_a_known_word_names_none_and_says_so(path):
    found, said = _quality_in(path, QUALITIES)
    assert found == ""
    assert said.startswith("not assumed: its path names none of expert, medium, ")
    assert "--quality says which" in said


@pytest.mark.parametrize("part", ["expert-and-medium", "medium-replay_vs_medium", "random.expert.npz"])
def test_a_part_that_names_two_is_not_guessed_from_nor_from_what_is_around_it(part):
    found, said = _quality_in(f"random/{part}", QUALITIES)
    assert found == ""
    assert f"{part!r} in its path names" in said
    assert "--quality says which" in said
