"""ComaDICE's losses against its formulas, written as loops over rows and agents."""

import math

import pytest
import torch

from zoo_comadice.algorithm import ComaDICE, ComaDICEConfig, conjugate, ratio
from zoo_comadice.plugin import zoo_algorithms
from zoo_core import Update
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics.testing_mixed import (
    CONTINUOUS,
    DISCRETE,
    assert_same,
    credit_of,
    log_likelihood,
    made,
    mixed,
    trains_with_a_sum,
    two_step_score,
    worth_of,
)

B, ALPHA = 10, 0.7
TEAMS = pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
DIVERGENCES = pytest.mark.parametrize("divergence", ["soft-chi2", "chi2", "kl"])


def make(team=CONTINUOUS, **settings):
    return made(ComaDICE, team, B, **{"alpha": ALPHA, **settings})


def f(w, divergence):
    if divergence == "kl" or (divergence == "soft-chi2" and w < 1):
        return w * math.log(w) - (w - 1 if divergence == "soft-chi2" else 0) if w > 0 else float(divergence != "kl")
    return (w - 1) ** 2 / 2


# --- the divergences ---------------------------------------------------------------------------------------------


@DIVERGENCES
@pytest.mark.parametrize("x", [-3.0, -1.0, -0.4, 0.0, 0.3, 2.5])
def test_the_conjugate_is_the_maximum_over_ratios_that_are_not_negative_and_the_ratio_attains_it(divergence, x):
    grid = [k / 10_000 for k in range(60_000)]
    best = max(grid, key=lambda w: x * w - f(w, divergence))
    point = torch.tensor(x)
    assert float(conjugate(point, divergence)) == pytest.approx(x * best - f(best, divergence), abs=1e-4)
    assert float(ratio(point, divergence)) == pytest.approx(best, abs=1e-2)


@DIVERGENCES
def test_the_ratio_is_the_conjugates_slope_and_nothing_overflows(divergence):
    x = torch.linspace(-200.0, 200.0, 801, requires_grad=True)
    value = conjugate(x, divergence)
    (slope,) = torch.autograd.grad(value.sum(), x)
    torch.testing.assert_close(slope, ratio(x, divergence))
    assert value.isfinite().all()
    assert (slope >= 0).all()
    assert (slope.diff() >= 0).all()  # convex


# --- the losses --------------------------------------------------------------------------------------------------


@TEAMS
@pytest.mark.parametrize("timeouts", ["bootstrap", "terminal"])
def test_critics_and_mixer_regress_on_the_reward_and_the_next_team_value(team, timeouts):
    alg, batch = make(team, timeouts=timeouts)
    q, following = alg.critic(batch.obs, batch.action), alg.target_value(batch.next_obs).detach()
    expected = 0.0
    for b in range(B):
        y = worth_of(alg, batch, b, mixed(alg.target_mixer, following[b], batch.next_state[b]).detach())
        expected = expected + (mixed(alg.mixer, q[b], batch.state[b]) - y) ** 2 / B
    assert_same(alg.critic_loss(batch, {}).value, expected, alg.critic, alg.mixer)


def naive_advantage(alg, batch, b):
    """Q_tot − ν_tot of a row, by the gradient that is set."""
    q, value, following, lagging = (
        alg.critic(batch.obs, batch.action).detach(),
        alg.value(batch.obs),
        alg.value(batch.next_obs),
        alg.target_value(batch.next_obs).detach(),
    )
    state, after = batch.state[b], batch.next_state[b]
    found = mixed(alg.mixer, q[b], state).detach() - mixed(alg.mixer, value[b], state)
    if alg.config.gradient == "paper" and not (batch.terminated[b] or batch.truncated[b]):
        ahead, behind = mixed(alg.mixer, following[b], after), mixed(alg.target_mixer, lagging[b], after).detach()
        found = found + alg.config.discount * (ahead - behind)
    return found


@TEAMS
@DIVERGENCES
@pytest.mark.parametrize("gradient", ["paper", "fixed_q"])
def test_values_descend_the_dual_objective(team, divergence, gradient):
    alg, batch = make(team, divergence=divergence, gradient=gradient)
    with torch.no_grad():
        alg.value_level.fill_(alg.advantage(batch).mean())  # so that both branches of f* are met
    initial, expected, ratios = alg.value(batch.initial_obs), 0.0, []
    for b in range(B):
        x = (naive_advantage(alg, batch, b) - alg.value_level[0].detach()) / ALPHA
        ratios.append(float(ratio(x.detach(), divergence)))
        expected = expected + (1 - 0.99) * mixed(alg.mixer, initial[b], batch.initial_state[b]) / B
        expected = expected + ALPHA * conjugate(x, divergence) / B
    expected = expected + alg.value_level[0].detach()
    assert min(ratios) < 1 < max(ratios)
    assert_same(alg.value_loss(batch, {}).value, expected, alg.value)


def test_the_whole_gradient_balances_the_flow_of_visits():
    """Raising ν everywhere by c changes L by c ((1 − γ) − E w (1 − γ (1 − d))): zero where visits are conserved."""
    alg, batch = make(divergence="chi2")
    alg.mixer = torch.nn.Module()
    alg.mixer.forward = lambda values, state: values.sum(-1, keepdim=True)
    alg.target_mixer = alg.mixer
    bias = alg.value.net.rest[-1].bias
    (found,) = torch.autograd.grad(alg.value_loss(batch, {}).value, bias)
    weight = ratio((alg.advantage(batch) - alg.value_level) / ALPHA, "chi2").detach()
    goes_on = (~(batch.terminated | batch.truncated)).float()
    expected = 3 * ((1 - 0.99) - (weight * (1 - 0.99 * goes_on)).mean())
    torch.testing.assert_close(found[0], expected)


@TEAMS
def test_the_released_loss_leaves_f_and_the_advantage_out_of_the_gradient(team):
    alg, batch = make(team, gradient="released", normalise=True)
    q, value, initial = alg.critic(batch.obs, batch.action), alg.value(batch.obs), alg.value(batch.initial_obs)
    expected, level, cells = alg.value_level[0], alg.value_level[0], B * team.n
    below = 0
    for b in range(B):
        w, _ = credit_of(alg.mixer, batch.state[b])
        for i in range(team.n):
            local = w[i].detach() * (q[b, i].detach() - value[b, i])
            x = (local - level) / ALPHA
            weight = torch.exp(x) if x < 0 else x + 1
            below += bool(x < 0)
            penalty = torch.exp(x) * (x - 1) + 1 if x < 0 else x**2 / 2  # f(w*), as the official code writes it
            gain = weight * (local.detach() - level) - ALPHA * penalty.detach()
            expected = expected + (gain + (1 - 0.99) * initial[b, i]) / cells
    assert 0 < below < cells
    found = alg.released_value_loss(batch, {}).value
    assert_same(found, expected, alg.value)
    one, other = (torch.autograd.grad(v, alg.value_level, retain_graph=True)[0] for v in (found, expected))
    torch.testing.assert_close(one, other)


def test_where_values_are_too_high_the_released_loss_lowers_them_and_the_dual_objective_does_not():
    """With γ = 1 and Q held: the dual's slope in ν is −w*, for any advantage; the released one has minus its sign."""
    slopes = {}
    for gradient in ("released", "fixed_q"):
        alg, batch = make(gradient=gradient, discount=1.0, alpha=50.0)
        bias = alg.value.net.rest[-1].bias
        with torch.no_grad():
            alg.value_level.zero_()
            bias += 20.0
        assert (alg.credit(batch)[0] * (alg.critic(batch.obs, batch.action) - alg.value(batch.obs)) < 0).all()
        loss = alg.released_value_loss if gradient == "released" else alg.value_loss
        (slopes[gradient],) = torch.autograd.grad(loss(batch, {}).value, bias)
    assert float(slopes["released"]) > 0 > float(slopes["fixed_q"])


@TEAMS
@pytest.mark.parametrize("gradient", ["paper", "released"])
@pytest.mark.parametrize("most_weight", [None, 1.05])
def test_policies_clone_by_the_ratio_of_visits(team, gradient, most_weight):
    alg, batch = make(team, gradient=gradient, most_weight=most_weight)
    with torch.no_grad():
        alg.value_level.fill_(alg.advantage(batch).mean())
        alg.weight_level.fill_(alg.local_advantages(batch).mean())
    q, value = alg.target_critic(batch.obs, batch.action), alg.value(batch.obs)
    expected, seen = 0.0, []
    for b in range(B):
        if gradient == "paper":
            weights = [ratio((naive_advantage(alg, batch, b) - alg.value_level[0]) / ALPHA, "soft-chi2")]
        else:
            w, _ = credit_of(alg.target_mixer, batch.state[b])
            parts = [w[i] * (q[b, i] - value[b, i]) for i in range(team.n)]
            weights = [ratio((part - alg.weight_level[0]) / ALPHA, "soft-chi2") for part in parts]
        weights = [min(float(weight), most_weight or math.inf) for weight in weights]
        seen += weights
        for i in range(team.n):
            expected = expected - sum(weights) * log_likelihood(alg, batch, b, i) / (B * team.n)
    assert most_weight is None or max(seen) == most_weight > min(seen)
    assert_same(alg.policy_loss(batch, {}).value, expected, alg.policy)


def test_the_released_level_makes_the_agents_weights_one_on_average():
    alg, batch = make(gradient="released", normalise=True)
    optimiser = torch.optim.Adam([alg.weight_level], 0.05)
    for _ in range(600):
        optimiser.zero_grad()
        alg.weight_level_loss(batch, {}).value.backward()
        optimiser.step()
    weights = ratio((alg.local_advantages(batch) - alg.weight_level) / ALPHA, "soft-chi2")
    assert float(weights.mean()) == pytest.approx(1.0, abs=1e-3)


# --- the order, the settings -------------------------------------------------------------------------------------


def test_the_order_of_an_iteration_is_critic_value_policy_targets():
    def order(**settings):
        steps = make(**settings)[0].phases()[0].steps
        return [step.name if isinstance(step, Update) else step.target for step in steps]

    targets = ["target_critic", "target_value", "target_mixer"]
    assert order() == ["critic", "value", "policy", *targets]
    assert order(gradient="released", normalise=True) == ["critic", "value", "weight_level", "policy", *targets]


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("preset", ["zoo", "published"])
@pytest.mark.parametrize("env", ["mamujoco-hopper-3x1", "somebody-elses"])
def test_every_value_has_a_source_and_only_the_published_preset_has_the_released_gradient(preset, kind, env):
    (entry,) = zoo_algorithms()
    found = resolve(entry, ComaDICEConfig, env=EnvEntry(env, "", "", Source("")), action_kind=kind, preset=preset)
    assert [key for key, origin in found.origins.items() if not origin.source] == []
    assert found.config.gradient == ("released" if preset == "published" else "paper")
    unscaled = preset == "published" or env.startswith("mamujoco")
    assert (found.config.alpha, found.config.scale_rewards) == ((10.0, False) if unscaled else (0.05, True))


# --- training ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_mixer_without_parameters_will_do(kind):
    (entry,) = zoo_algorithms()
    assert trains_with_a_sum(entry, kind)


def test_it_finds_the_best_play_of_the_two_step_game_and_not_the_safe_one():
    (entry,) = zoo_algorithms()
    assert two_step_score(entry) > 0.99
