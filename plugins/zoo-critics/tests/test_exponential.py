"""The exponential that goes on straight."""

import math

import pytest
import torch

from zoo_critics import steady_exp


def test_the_exponential_goes_over_into_its_tangent():
    z = torch.tensor([-200.0, 0.0, 4.999, 5.001, 50.0, 1e6], dtype=torch.float64, requires_grad=True)
    value = steady_exp(z, 5.0)
    (slope,) = torch.autograd.grad(value.sum(), [z])
    e = math.exp(5.0)
    expected = [0.0, 1.0, math.exp(4.999), e * (1 + 0.001), e * 46, e * (1 + 1e6 - 5)]
    assert value.tolist() == pytest.approx(expected)
    assert slope.tolist() == pytest.approx([0.0, 1.0, math.exp(4.999), e, e, e])


def test_values_find_an_optimum_that_lies_hundreds_above_them():
    """OMCDA's Eq. 25 for one state and one action: the optimum is V = Q. A clamped exponent would take V to −∞."""
    for critic in (200.0, -200.0):
        value = torch.zeros((), requires_grad=True)
        optimiser = torch.optim.Adam([value], 1.0)
        for _ in range(600):
            optimiser.zero_grad()
            (steady_exp(critic - value, 5.0) + value).backward()
            optimiser.step()
        assert float(value.detach()) == pytest.approx(critic, abs=2.0)
