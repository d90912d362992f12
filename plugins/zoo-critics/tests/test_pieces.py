"""Cutting changes neither value nor gradient."""

import pytest
import torch

from zoo_core.nn import compiling
from zoo_critics import JointCritic
from zoo_critics.pieces import in_pieces, weighted_value, worth_cutting
from zoo_critics.testing import perturb

S, N, A, H, B, M = 5, 3, 2, 8, 12, 4


def problem(norm="none", views=1):
    torch.manual_seed(0)
    critic = JointCritic(M, S, N, A, H, norm)
    perturb(critic)
    state, action, weights = torch.randn(B, S), torch.rand(B, N, A), torch.rand(N, B)
    sweeps = [critic.counterfactual(state, action, torch.rand(N, B, 5, A)) for _ in range(views)]
    return critic, type(sweeps[0]).of(sweeps), torch.randn(views * N, B, 5), weights


@pytest.mark.parametrize("kind", ["lse", "mean"])
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("rows", [4, 5, 100])
def test_pieces_of_any_size_give_the_whole_and_its_gradient(norm, views, kind, rows):
    critic, sweep, log_density, weights = problem(norm, views)
    upstream, parameters = torch.randn(M), list(critic.parameters())
    whole = weighted_value(sweep, critic.tail(), log_density, weights, kind)
    cut = in_pieces(sweep, critic.tail(), log_density, weights, kind, rows)
    torch.testing.assert_close(cut, whole)
    found, expected = (torch.autograd.grad(upstream @ v, parameters, retain_graph=True) for v in (cut, whole))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_compiled_pieces_equal_eager_ones():
    critic, sweep, log_density, weights = problem()
    found = []
    for compiled in (False, True):
        with compiling(compiled):
            cut = in_pieces(sweep, critic.tail(), log_density, weights, "lse", 4)
        found.append((cut, *torch.autograd.grad(cut.sum(), list(critic.parameters()), retain_graph=True)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_seeds_side_by_side_equal_seeds_apart():
    critic, sweep, log_density, weights = problem()
    rest = torch.stack([sweep.rest.detach(), 2 * sweep.rest.detach()]).requires_grad_()

    def total(rest):
        return in_pieces(sweep._replace(rest=rest), critic.tail(), log_density, weights, "lse", 4).sum()

    together = torch.func.vmap(total)(rest)
    (gradient,) = torch.autograd.grad(together.sum(), rest)
    for seed in range(2):
        alone = rest[seed].detach().requires_grad_()
        value = total(alone)
        torch.testing.assert_close(together[seed], value)
        torch.testing.assert_close(gradient[seed], torch.autograd.grad(value, alone)[0])


def test_only_what_outgrows_the_cache_is_cut():
    _, small, _, _ = problem()
    assert not worth_cutting(small)
    assert worth_cutting(small._replace(action=torch.rand(N, B, 10_000, A)))
