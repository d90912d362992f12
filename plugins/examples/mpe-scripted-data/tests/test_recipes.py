"""The recipes do what their cards say, bit for bit, and differ in coordination."""

import numpy as np
import pytest
from mpe_scripted_data import recipes
from mpe_scripted_data.plugin import zoo_datasets

from zoo_core import load_zoo
from zoo_core.data import Dataset, build_dataset

zoo_plugin = "mpe_scripted_data.plugin"
ENTRIES = {entry.quality: entry for entry in zoo_datasets()}


def test_conformance(zoo_claim):
    zoo_claim()


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """(quality, seed) → 300 episodes, played in the environment of the plugin that offers it."""
    make_env = load_zoo().find("env", "mpe-cn").load()

    def built(quality, seed=0):
        folder = tmp_path_factory.mktemp("data") / quality
        build_dataset(ENTRIES[quality], folder, make_env, seed=seed, transitions=7500)
        return Dataset.open(folder)

    return built


@pytest.mark.parametrize("quality", ENTRIES)
def test_equal_seeds_give_equal_bits_and_others_other_episodes(build, quality):
    assert build(quality, 5).hash == build(quality, 5).hash
    assert build(quality, 5).hash != build(quality, 6).hash


@pytest.mark.parametrize("quality", ENTRIES)
def test_episodes_do_not_depend_on_how_many_are_played_side_by_side(build, quality, monkeypatch):
    at_once = build(quality).hash
    monkeypatch.setattr(recipes, "COPIES", 7)
    assert build(quality).hash == at_once


def test_the_assignment_is_the_shortest_of_all_six():
    distance = np.random.default_rng(0).random((50, 3, 3))
    for row, target in zip(distance, recipes.shortest_assignment(distance), strict=True):
        assert sorted(target) == [0, 1, 2]
        rest = [row[0, a] + row[1, b] + row[2, 3 - a - b] for a in range(3) for b in range(3) if a != b]
        assert row[np.arange(3), target].sum() == pytest.approx(min(rest))


def test_coordination_pays_and_both_beat_random(build):
    coordinated, alone = (float(build(quality).returns().mean()) for quality in ("assigned", "nearest"))
    assert coordinated > alone > 200  # uniform actions: 160


def test_only_the_planned_behaviour_covers_every_landmark(build):
    """At the end of an episode: agents within 0.3 of a landmark of their own."""
    covered = {}
    for quality in ENTRIES:
        last = np.asarray(build(quality).obs).reshape(300, 26, 3, 18)[:, -1]
        covered[quality] = (recipes.distances(last).min(1) < 0.3).all(-1).mean()
    assert covered["assigned"] > covered["nearest"] + 0.3


@pytest.mark.parametrize(("quality", "answer"), [("assigned", "no:"), ("nearest", "yes:")])
def test_the_card_says_whether_agents_act_independently(build, quality, answer):
    notes = build(quality).card.notes
    assert notes["factorised"].startswith(answer)
    assert "25%" in notes["behaviour"]
