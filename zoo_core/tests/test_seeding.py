"""Randomness is a function of (seed, purpose) and of nothing else."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zoo_core.seeding import derive, generator, normals, uniforms


def test_numbers_are_stable_across_versions_and_machines():
    assert derive(0) == 4246866556266386882
    assert derive(0, "critic", 1) == 2088319718631398573
    assert uniforms([0, 1], "x", (2,)).tolist() == [
        [0.5843354008114687, 0.5480920002017232],
        [0.829904295119491, 0.5345702706365445],
    ]
    assert normals([7], "x", (2,))[0] == pytest.approx([-0.5697469585524231, -1.6591831453823533], rel=1e-12)


def test_uniforms_are_splitmix64():
    """Steele, Lea & Flood 2014, in whole numbers."""
    golden, word = 0x9E3779B97F4A7C15, 2**64 - 1

    def mix(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & word
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & word
        return x ^ (x >> 31)

    for seed in (0, 1, -5, 2**40):
        key = mix((seed * golden + derive(0, "test")) & word)
        expected = [(mix((key + k * golden) & word) >> 11) / 2**53 for k in range(1, 7)]
        assert uniforms([seed], "test", (2, 3)).ravel().tolist() == expected


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_derived_seeds_fit_63_bits_and_differ(a, b):
    assert 0 <= derive(a, "x") < 2**63
    assert (derive(a, "x") == derive(b, "x")) == (a == b)


def test_purposes_are_not_confused_by_where_their_parts_meet():
    assert len({derive(1, "ab", "c"), derive(1, "a", "bc"), derive(1, "abc"), derive(11, "a"), derive(1, 1, "a")}) == 5


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20), st.data())
def test_an_episodes_numbers_do_not_depend_on_its_batch(seeds, data):
    i = data.draw(st.integers(0, len(seeds) - 1))
    assert np.array_equal(uniforms(seeds, "x", (2, 3))[i], uniforms([seeds[i]], "x", (2, 3))[0])
    assert np.array_equal(normals(seeds, "x", (2, 3))[i], normals([seeds[i]], "x", (2, 3))[0])


def test_seeds_and_purposes_give_different_numbers():
    u = np.concatenate([uniforms(range(1000), purpose, (4,)).ravel() for purpose in ("x", "y", 0, 1)])
    assert len(np.unique(u)) == len(u)


@pytest.mark.parametrize("seeds", [range(50_000), range(0, 50_000 * 1024, 1024)])
def test_uniforms_are_uniform_and_uncorrelated_over_seeds_and_places(seeds):
    u = uniforms(seeds, "test", (2,))
    assert u.min() >= 0.0
    assert u.max() < 1.0
    assert u.mean() == pytest.approx(0.5, abs=4 * (1 / 12 / u.size) ** 0.5)
    assert np.histogram(u, bins=10, range=(0, 1))[0] == pytest.approx(u.size / 10, rel=0.05)
    noise = 4 / len(u) ** 0.5
    assert abs(np.corrcoef(u[:, 0], u[:, 1])[0, 1]) < noise
    assert abs(np.corrcoef(u[:-1, 0], u[1:, 0])[0, 1]) < noise


def test_normals_have_the_moments_of_a_standard_normal():
    x = normals(range(100_000), "test", ())
    assert x.shape == (100_000,)
    assert x.mean() == pytest.approx(0.0, abs=0.013)
    assert x.var() == pytest.approx(1.0, abs=0.018)
    assert (x**3).mean() == pytest.approx(0.0, abs=0.05)
    assert (x**4).mean() == pytest.approx(3.0, abs=0.13)


def test_generators_repeat_and_differ_by_purpose():
    first = torch.rand(4, generator=generator(3, "noise", 1))
    assert torch.equal(first, torch.rand(4, generator=generator(3, "noise", 1)))
    assert not torch.equal(first, torch.rand(4, generator=generator(3, "noise", 2)))
    assert not torch.equal(first, torch.rand(4, generator=generator(4, "noise", 1)))


def global_states() -> list:
    return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # noqa: NPY002


def test_global_generators_are_untouched():
    before = global_states()
    torch.rand(2, generator=generator(0, "x"))
    normals([1, 2], "x", (3,))
    assert global_states() == before


def test_uniforms_need_no_torch():
    code = "import sys, zoo_core.seeding as s; s.uniforms([1], 'x', (2,)); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
