"""Builds: equal seeds give equal bits, and a dataset is there whole or not at all."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toy_team
from toy_team import ENTRY, ToyEnv, random_policy

from zoo_core import DatasetError
from zoo_core.data import Dataset, build_dataset, collect
from zoo_core.data.folders import locked


def build(folder, **options):
    build_dataset(ENTRY, folder, ToyEnv, **options)
    return Dataset.open(folder)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".partial-" in path.name)


def test_equal_seeds_give_equal_bits_and_other_seeds_others(tmp_path):
    first, again, other = build(tmp_path / "a"), build(tmp_path / "b"), build(tmp_path / "c", seed=1)
    assert first.hash == again.hash != other.hash
    assert (tmp_path / "a" / "card.json").read_bytes() == (tmp_path / "b" / "card.json").read_bytes()


def test_the_card_says_how_to_build_it_again(tmp_path):
    card = build(tmp_path / "a", seed=3, transitions=20, distribution="zoo-toy 1", convention="a walk").card
    assert card.name == ENTRY.name
    assert card.source == {
        "kind": "built",
        "recipe": ENTRY.factory,
        "distribution": "zoo-toy 1",
        "version": 1,
        "seed": 3,
        "transitions": 20,
    }
    assert card.convention == "a walk"
    assert card.notes == {"policy": "uniform"}
    assert {"python", "numpy", "torch", "zoo-core"} <= card.versions.keys()


def test_an_existing_dataset_is_used_and_replaced_only_on_request(tmp_path):
    first = build(tmp_path / "a")
    inode = (tmp_path / "a").stat().st_ino
    assert build(tmp_path / "a", seed=1).hash == first.hash
    assert (tmp_path / "a").stat().st_ino == inode
    assert build(tmp_path / "a", seed=1, replace=True).hash != first.hash
    assert leftovers(tmp_path) == []


def test_progress_counts_up_to_the_target(tmp_path):
    seen = []
    build(tmp_path / "a", progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] >= ENTRY.transitions == seen[-1][1]


@pytest.mark.parametrize("replace", [False, True])
def test_a_build_that_fails_leaves_everything_as_it_was(tmp_path, monkeypatch, replace):
    if replace:
        before = build(tmp_path / "a").hash

    def fail(recipe):
        toy_team.original_fill(recipe)
        raise RuntimeError("half way")

    monkeypatch.setattr(toy_team, "original_fill", toy_team.fill, raising=False)
    monkeypatch.setattr(toy_team, "fill", fail)
    with pytest.raises(RuntimeError, match="half way"):
        build_dataset(ENTRY, tmp_path / "a", ToyEnv, replace=replace)
    assert leftovers(tmp_path) == []
    if replace:
        assert Dataset.open(tmp_path / "a").hash == before
    else:
        assert visible(tmp_path) == []


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("zoo_core.data.layout.ArrayAppender.append", full)
    with pytest.raises(DatasetError, match=r"disk .* is full"):
        build(tmp_path / "a")
    assert visible(tmp_path) == leftovers(tmp_path) == []


SLOW_BUILD = """
import sys, time
from pathlib import Path
sys.path.append({here!r})
import toy_team
from zoo_core.data import build_dataset

def slow(build):
    original(build)
    print("filled", flush=True)
    time.sleep({pause})

original, toy_team.fill = toy_team.fill, slow
card = build_dataset(toy_team.ENTRY, Path({folder!r}), toy_team.ToyEnv, waiting=lambda text: print(text, flush=True))
print(card.hash, flush=True)
"""


def start_build(folder, pause):
    code = SLOW_BUILD.format(here=str(Path(toy_team.__file__).parent), folder=str(folder), pause=pause)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_a_killed_build_leaves_nothing_to_be_found_and_the_next_one_cleans_up(tmp_path):
    process = start_build(tmp_path / "a", pause=60)
    assert process.stdout.readline() == "filled\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert visible(tmp_path) == []
    assert len(leftovers(tmp_path)) == 1
    with pytest.raises(DatasetError, match="no dataset"):
        Dataset.open(tmp_path / "a")
    assert build(tmp_path / "a").num_episodes > 0
    assert leftovers(tmp_path) == []


def test_a_second_process_waits_for_the_first_and_uses_its_dataset(tmp_path):
    first = start_build(tmp_path / "a", pause=1.0)
    assert first.stdout.readline() == "filled\n"
    messages = []
    card = build_dataset(ENTRY, tmp_path / "a", lambda _: pytest.fail("built twice"), waiting=messages.append)
    assert len(messages) == 1
    assert "waiting" in messages[0]
    assert first.communicate()[0].strip() == card.hash


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(tmp_path):
    before = build(tmp_path / "a").hash
    limbo = tmp_path / ".a.partial-xyz"
    limbo.mkdir()
    (tmp_path / "a").rename(limbo / "replaced")
    assert build(tmp_path / "a", seed=1).hash == before
    assert leftovers(tmp_path) == []


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "a"):
        1 / 0  # noqa: B018
    with locked(tmp_path / "a", waiting=lambda _: pytest.fail("still locked")):
        pass


@pytest.mark.parametrize(("num_envs", "copies"), [(1, 256), (3, 2), (7, 256), (16, 256)])
def test_collected_episodes_do_not_depend_on_the_number_of_copies(num_envs, copies):
    reference = flat(13, 13)
    assert len({len(episode) for episode in reference}) > 1, "the toy should have episodes of several lengths"
    for ours, theirs in zip(flat(num_envs, copies), reference, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def flat(num_envs, copies):
    """Every number of every collected episode."""
    found = []
    for group in collect(ToyEnv(num_envs), random_policy, range(13), copies=copies):
        for e, length in enumerate(group["lengths"]):
            parts = (group["obs"][e, : length + 1], group["action"][e, :length], group["reward"][e, :length])
            found.append(np.concatenate([part.ravel() for part in parts]))
    return found


def test_collected_episodes_replay_step_by_step():
    (group,) = collect(ToyEnv(4), random_policy, [5, 6, 7, 8])
    for e, seed in enumerate([5, 6, 7, 8]):
        env = ToyEnv(1)
        shown = env.reset([seed])
        for t in range(group["lengths"][e]):
            np.testing.assert_array_equal(group["obs"][e, t], shown.obs[0])
            action = random_policy(shown.obs, None, np.array([seed]), t)
            np.testing.assert_array_equal(group["action"][e, t], action[0])
            shown = env.step(action)
            np.testing.assert_array_equal(group["reward"][e, t], shown.reward[0])
            assert group["terminated"][e, t] == shown.terminated[0]
            assert group["truncated"][e, t] == shown.truncated[0]
        assert shown.terminated[0] or shown.truncated[0]


def test_an_environment_that_never_ends_is_named():
    class Endless(ToyEnv):
        def step(self, action):
            shown = super().step(action)
            return shown._replace(terminated=shown.terminated & False, truncated=shown.truncated & False)

    with pytest.raises(DatasetError, match=r"'toy' neither terminated nor truncated .* 5 steps"):
        list(collect(Endless(2), random_policy, [1]))
