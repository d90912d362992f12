"""The cross-entropy search: what it finds, and that it does not stop where its samples agree."""

import pytest
import torch

from zoo_core import generator
from zoo_omar.config import OMARConfig
from zoo_omar.search import best_action, soft_moments

N, B, SAMPLES = 2, 40, 10


def normals(rounds, samples=SAMPLES, dims=1, seed=0):
    return torch.randn(rounds, N, B, samples, dims, generator=generator(seed, "search"))


def valued(function):
    return lambda unit: (unit, function(unit))


def two_hills(unit):
    """A low hill at −0.6, where an ascent from the left stays, and a high one at 0.7."""
    x = unit[..., 0]
    return 30 * torch.exp(-20 * (x + 0.6) ** 2) + 60 * torch.exp(-20 * (x - 0.7) ** 2)


@pytest.mark.parametrize("settings", [{}, {"search_floor": 0.05, "search_keep": "all"}, {"search": "elites"}])
def test_it_finds_the_higher_of_two_hills(settings):
    config = OMARConfig(**settings)
    action, q = best_action(valued(two_hills), normals(3, 20), config)
    assert (action[..., 0] > 0.4).float().mean() > 0.9
    torch.testing.assert_close(q, two_hills(action))


def test_elites_are_the_best_of_a_round_and_of_those_before():
    config = OMARConfig(search="elites", search_elites=3, search_start=0.5)  # narrow: no ties on the bounds
    drawn = normals(2, 6, dims=2)
    found, q = best_action(valued(two_hills), drawn, config)
    for i in range(N):
        for b in range(B):
            pool = (0.5 * drawn[0, i, b]).clamp(-1, 1)
            pool = pool[two_hills(pool).argsort(descending=True)[:3]]
            mean, deviation = pool.mean(0), pool.std(0)
            pool = torch.cat(((mean + deviation * drawn[1, i, b]).clamp(-1, 1), pool))
            torch.testing.assert_close(q[i, b], two_hills(pool).max())
            torch.testing.assert_close(found[i, b], pool[two_hills(pool).argmax()])


def test_a_round_where_all_samples_are_equal_does_not_end_the_search():
    """Every sample of the first round lies clipped on the bound; the best action is a little inside of it."""

    def inside(unit):
        return -100 * (unit[..., 0] - 0.9).square()

    drawn = normals(3)
    drawn[0] = 5.0
    stuck, _ = best_action(valued(inside), drawn, OMARConfig(search_floor=0.0))
    moved, _ = best_action(valued(inside), drawn, OMARConfig(search_floor=0.05))
    torch.testing.assert_close(stuck, torch.ones(N, B, 1))
    assert (moved < 0.99).all()
    assert (moved - 0.9).abs().mean() < 0.05


def test_moments_are_the_softmax_weighted_mean_and_all_samples_deviation_from_it():
    unit, q = normals(1, dims=2)[0], normals(1, seed=1)[0, ..., 0]
    mean, deviation = soft_moments(unit, q, 0.5)
    for i in range(N):
        for b in range(B):
            w = torch.exp(q[i, b] / 0.5)
            centre = ((w / w.sum()).unsqueeze(-1) * unit[i, b]).sum(0)
            torch.testing.assert_close(mean[i, b, 0], centre)
            torch.testing.assert_close(deviation[i, b, 0], (unit[i, b] - centre).square().mean(0).sqrt())


def test_the_best_of_all_rounds_or_of_the_last():
    """Later rounds draw one and the same action, which is worse than what the first round found."""
    drawn = normals(3)
    drawn[1:] = 3.0
    seen = []

    def value(unit):
        seen.append(two_hills(unit))
        return unit, seen[-1]

    _, last = best_action(value, drawn, OMARConfig())
    torch.testing.assert_close(last, seen[2].amax(-1))
    seen.clear()
    _, every = best_action(value, drawn, OMARConfig(search_keep="all"))
    torch.testing.assert_close(every, torch.stack(seen).amax((0, -1)))
    assert (every > last + 1e-3).any()
