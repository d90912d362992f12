"""The conservative penalty on mixed values against its formula, written as loops; its candidates, their densities."""

import math

import pytest
import torch

from zoo_critics import AgentCritics, TanhNormalPolicy, candidate_actions, conservative_loss
from zoo_critics.testing import perturb
from zoo_critics.testing_mixed import (
    CENTRE,
    CONTINUOUS,
    REACH,
    LinearMixer,
    assert_same,
    credit_of,
    density,
    mixed,
    mixed_batch,
)

B, ALPHA = 6, 0.6


def policy_at(mean, log_std):
    """The same normal policy everywhere: its last layer is its bias."""
    torch.manual_seed(0)
    policy = TanhNormalPolicy(CONTINUOUS, (8, 8))
    with torch.no_grad():
        policy.net.rest[-1].weight.zero_()
        policy.net.rest[-1].bias.copy_(torch.tensor([mean, mean, log_std, log_std]))
    return policy


def drawn(kind, *shape, seed=0):
    return kind(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bias_each", [False, True])
@pytest.mark.parametrize("kind", ["densities", "availability", "neither"])
def test_each_agents_soft_maximum_is_pushed_below_what_its_logged_action_adds(kind, bias_each):
    torch.manual_seed(0)
    mixer, state = LinearMixer(3, 12), drawn(torch.randn, B, 12)
    perturb(mixer)
    q, every, y = drawn(torch.randn, B, 3), drawn(torch.randn, B, 3, 5, seed=1), drawn(torch.randn, B, seed=2)
    q.requires_grad_()
    log_density = drawn(torch.randn, B, 3, 5, seed=3) if kind == "densities" else None
    available = drawn(torch.rand, B, 3, 5, seed=4) < 0.6 if kind == "availability" else None
    if available is not None:
        available[..., 0] = True
        assert not available.all()
    expected = 0.0
    for b in range(B):
        w, bias = credit_of(mixer, state[b])
        expected = expected + (mixed(mixer, q[b], state[b]) - y[b]) ** 2 / B
        for i in range(3):
            adds = w[i] * every[b, i] + (bias if bias_each else 0.0)
            adds = adds if log_density is None else adds - log_density[b, i]
            adds = adds if available is None else adds[available[b, i]]
            expected = expected + ALPHA * (torch.logsumexp(adds, 0) - w[i] * q[b, i]) / B
        expected = expected - (ALPHA * bias / B if bias_each else 0.0)  # once, in Q_tot
    loss = conservative_loss(
        mixer, state, q, every, y, ALPHA, log_density=log_density, available=available, bias_each=bias_each
    )
    assert_same(loss.value, expected, mixer)


def test_candidates_are_uniform_and_of_both_policies_with_their_densities():
    m, policy = 4, policy_at(0.0, 0.0)
    perturb(policy)
    obs = drawn(torch.randn, 2, B, 3, 4)
    here, there = policy(obs[0]), policy(obs[1])
    uniform = drawn(torch.rand, m, B, 3, 2)
    near, following = drawn(torch.randn, 2, m, B, 3, 2, seed=1)
    actions, densities = candidate_actions(policy, here, there, uniform, near, following)
    for b in range(B):
        for i, size in enumerate(CONTINUOUS.action_sizes):
            assert (actions[b, i, :, size:] == 0).all()
            for k in range(m):
                torch.testing.assert_close(
                    actions[b, i, k, :size], (CENTRE - REACH) + 2 * REACH * uniform[k, b, i, :size]
                )
                assert densities[b, i, k].item() == pytest.approx(-size * math.log(2 * REACH))
                for group, (mean, log_std), noise in ((1, here, near), (2, there, following)):
                    raw = mean[b, i] + log_std[b, i].exp() * noise[k, b, i]
                    found = actions[b, i, group * m + k]
                    torch.testing.assert_close(found[:size], (CENTRE + REACH * torch.tanh(raw))[:size])
                    wanted = density(mean[b, i], log_std[b, i], found, size)
                    torch.testing.assert_close(densities[b, i, group * m + k], wanted, rtol=1e-3, atol=1e-3)


def test_the_corrected_logsumexp_estimates_the_integral():
    """Of many samples the mean of exp(Q) / p is the integral of exp(Q) over the action's range.

    The policies are as wide as the range: of narrow ones far more samples would be needed.
    """
    m, policy, batch = 3000, policy_at(0.2, 0.7), mixed_batch(CONTINUOUS, B)
    critic = AgentCritics(CONTINUOUS, (8, 8))
    perturb(critic)
    here, there = policy(batch.obs), policy(batch.next_obs)
    normals = drawn(torch.randn, 2, m, B, 3, 2, seed=1)
    actions, densities = candidate_actions(policy, here, there, drawn(torch.rand, m, B, 3, 2), *normals)
    q = critic.of_candidates(batch.obs, actions)
    found = torch.logsumexp(q - densities, -1)[:, 2] - math.log(3 * m)  # agent c has one dimension
    plain = torch.logsumexp(q, -1)[:, 2] - math.log(3 * m)
    grid = torch.linspace(CENTRE - REACH, CENTRE + REACH, 4001)
    for row in range(B):
        at = torch.zeros(4001, 3, 2)
        at[:, 2, 0] = grid
        worth = critic(batch.obs[row].expand(4001, -1, -1), at)[:, 2]
        expected = float(torch.log(torch.trapezoid(torch.exp(worth), grid)).detach())
        assert float(found[row].detach()) == pytest.approx(expected, abs=0.1)
        assert float(plain[row].detach()) != pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("level", [0.3, 8.5, -8.5])
def test_the_density_of_drawn_actions_is_exact_next_to_the_bounds_too(level):
    """Where the action rounds to the bound and says nothing any more of what was drawn."""
    policy, noise = policy_at(level, -3.0), drawn(torch.randn, B, 3, 2)
    bias = policy.net.rest[-1].bias
    _, found = policy.sample_with_density(*policy(drawn(torch.randn, B, 3, 4)), noise)
    mean, deviation = bias[0].double(), bias[2].double().exp()
    raw = mean + deviation * noise[:, 2, 0].double()  # agent c has one dimension
    slope = 1.0 / torch.cosh(raw).square()
    expected = torch.distributions.Normal(mean, deviation).log_prob(raw) - torch.log(REACH * slope)
    torch.testing.assert_close(found[:, 2].double(), expected, rtol=1e-4, atol=1e-3)
    pair = [torch.autograd.grad(x.sum(), bias, retain_graph=True)[0][0] for x in (found[:, 2], expected)]
    torch.testing.assert_close(*pair, rtol=1e-3, atol=1e-3)
