"""KL, influences and degrees against numerical derivatives and torch's own distributions."""

import math

import pytest
import torch
from naive_omcda import CONTINUOUS, DISCRETE, TEAMS, B, credit_of, each, make, net
from torch.distributions import Categorical, Normal, kl_divergence

from zoo_critics.testing import draw
from zoo_omcda.algorithm import EqualDegrees, RandomDegrees
from zoo_omcda.influence import Running, allocation, categorical_influence, quotient, running

kinds = pytest.mark.parametrize("team", TEAMS, ids=["continuous", "discrete"])


def noise_of(alg):
    return draw(alg.degree_step().noise)


def normal(alg, policy, batch, b, i):
    """μ and log σ of an agent's own dimensions, in double precision."""
    size, head = alg.team.action_sizes[i], net(policy.net, i, batch.obs[b, i]).detach().double()
    return head[:size].clamp(-9, 9), head[alg.team.action_size :][:size].clamp(-5, 2)


def categorical(alg, policy, batch, b, i):
    """Log-probabilities of the available actions, and their indices."""
    available = [a for a in range(alg.team.action_sizes[i]) if batch.action_mask[b, i, a]]
    return torch.log_softmax(net(policy.net, i, batch.obs[b, i]).detach().double()[available], 0), available


@kinds
def test_divergences_are_those_of_torchs_distributions(team):
    alg, batch = make(team)
    expected = torch.zeros(3, dtype=torch.float64)
    for b, i in each(alg):
        if team.discrete:
            policy, behaviour = (
                Categorical(logits=categorical(alg, p, batch, b, i)[0]) for p in (alg.policy, alg.behaviour)
            )
        else:
            policy, behaviour = (
                Normal(mean, log_std.exp())
                for mean, log_std in (normal(alg, p, batch, b, i) for p in (alg.policy, alg.behaviour))
            )
        expected[i] += kl_divergence(policy, behaviour).sum() / B
    found = alg.new_divergence(batch, {})["divergence"]
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)
    assert found.min() > 0


SQUASH = {"tanh-normal": torch.tanh, "clipped-normal": lambda raw: raw.clamp(-1, 1)}


@pytest.mark.parametrize(
    ("path", "distribution"),
    [("shift", "tanh-normal"), ("deviation", "tanh-normal"), ("deviation", "clipped-normal")],
)
def test_normal_influences_are_the_quotient_of_numerical_derivatives(path, distribution):
    """Both of Eq. 19's derivatives by central differences along the path, each agent's policies alone."""
    alg, batch = make(CONTINUOUS, influence_path=path, distribution=distribution)
    alg, noise, h = alg.double(), noise_of(alg), 1e-5
    batch = batch.map(lambda t: t.double() if t.is_floating_point() else t)
    expected = []
    for i in range(3):
        of_value = of_divergence = 0.0
        for b in range(B):
            (mean, log_std), (mean_b, log_std_b) = (normal(alg, p, batch, b, i) for p in (alg.policy, alg.behaviour))
            eps = noise["action"][b, i, : len(mean)].double()
            direction = log_std - log_std_b if path == "deviation" else torch.ones_like(log_std)
            w = credit_of(alg.mixer, batch.state[b])[0][i]

            def at(
                t,
                mean=mean,
                log_std=log_std,
                direction=direction,
                eps=eps,
                w=w,
                b=b,
                i=i,
                mean_b=mean_b,
                log_std_b=log_std_b,
            ):
                moved = log_std + t * direction
                action = torch.zeros(2, dtype=torch.float64)
                action[: len(mean)] = 0.25 + 0.75 * SQUASH[distribution](mean + moved.exp() * eps)
                value = w * double_net(alg.critic_r.net, i, torch.cat((batch.obs[b, i], action)))[0]
                return value, kl_divergence(Normal(mean, moved.exp()), Normal(mean_b, log_std_b.exp())).sum()

            (up_value, up_kl), (down_value, down_kl) = at(h), at(-h)
            of_value = of_value + (up_value - down_value) / (2 * h) / B
            of_divergence = of_divergence + (up_kl - down_kl) / (2 * h) / B
        assert abs(of_divergence) > 1e-2
        assert path == "shift" or of_divergence > 0
        expected.append(float(of_value / of_divergence))
    found = alg.new_influence(batch, *alg.both_policies(batch), {"action": noise["action"].double()})
    assert found.tolist() == pytest.approx(expected, rel=1e-4)
    assert len(set(expected)) == 3


def double_net(module, i, x):
    with torch.no_grad():
        x = torch.cat((x, torch.eye(3, dtype=torch.float64)[i])) @ torch.cat((module.first.weight, module.first.ids))
        x = x + module.first.bias
        for layer in module.rest:
            x = layer.weight @ torch.relu(x) + layer.bias
    return x


def test_categorical_influences_are_a_finite_difference_away_from_the_behaviour_policy():
    alg, batch = make(DISCRETE)
    expected = []
    for i in range(3):
        gained = left = 0.0
        for b in range(B):
            policy, available = categorical(alg, alg.policy, batch, b, i)
            behaviour, _ = categorical(alg, alg.behaviour, batch, b, i)
            unnormalised = [
                float(p) ** 1.01 * float(m) ** -0.01 for p, m in zip(policy.exp(), behaviour.exp(), strict=True)
            ]
            further = torch.tensor(unnormalised, dtype=torch.float64) / sum(unnormalised)
            worth = net(alg.critic_r.net, i, batch.obs[b, i]).detach().double()[available]
            w = credit_of(alg.mixer, batch.state[b])[0][i].detach().double()
            gained += float((w * (further - policy.exp()) * worth).sum()) / B
            left += (
                float((further * (further.log() - behaviour)).sum() - (policy.exp() * (policy - behaviour)).sum()) / B
            )
        assert left > 0
        expected.append(gained / left)
    found = alg.new_influence(batch, *alg.both_policies(batch), {})
    assert found.tolist() == pytest.approx(expected, rel=1e-2)
    assert len(set(expected)) == 3


@kinds
def test_at_the_behaviour_policy_influences_are_finite(team):
    alg, batch = make(team)
    alg.policy.load_state_dict(alg.behaviour.state_dict())
    found = alg.new_degrees(batch, noise_of(alg))
    assert found["divergence"].abs().max() < 1e-6
    assert all(bool(torch.isfinite(tensor).all()) for tensor in found.values())


def test_a_vanishing_derivative_of_the_divergence_is_kept_from_zero_with_its_sign():
    found = quotient(torch.ones(5), torch.tensor([0.0, 1e-9, -1e-9, 0.5, -0.5]))
    torch.testing.assert_close(found, torch.tensor([100.0, 100.0, -100.0, 2.0, -2.0]))


def test_rounding_does_not_turn_a_categorical_influence_around():
    """Near π = π_b the divergence grows by next to nothing along the path, and as computed by as little either way."""
    log_behaviour = torch.log_softmax(torch.randn(8, 50, 5, generator=torch.Generator().manual_seed(0)), -1)
    values = torch.randn(8, 50, 5, generator=torch.Generator().manual_seed(1))
    log_policy = torch.log_softmax(log_behaviour + 1e-4 * values, -1)  # towards what is worth more
    assert bool((categorical_influence(values, log_policy, log_behaviour) > 0).all())


SURE = torch.zeros(3)
"""Standard errors of influences that are known."""


def test_shares_are_a_softmax_whose_mean_size_may_be_taken_out():
    influence = torch.tensor([3.0, -1.0, 2.0])
    exponents = [math.exp(x) for x in influence.tolist()]
    assert allocation(influence, "none", SURE).tolist() == pytest.approx([e / sum(exponents) for e in exponents])
    torch.testing.assert_close(allocation(1e6 * influence, "meanabs", SURE), allocation(influence, "meanabs", SURE))
    torch.testing.assert_close(allocation(influence, "meanabs", SURE), torch.softmax(influence / 2, 0))
    torch.testing.assert_close(allocation(torch.zeros(3), "meanabs", SURE), torch.full((3,), 1 / 3))
    assert bool(torch.isfinite(allocation(1e30 * influence, "none", SURE)).all())


def test_the_published_shares_know_nothing_of_errors():
    influence = torch.tensor([3.0, -1.0, 2.0])
    torch.testing.assert_close(allocation(influence, "none", SURE + 9.0), torch.softmax(influence, 0))


def test_influences_of_the_size_of_three_standard_errors_are_divided_by_those():
    influence, error = torch.tensor([3.0, -1.0, 2.0]), torch.tensor([4.0, 1.0, 1.0])
    torch.testing.assert_close(allocation(influence, "meanabs", error), torch.softmax(influence / 6, 0))
    torch.testing.assert_close(allocation(influence, "meanabs", error / 4), torch.softmax(influence / 2, 0))


def test_noise_around_zero_leaves_shares_nearly_equal_and_the_same_noise_around_a_difference_does_not():
    noise = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))

    def after(centre):
        state = Running(torch.zeros(3), torch.zeros(3), torch.zeros(()))
        for t, new in enumerate(noise):
            state = running(state, centre + new, torch.tensor(float(t)), 0.99)
        return allocation(state.mean, "meanabs", state.error)

    nothing = after(torch.zeros(3))
    assert nothing.max() - nothing.min() < 0.2
    assert after(torch.tensor([2.0, 0.0, 0.0]))[0] > 0.8


def test_a_running_mean_forgets_nothing_at_first_and_then_at_its_rate():
    state = Running(torch.tensor(99.0), torch.tensor(7.0), torch.tensor(3.0))
    for t, value in enumerate([4.0, 8.0, 6.0]):
        state = running(state, torch.tensor(value), torch.tensor(float(t)), 0.9)
    assert [float(x) for x in state] == pytest.approx([6.0, 8 / 3, 1 / 3])  # mean, variance and 3 · (1/3)²
    later = running(state, torch.tensor(16.0), torch.tensor(1000.0), 0.9)
    assert float(later.mean) == pytest.approx(7.0)


def test_the_running_error_is_that_of_a_weighted_mean():
    values, decay = torch.randn(300, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), 0.9
    state = Running(*(torch.zeros((), dtype=torch.float64) for _ in range(3)))
    weights = torch.zeros(300, dtype=torch.float64)
    for t, value in enumerate(values):
        kept = min(t / (t + 1), decay)
        weights *= kept
        weights[t] = 1 - kept
        state = running(state, value, torch.tensor(float(t)), decay)
    mean = (weights * values).sum()
    variance = (weights * (values - mean).square()).sum()
    assert float(state.mean) == pytest.approx(float(mean))
    assert float(state.error) == pytest.approx(float((variance * weights.square().sum()).sqrt()))


# --- degrees -------------------------------------------------------------------------------------------------------


@kinds
def test_degrees_are_equal_while_warming_up_and_then_shares_of_the_total(team):
    alg, batch = make(team, degree=0.2, warm_up=0.2, iterations=10)
    for t in range(3):
        found = alg.new_degrees(batch, noise_of(alg))
        for name, tensor in found.items():
            getattr(alg, name).copy_(tensor)
        assert float(alg.degrees.sum()) == pytest.approx(0.6)
        if t < 2:
            torch.testing.assert_close(alg.degrees, torch.full((3,), 0.2))
    error = (alg.influence_variance * alg.influence_squares).sqrt()
    torch.testing.assert_close(alg.degrees, 0.6 * allocation(alg.influence, "meanabs", error))
    assert float(alg.updates) == 3
    assert len(set(alg.degrees.tolist())) == 3


def test_without_allocation_degrees_stay_equal_and_at_random_they_are_drawn_once():
    equal, _ = make(algorithm=EqualDegrees, degree=0.2)
    torch.testing.assert_close(equal.degrees, torch.full((3,), 0.2))
    drawn, _ = make(algorithm=RandomDegrees, degree=0.2)
    assert float(drawn.degrees.sum()) == pytest.approx(0.6)
    assert len(set(drawn.degrees.tolist())) == 3
    for alg in (equal, drawn):
        assert alg.degree_step().writes == ("divergence", "updates")


@pytest.mark.parametrize("team", TEAMS, ids=["continuous", "discrete"])
def test_the_degree_step_compiles_to_the_same_numbers(team):
    """Its gradient is `torch.func.grad`'s, inside `no_grad`, as the learner calls it."""
    alg, batch = make(team)
    noise = noise_of(alg)
    with torch.no_grad():
        eager = alg.new_degrees(batch, noise)
        compiled = torch.compile(alg.new_degrees, backend="aot_eager")(batch, noise)
    for name, tensor in eager.items():
        torch.testing.assert_close(compiled[name], tensor, rtol=1e-4, atol=1e-5)
