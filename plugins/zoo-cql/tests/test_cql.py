"""CQL-MA's losses against its formulas, written as loops over rows, agents and sampled actions."""

import math

import pytest
import torch

from zoo_core import Update
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_cql.algorithm import CQLMA, CQLMAConfig
from zoo_cql.plugin import zoo_algorithms
from zoo_critics.testing import draw
from zoo_critics.testing_mixed import (
    CENTRE,
    CONTINUOUS,
    DISCRETE,
    REACH,
    assert_same,
    credit_of,
    density,
    lasting_rewards,
    log_likelihood,
    made,
    mixed,
    trains_with_a_sum,
    two_step_score,
    worth_of,
)

B, M = 10, 4
TEAMS = pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])


def make(team=CONTINUOUS, **settings):
    alg, batch = made(CQLMA, team, B, **{"samples": M, "alpha": 0.6, **settings})
    step = next(s for s in alg.phases()[0].steps if isinstance(s, Update) and s.name == "critic")
    return alg, batch, draw(step.noise)


def squash(mean, log_std, noise, size):
    """An action of a tanh-normal in the team's bounds, its padding zero."""
    action = CENTRE + REACH * torch.tanh(mean + log_std.exp() * noise)
    return torch.where(torch.arange(len(action)) < size, action, torch.zeros_like(action))


def density_of_drawn(mean, log_std, noise, size):
    """Log-density of what `squash` gives, from the noise: taken back by tanh's inverse it would be less exact."""
    raw = mean[:size] + log_std[:size].exp() * noise[:size]
    slope = REACH * (1 - torch.tanh(raw.double()).square()).float()
    return (torch.distributions.Normal(mean[:size], log_std[:size].exp()).log_prob(raw) - slope.log()).sum()


def naive_target(alg, batch, noise, b):
    team = alg.team
    if team.discrete:
        q = alg.critic.of_all_actions(batch.next_obs)[b]
        chosen = []
        for i in range(team.n):
            available = [k for k in range(team.action_size) if batch.next_action_mask[b, i, k]]
            chosen.append(max(available, key=lambda k, i=i: float(q[i, k])))
        values = [alg.target_critic.of_all_actions(batch.next_obs)[b, i, k] for i, k in enumerate(chosen)]
    else:
        mean, log_std = alg.policy(batch.next_obs)
        sizes = team.action_sizes
        action = torch.stack(
            [squash(mean[b, i], log_std[b, i], noise["next"][b, i], sizes[i]) for i in range(team.n)]
        ).detach()
        values = alg.target_critic(batch.next_obs[b : b + 1], action[None])[0]
    total = mixed(alg.target_mixer, values, batch.next_state[b]).detach()
    return worth_of(alg, batch, b, total)


def naive_candidates(alg, batch, noise, b, i):
    """(action, log-density) of every sampled action of one agent."""
    size = alg.team.action_sizes[i]
    for m in range(M):
        uniform = (CENTRE - REACH) + 2 * REACH * noise["uniform"][b, i, m]
        yield torch.where(torch.arange(len(uniform)) < size, uniform, 0.0), -size * math.log(2 * REACH)
    for obs, name in ((batch.obs, "here"), (batch.next_obs, "there")):
        mean, log_std = (each.detach()[b, i] for each in alg.policy(obs))
        for m in range(M):
            action = squash(mean, log_std, noise[name][b, i, m], size)
            yield action, float(density(mean, log_std, action, size))


@pytest.mark.parametrize("importance", [True, False])
@pytest.mark.parametrize("timeouts", ["bootstrap", "terminal"])
def test_continuous_critics_regress_and_push_down_what_each_agents_sampled_actions_add(importance, timeouts):
    alg, batch, noise = make(importance=importance, timeouts=timeouts)
    q, n = alg.critic(batch.obs, batch.action), CONTINUOUS.n
    expected = 0.0
    for b in range(B):
        w, bias = credit_of(alg.mixer, batch.state[b])
        total = mixed(alg.mixer, q[b], batch.state[b])
        expected = expected + (total - naive_target(alg, batch, noise, b)) ** 2 / B
        penalty = 0.0
        for i in range(n):
            terms = []
            for action, log_density in naive_candidates(alg, batch, noise, b, i):
                joint = batch.action[b].clone()
                joint[i] = action
                adds = w[i] * alg.critic(batch.obs[b : b + 1], joint[None])[0, i]
                terms.append(adds - log_density if importance else adds + bias)
            penalty = penalty + torch.logsumexp(torch.stack(terms), 0)
            penalty = penalty - w[i] * q[b, i]
        if not importance:
            penalty = penalty - bias  # the port: n times in the soft maxima, once in Q_tot
        expected = expected + 0.6 * penalty / B
    assert_same(alg.critic_loss(batch, noise).value, expected, alg.critic, alg.mixer)


def test_discrete_critics_regress_and_push_down_the_soft_maximum_over_available_actions():
    alg, batch, noise = make(DISCRETE)
    every = alg.critic.of_all_actions(batch.obs)
    expected = 0.0
    for b in range(B):
        w, _ = credit_of(alg.mixer, batch.state[b])
        logged = [every[b, i, batch.action[b, i]] for i in range(DISCRETE.n)]
        expected = expected + (mixed(alg.mixer, logged, batch.state[b]) - naive_target(alg, batch, noise, b)) ** 2 / B
        for i in range(DISCRETE.n):
            adds = w[i] * every[b, i][batch.action_mask[b, i]]
            expected = expected + 0.6 * (torch.logsumexp(adds, 0) - w[i] * logged[i]) / B
    assert_same(alg.discrete_critic_loss(batch, {}).value, expected, alg.critic, alg.mixer)


def test_policies_ascend_what_their_own_actions_add_and_their_entropy():
    alg, batch, _ = make()
    noise = draw({s.name: s for s in alg.phases()[0].steps if isinstance(s, Update)}["policy"].noise)
    with torch.no_grad():
        alg.log_temperature.fill_(-0.7)
    mean, log_std = alg.policy(batch.obs)
    expected = 0.0
    for b in range(B):
        w = credit_of(alg.mixer, batch.state[b])[0].detach()
        actions = [
            squash(mean[b, i], log_std[b, i], noise["own"][b, i], size)
            for i, size in enumerate(CONTINUOUS.action_sizes)
        ]
        q = alg.critic(batch.obs[b : b + 1], torch.stack(actions)[None])[0]
        for i, size in enumerate(CONTINUOUS.action_sizes):
            likelihood = density_of_drawn(mean[b, i], log_std[b, i], noise["own"][b, i], size)
            expected = expected + (math.exp(-0.7) * likelihood - w[i] * q[i]) / B
    found = alg.policy_loss(batch, noise).value
    assert_same(found, expected, alg.policy)


@pytest.mark.parametrize(("log_std", "sign"), [(-4.0, 1), (0.0, -1)])
def test_the_temperature_rises_where_the_entropy_is_below_its_target(log_std, sign):
    alg, batch, _ = make()
    noise = draw({s.name: s for s in alg.phases()[0].steps if isinstance(s, Update)}["temperature"].noise)
    with torch.no_grad():  # narrow policies, or about as wide as their range
        alg.policy.net.rest[-1].weight.zero_()
        alg.policy.net.rest[-1].bias.zero_()
        alg.policy.net.rest[-1].bias[2:] = log_std
    (slope,) = torch.autograd.grad(alg.temperature_loss(batch, noise).value, alg.log_temperature)
    assert math.copysign(1, float(slope)) == -sign  # a step downhill goes the other way


def test_the_target_of_the_entropy_is_for_each_own_dimension_of_actions_in_one():
    """In the team's bounds, REACH times as wide, the entropy of the same policy is log REACH more."""
    alg, batch, _ = make(target_entropy=-0.5)
    noise = draw({s.name: s for s in alg.phases()[0].steps if isinstance(s, Update)}["temperature"].noise)
    mean, log_std = (each.detach() for each in alg.policy(batch.obs))
    below = 0.0
    for b in range(B):
        for i, size in enumerate(CONTINUOUS.action_sizes):
            likelihood = density_of_drawn(mean[b, i], log_std[b, i], noise["own"][b, i], size)
            below += float(likelihood + size * (-0.5 + math.log(REACH))) / (B * CONTINUOUS.n)
    (slope,) = torch.autograd.grad(alg.temperature_loss(batch, noise).value, alg.log_temperature)
    assert float(slope) == pytest.approx(-below, rel=1e-4)


def test_the_ports_policies_weigh_logged_actions_by_their_worth():
    alg, batch, _ = make(policy_objective="reinforce")
    q = alg.critic(batch.obs, batch.action).detach()
    expected = sum(-q[b, i] * log_likelihood(alg, batch, b, i) / B for b in range(B) for i in range(CONTINUOUS.n))
    assert_same(alg.reinforce_loss(batch, {}).value, expected, alg.policy)


def test_discrete_agents_act_by_their_best_available_action():
    alg, batch, _ = make(DISCRETE)
    action, _ = alg.act(batch.obs, batch.action_mask, None, None)
    q = alg.critic.of_all_actions(batch.obs)
    for b in range(B):
        for i in range(DISCRETE.n):
            assert batch.action_mask[b, i, action[b, i]]
            assert q[b, i, action[b, i]] == q[b, i][batch.action_mask[b, i]].max()


@TEAMS
def test_the_order_of_an_iteration(team):
    def order(**settings):
        steps = make(team, **settings)[0].phases()[0].steps
        return [step.name if isinstance(step, Update) else step.target for step in steps]

    rest = ["critic", "target_critic", "target_mixer"]
    assert order() == ([] if team.discrete else ["policy", "temperature"]) + rest
    assert order(policy_objective="reinforce") == ([] if team.discrete else ["policy"]) + rest


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("preset", ["zoo", "published"])
@pytest.mark.parametrize("env", ["mamujoco-hopper-3x1", "somebody-elses"])
def test_every_value_has_a_source_and_only_the_published_preset_is_the_ports(preset, kind, env):
    (entry,) = zoo_algorithms()
    found = resolve(entry, CQLMAConfig, env=EnvEntry(env, "", "", Source("")), action_kind=kind, preset=preset)
    assert [key for key, origin in found.origins.items() if not origin.source] == []
    ports = preset == "published" and kind == "continuous"
    assert (found.config.importance, found.config.policy_objective) == (not ports, "reinforce" if ports else "improve")


# --- training ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_mixer_without_parameters_will_do(kind):
    (entry,) = zoo_algorithms()
    assert trains_with_a_sum(entry, kind)


def test_it_finds_the_best_play_of_the_two_step_game_and_not_the_safe_one():
    (entry,) = zoo_algorithms()
    assert two_step_score(entry) > 0.99


def test_values_of_lasting_rewards_are_lowered_and_do_not_run_away():
    """What a step is lowered by, every step before it is, too: a small penalty takes a third of the lesser values."""
    _, off, _ = lasting_rewards(CQLMA, 200, samples=3, alpha=0.01)
    assert off.amin() > -0.5
    assert off.amax() < 0.2
