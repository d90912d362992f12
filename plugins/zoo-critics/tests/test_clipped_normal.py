"""The clipped normal against torch's own distribution functions, sampling, and what it is for: clipped data."""

import math

import pytest
import torch

from zoo_core import TeamSpec, ZooError, generator
from zoo_critics import ClippedNormalPolicy, NormalPolicy, TanhNormalPolicy, policy_of
from zoo_critics.policies import log_normal_cdf
from zoo_critics.testing import perturb

TEAM = TeamSpec("test", ("a", "b", "c"), (4, 3, 4), (2, 1, 2), action_low=-0.5, action_high=1.5)
CENTRE, REACH = 0.5, 1.0
WIDE = TeamSpec("test", ("a",), (1,), (1,), action_low=-3.0, action_high=5.0)
"""An agent whose bounds are not a unit apart: densities scale."""
HIDDEN = (7, 6)


def made(team=TEAM, share=True):
    torch.manual_seed(0)
    policy = ClippedNormalPolicy(team, HIDDEN, share)
    perturb(policy)
    return policy


def rows(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed, "rows"))


def naive(mean, std, action, low, high):
    """One dimension's log-density, from `torch.distributions` in double precision: numbers, in the team's bounds."""
    centre, reach = (low + high) / 2, (high - low) / 2
    normal = torch.distributions.Normal(centre + reach * mean, reach * torch.as_tensor(std))
    if action <= low:
        return normal.cdf(torch.as_tensor(low, dtype=torch.float64)).log()
    if action >= high:
        return (1.0 - normal.cdf(torch.as_tensor(high, dtype=torch.float64))).log()
    return normal.log_prob(torch.as_tensor(action, dtype=torch.float64))


@pytest.mark.parametrize("share", [True, False])
def test_the_density_is_the_normals_inside_and_its_tail_on_the_bounds(share):
    policy, obs = made(share=share), rows(24, 3, 4)
    action = (CENTRE + 1.2 * rows(24, 3, 2, seed=1)).clamp(-0.5, 1.5)
    assert (action == -0.5).any()
    assert (action == 1.5).any()
    mean, log_std = (x.detach().double() for x in policy(obs))
    found = policy.log_density(obs, action)
    for b in range(24):
        for i, size in enumerate(TEAM.action_sizes):
            wanted = sum(
                naive(mean[b, i, d], log_std[b, i, d].exp(), float(action[b, i, d]), -0.5, 1.5) for d in range(size)
            )
            assert float(found[b, i].detach()) == pytest.approx(float(wanted), rel=1e-4, abs=1e-4)


def test_density_inside_and_masses_on_the_bounds_add_up_to_one():
    policy = made(WIDE)
    mean, log_std = torch.full((1, 1, 1), 0.7), torch.full((1, 1, 1), math.log(0.4))
    grid = torch.linspace(-3.0, 5.0, 4003)[1:-1]
    inside = policy.log_density_of(mean, log_std, grid.view(-1, 1, 1)).exp().sum() * (8.0 / 4002)
    masses = [policy.log_density_of(mean, log_std, torch.full((1, 1, 1), bound)).exp().sum() for bound in (-3.0, 5.0)]
    assert float(inside) + sum(map(float, masses)) == pytest.approx(1.0, abs=2e-3)
    assert float(masses[1]) == pytest.approx(0.5 * math.erfc(0.3 / 0.4 / math.sqrt(2)), rel=1e-4)


def test_samples_are_clipped_and_the_mode_is_the_clipped_mean():
    policy, obs, noise = made(), 3 * rows(8, 3, 4), 2 * rows(50, 8, 3, 2, seed=1)
    sample, (mean, log_std) = policy.sample(obs, noise), policy(obs)
    wanted = CENTRE + REACH * (mean + log_std.exp() * noise).clamp(-1.0, 1.0)
    torch.testing.assert_close(sample[:, :, 0], wanted[:, :, 0])
    assert sample.amin() == -0.5
    assert sample.amax() == 1.5
    assert (sample[..., 1, 1] == 0).all()  # padding
    torch.testing.assert_close(policy.mode(obs), policy.sample(obs, torch.zeros(8, 3, 2)))


def test_the_mode_fitted_to_clipped_actions_is_the_mean_they_were_clipped_from():
    """Which a tanh-normal's is not: the actions on the bound drag it out there."""
    actions = (0.8 + 0.2 * rows(4096, seed=3)).clamp(-1.0, 1.0).view(-1, 1, 1)
    assert (actions == 1.0).float().mean() == pytest.approx(0.16, abs=0.03)
    assert fitted_mode(ClippedNormalPolicy, actions) == pytest.approx(0.8, abs=0.03)
    assert fitted_mode(TanhNormalPolicy, actions) > 0.9


def fitted_mode(kind, actions):
    """By maximum likelihood, in [−1, 1], over the two numbers of one normal."""
    policy = kind(TeamSpec("test", ("a",), (1,), (1,)), HIDDEN)
    numbers = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([numbers], 0.05)
    for _ in range(300):
        mean, log_std = (x.view(1, 1, 1) for x in numbers)
        loss = -policy.log_density_of(mean, log_std, actions).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(policy.bound(numbers[:1].view(1, 1, 1)).detach())


@pytest.mark.parametrize("log_std", [-5.0, 0.0, 2.0])
@pytest.mark.parametrize("mean", [-3.0, 0.0, 3.0])
def test_densities_and_gradients_are_finite_however_far_off_the_action_is(mean, log_std):
    policy = made()
    action = torch.tensor([-40.0, -0.5, -0.4999, 0.5, 1.4999, 1.5, 40.0]).view(-1, 1, 1).expand(-1, 3, 2)
    numbers = [torch.full((7, 3, 2), x, requires_grad=True) for x in (mean, log_std)]
    density = policy.log_density_of(*numbers, action)
    assert density.isfinite().all()
    for gradient in torch.autograd.grad(density.sum(), numbers):
        assert gradient.isfinite().all()
    towards = torch.autograd.grad(policy.log_density_of(*numbers, action)[0, 0], numbers[0])[0][0, 0]
    assert (towards <= 0).all()  # the action lies at the lower bound: a lower mean makes it likelier
    if mean == 3.0:
        assert (towards < 0).all()


def test_the_gradient_of_the_tail_is_that_of_differences():
    policy = made(WIDE)
    point = [torch.full((1, 1, 1), x, dtype=torch.float64, requires_grad=True) for x in (0.3, -0.8)]
    for bound in (-3.0, 5.0):
        action = torch.full((1, 1, 1), bound, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda m, s, a=action: policy.double().log_density_of(m, s, a), point)


def test_the_log_of_the_normals_distribution_function_is_torchs_and_so_is_its_slope():
    z = torch.linspace(-1200.0, 60.0, 40001)
    pair = []
    for f, x in ((log_normal_cdf, z), (torch.special.log_ndtr, z.double())):
        point = x.clone().requires_grad_()
        pair.append((f(point), *torch.autograd.grad(f(point).sum(), point)))
    for found, wanted in zip(*pair, strict=True):
        torch.testing.assert_close(found.double(), wanted, rtol=2e-5, atol=1e-7)


def test_actions_that_rounding_moved_off_a_bound_are_on_it():
    policy, obs = made(), rows(4, 3, 4)
    near = torch.full((4, 3, 2), 1.5)
    torch.testing.assert_close(policy.log_density(obs, near - 2e-6), policy.log_density(obs, near), rtol=0, atol=0)


def test_losses_over_seeds_map_over_it():
    """As they do where several seeds train at once."""
    policy = made()
    mean, log_std = rows(5, 4, 3, 2), rows(5, 4, 3, 2, seed=1).clamp(-5, 2)
    action = (CENTRE + 1.2 * rows(4, 3, 2, seed=2)).clamp(-0.5, 1.5)

    def slope(m, s):
        return policy.log_density_of(m, s, action).sum()

    found = torch.func.vmap(torch.func.grad(slope, argnums=(0, 1)))(mean, log_std)
    for seed in range(5):
        for f, w in zip(found, torch.func.grad(slope, argnums=(0, 1))(mean[seed], log_std[seed]), strict=True):
            torch.testing.assert_close(f[seed], w)


@pytest.mark.parametrize("share", [True, False])
def test_exchanged_agents_have_exchanged_densities(share):
    order, plain, moved = [1, 2, 0], made(share=share), made(share=share)
    moved.net.exchange(order)
    moved.exchange(order)
    obs, action = rows(8, 3, 4), (CENTRE + rows(8, 3, 2, seed=1)).clamp(-0.5, 1.5)
    before, after = plain.log_density(obs, action), moved.log_density(obs[:, order], action[:, order])
    torch.testing.assert_close(after, before[:, order])


def test_policy_of_makes_the_distribution_asked_for_and_refuses_others():
    assert type(policy_of(TEAM, HIDDEN)) is TanhNormalPolicy
    assert type(policy_of(TEAM, HIDDEN, distribution="clipped-normal")) is ClippedNormalPolicy
    assert issubclass(ClippedNormalPolicy, NormalPolicy)
    with pytest.raises(ZooError, match="choose one of tanh-normal, clipped-normal"):
        policy_of(TEAM, HIDDEN, distribution="beta")
