"""OMCDA's losses against its equations, written as loops over rows and agents."""

import dataclasses
import math

import pytest
import torch
from naive_omcda import CONTINUOUS, TEAMS, B, alpha, constraint_credit, credit_of, each, log_density, make, q, v, z

from zoo_omcda.algorithm import Entangled

kinds = pytest.mark.parametrize("team", TEAMS, ids=["continuous", "discrete"])


def gradients(loss, *modules):
    parameters = [p for module in modules for p in module.parameters()]
    return torch.autograd.grad(loss, parameters, materialize_grads=True, retain_graph=True, allow_unused=True)


def equal(ours, theirs, *modules):
    for one, other in zip(gradients(ours, *modules), gradients(theirs, *modules), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
        assert one.abs().sum() > 0


@kinds
def test_return_values_regress_on_an_expectile_of_the_target_critic(team):
    alg, batch = make(team, expectile=0.8)
    expected = 0.0
    for b, i in each(alg):
        u = q(alg.target_critic_r, batch, b, i) - v(alg.value_r, batch, b, i)
        expected = expected + (0.8 if u > 0 else 0.2) * u**2 / (3 * B)
    loss = alg.value_r_loss(batch, {})
    torch.testing.assert_close(loss.value, expected)
    equal(loss.value, expected, alg.value_r)
    for i in range(3):
        mean = sum(float(v(alg.value_r, batch, b, i).detach()) for b in range(B)) / B
        assert float(loss.metrics["value"][i].detach()) == pytest.approx(mean, rel=1e-4)


@kinds
def test_constraint_values_descend_equation_25_whose_first_summand_has_no_gradient(team):
    alg, batch = make(team, exponent_limit=60.0)
    expected, constant, totals = 0.0, 0.0, torch.zeros(3)
    for b, i in each(alg):
        w, _ = credit_of(alg.target_mixer, batch.state[b])
        wc, bc = constraint_credit(alg.target_mixer_c, batch.state[b])
        v_i = sum(wc[i][j] * v(alg.value_c, batch, b, j) for j in range(3)) + bc[i]
        first = w[i] * v(alg.value_r, batch, b, i)
        expected = expected + (z(alg, batch, b, i).exp() + (first + alpha(alg, i) * v_i) / alpha(alg, i)) / (3 * B)
        constant = constant + first / alpha(alg, i) / (3 * B)
        totals[i] += v_i.detach() / B
    found = alg.value_c_loss(batch, {})
    loss = found.value
    torch.testing.assert_close(found.metrics["constraint"].detach(), totals, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(loss, expected - constant, rtol=1e-4, atol=1e-4)
    equal(loss, expected, alg.value_c)


@kinds
@pytest.mark.parametrize("timeouts", ["bootstrap", "terminal"])
def test_return_critics_regress_on_the_reward_and_the_mixed_next_value(team, timeouts):
    alg, batch = make(team, timeouts=timeouts, reward_scale=2.0)
    expected = 0.0
    for b in range(B):
        w, bias = credit_of(alg.mixer, batch.state[b])
        w_next, bias_next = credit_of(alg.target_mixer, batch.next_state[b])
        next_value = sum(w_next[i] * v(alg.target_value_r, batch, b, i, later=True) for i in range(3)) + bias_next
        ended = batch.terminated[b] or (timeouts == "terminal" and batch.truncated[b])
        y = 2.0 * batch.reward[b].mean() + (0.0 if ended else 0.99 * next_value)
        total = sum(w[i] * q(alg.critic_r, batch, b, i) for i in range(3)) + bias
        expected = expected + (y.detach() - total) ** 2 / B
    assert batch.terminated.any()
    assert batch.truncated.any()
    loss = alg.critic_r_loss(batch, {}).value
    torch.testing.assert_close(loss, expected)
    equal(loss, expected, alg.critic_r, alg.mixer)


@kinds
def test_constraint_critics_regress_on_every_agents_next_constraint(team):
    alg, batch = make(team)
    expected = 0.0
    for b, i in each(alg):
        w, bias = constraint_credit(alg.mixer_c, batch.state[b])
        w_next, bias_next = constraint_credit(alg.target_mixer_c, batch.next_state[b])
        next_value = sum(w_next[i][j] * v(alg.target_value_c, batch, b, j, later=True) for j in range(3)) + bias_next[i]
        y = 0.99 * (1.0 - float(batch.terminated[b])) * next_value
        total = sum(w[i][j] * q(alg.critic_c, batch, b, j) for j in range(3)) + bias[i]
        expected = expected + (y.detach() - total) ** 2 / (3 * B)
    loss = alg.critic_c_loss(batch, {}).value
    torch.testing.assert_close(loss, expected)
    equal(loss, expected, alg.critic_c, alg.mixer_c)


@kinds
@pytest.mark.parametrize("decomposed", [True, False])
def test_policies_clone_by_the_exponential_of_equation_23_up_to_its_bound(team, decomposed):
    alg, batch = make(team, most_weight=0.5, decomposed=decomposed)
    expected, weights = 0.0, []
    for b, i in each(alg):
        weights.append(min(math.exp(z(alg, batch, b, i).detach()), 0.5))
        expected = expected - weights[-1] * log_density(alg, alg.policy, batch, b, i) / (3 * B)
    assert min(weights) < max(weights) == 0.5
    loss = alg.policy_loss(batch, {}).value
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    equal(loss, expected, alg.policy)


def test_a_level_at_its_bound_takes_the_return_out_of_an_agents_weights_but_not_the_constraint():
    """Eq. 23 divides Q^r − V^r by α_i, and Q^{c,i} − V^{c,i} by nothing."""
    alg, batch = make()
    with torch.no_grad():
        alg.log_alpha.fill_(math.log(1e3))
        weights, _ = alg.target_mixer_c.weights(batch.state)
        constraint = alg.constraint_advantage(batch, alg.value_c(batch.obs), weights)
        torch.testing.assert_close(alg.exponent(batch), constraint, rtol=0.0, atol=0.01)
    assert constraint.abs().amin(0).max() > 0.01
    assert constraint.abs().amax(0).min() > 0.1
    entangled, batch = make(algorithm=Entangled)
    with torch.no_grad():
        entangled.log_alpha.fill_(math.log(1e3))
    assert entangled.exponent(batch).abs().max() < 0.01


@kinds
def test_the_behaviour_policy_is_the_most_likely_one(team):
    alg, batch = make(team)
    expected = sum(-log_density(alg, alg.behaviour, batch, b, i) for b, i in each(alg)) / (3 * B)
    loss = alg.clone_loss(batch, {}).value
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    equal(loss, expected, alg.behaviour)


@pytest.mark.parametrize("name", ["policy", "behaviour"])
def test_clipped_normals_clone_actions_on_the_bounds_by_their_probability(name):
    alg, batch = make(CONTINUOUS, distribution="clipped-normal", most_weight=0.5)
    own = alg.policy.dims
    batch = dataclasses.replace(batch, action=((2 * batch.action).clamp(-0.5, 1.0)) * own)
    assert (batch.action == 1.0).any()
    assert (batch.action == -0.5).any()
    expected = 0.0
    for b, i in each(alg):
        weight = 1.0 if name == "behaviour" else min(math.exp(z(alg, batch, b, i).detach()), 0.5)
        expected = expected - weight * log_density(alg, getattr(alg, name), batch, b, i) / (3 * B)
    loss = (alg.clone_loss if name == "behaviour" else alg.policy_loss)(batch, {}).value
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    equal(loss, expected, getattr(alg, name))


@kinds
def test_without_decomposition_one_value_is_learned_as_in_omiga(team):
    alg, batch = make(team, Entangled, exponent_limit=60.0)
    assert not hasattr(alg, "value_c")
    expected = 0.0
    for b, i in each(alg):
        w, _ = credit_of(alg.target_mixer, batch.state[b])
        scale = w[i] / alpha(alg, i)
        value = v(alg.value_r, batch, b, i)
        expected = expected + (torch.exp(scale * (q(alg.target_critic_r, batch, b, i) - value)) + scale * value) / (
            3 * B
        )
    loss = alg.entangled_value_loss(batch, {}).value
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-4)
    equal(loss, expected, alg.value_r)


def test_levels_rise_where_a_policy_left_the_data_too_far_and_fall_where_it_may_go_further():
    alg, batch = make(alpha_waits=False)
    alg.degrees.copy_(torch.tensor([0.1, 0.2, 0.3]))
    alg.divergence.copy_(torch.tensor([0.3, 0.2, 0.1]))
    loss = alg.alpha_loss(batch, {})
    expected = sum(alpha(alg, i) * (alg.degrees[i] - alg.divergence[i]) for i in range(3))
    torch.testing.assert_close(loss.value, expected)
    (gradient,) = torch.autograd.grad(loss.value, [alg.log_alpha])
    torch.testing.assert_close(gradient, alg.alpha.detach() * torch.tensor([-0.2, 0.0, 0.2]))
    torch.testing.assert_close(loss.metrics["share"], alg.degrees / 0.6)


def test_a_level_beyond_its_bounds_can_come_back_and_goes_no_further():
    alg, batch = make(alpha_waits=False)
    with torch.no_grad():
        alg.log_alpha.copy_(torch.tensor([math.log(1e-2) - 0.1, math.log(1e-2) - 0.1, math.log(1e3) + 0.1]))
    alg.degrees.copy_(torch.tensor([0.1, 0.3, 0.1]))
    alg.divergence.copy_(torch.tensor([0.3, 0.1, 0.3]))
    torch.testing.assert_close(alg.alpha.detach(), torch.tensor([1e-2, 1e-2, 1e3]))
    (gradient,) = torch.autograd.grad(alg.alpha_loss(batch, {}).value, [alg.log_alpha])
    torch.testing.assert_close(gradient, torch.tensor([-0.2e-2, 0.0, 0.0]))


def test_huge_advantages_give_finite_losses_and_gradients():
    alg, batch = make(CONTINUOUS)
    with torch.no_grad():
        alg.target_critic_r.net.rest[-1].bias.fill_(1e8)
    losses = [alg.value_c_loss(batch, {}).value, alg.policy_loss(batch, {}).value]
    found = [*gradients(losses[0], alg.value_c), *gradients(losses[1], alg.policy)]
    assert all(bool(torch.isfinite(tensor).all()) for tensor in [*losses, *found])
