"""Qatten is the formula of its paper, and keeps the zoo's contract of a mixer."""

import math

import pytest
import torch
from qatten_mixer.mixer import Qatten

from zoo_core import generator

zoo_plugin = "qatten_mixer.plugin"
N, S, B, H, D = 3, 5, 7, 2, 4


def test_conformance(zoo_claim):
    zoo_claim()


def make():
    torch.manual_seed(0)
    g = generator(0, "inputs")
    mixer = Qatten(N, S, heads=H, embed=D, hidden=6)
    return mixer, 3 * torch.randn(B, N, generator=g), torch.randn(B, S, generator=g)


@torch.no_grad()
def test_the_total_is_the_scalar_formula_of_the_paper():
    mixer, values, state = make()
    total = mixer(values, state)
    for b in range(B):
        queries = mixer.to_queries(state[b]).view(H, D)
        keys = mixer.to_keys(state[b]).view(N, H, D)
        expected = mixer.to_constant(state[b]).item()
        for h in range(H):
            scores = [sum(keys[i, h, d] * queries[h, d] for d in range(D)).item() / math.sqrt(D) for i in range(N)]
            share = [math.exp(x) / sum(map(math.exp, scores)) for x in scores]
            weight = abs(mixer.to_head_weights(state[b])[h].item())
            expected += weight * sum(share[i] * values[b, i].item() for i in range(N))
        assert total[b, 0].item() == pytest.approx(expected, abs=1e-4)


@torch.no_grad()
def test_in_every_head_the_agents_shares_sum_to_one_and_depend_on_the_state():
    mixer, _, state = make()
    attention = mixer.attention(state)
    assert attention.shape == (B, N, H)
    torch.testing.assert_close(attention.sum(1), torch.ones(B, H))
    assert attention.std(0).min() > 1e-4


@torch.no_grad()
def test_the_constant_may_be_negative():
    mixer, values, state = make()
    mixer.to_constant[-1].bias.fill_(-100.0)
    assert (mixer(values, state) < 0).all()
