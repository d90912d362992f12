"""Builds: equal seeds give equal bits, and a build is there whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from toy_team import ENTRY, ToyEnv, random_policy

from zoo_core.data import Dataset, build_dataset, collect


def build(folder, **options):
    build_dataset(ENTRY, folder, ToyEnv, **options)
    return Dataset.open(folder)


def test_equal_seeds_give_equal_bits_and_other_seeds_others(tmp_path):
    first, again, other = build(tmp_path / "a"), build(tmp_path / "b"), build(tmp_path / "c", seed=1)
    assert first.hash == again.hash != other.hash
    assert (tmp_path / "a" / "card.json").read_bytes() == (tmp_path / "b" / "card.json").read_bytes()


@pytest.mark.parametrize(("num_envs", "copies"), [(1, 256), (3, 2), (7, 256), (16, 256)])
def test_collected_episodes_do_not_depend_on_the_number_of_copies(num_envs, copies):
    def flat(num_envs, copies):
        found = []
        for group in collect(ToyEnv(num_envs), random_policy, range(13), copies=copies):
            for e, length in enumerate(group["lengths"]):
                found.append(
                    np.concatenate([group["obs"][e, : length + 1].ravel(), group["action"][e, :length].ravel()])
                )
        return found

    reference = flat(13, 13)
    assert len({len(episode) for episode in reference}) > 1, "the toy should have episodes of several lengths"
    for ours, theirs in zip(flat(num_envs, copies), reference, strict=True):
        np.testing.assert_array_equal(ours, theirs)
