"""OMIGA's losses against its formulas, written as loops over agents and rows."""

import dataclasses
import math

import pytest
import torch

from zoo_core import SettingError, TeamSpec, Update
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics import steady_exp
from zoo_critics.testing import discrete_batch, perturb, random_batch
from zoo_critics.testing_mixed import LinearMixer, lasting_rewards
from zoo_omiga.algorithm import OMIGA, OMIGAConfig
from zoo_omiga.plugin import zoo_algorithms

B, ALPHA, DISCOUNT = 10, 0.7, 0.9
CONTINUOUS = TeamSpec(
    "test", ("a", "b", "c"), (4, 4, 3), (2, 2, 1), action_low=-0.5, action_high=1.0, state_kind="stored", state_size=12
)
DISCRETE = TeamSpec("test", ("a", "b"), (4, 3), (3, 2), action_kind="discrete", state_kind="stored", state_size=8)
TEAMS = pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])


def make(team=CONTINUOUS, **settings):
    torch.manual_seed(0)
    config = OMIGAConfig(**{"batch_size": B, "hidden": 8, "alpha": ALPHA, "discount": DISCOUNT, **settings})
    alg = OMIGA(team, config, mixer=LinearMixer)
    perturb(alg)
    if team.discrete:
        return alg, discrete_batch(team, B)
    batch = random_batch(team, B)
    own = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    return alg, dataclasses.replace(batch, action=(0.25 + 0.75 * batch.action) * own)


def each_z(alg, batch):
    """(row, agent, w̄_i, V_i, z_i) of every row and agent, z without its clamp."""
    q, value = alg.target_critic(batch.obs, batch.action), alg.value(batch.obs)
    for b in range(B):
        w = (alg.target_mixer.w.weight @ batch.state[b] + alg.target_mixer.w.bias).abs()
        for i in range(alg.team.n):
            yield b, i, w[i], value[b, i], w[i] * (q[b, i] - value[b, i]) / ALPHA


def log_policy(alg, batch, b, i):
    """log π_i(a_i | o_i) of one logged action, of its own dimensions or among the available ones."""
    if alg.team.discrete:
        logits = alg.policy.net(batch.obs)[b, i]
        return logits[batch.action[b, i]] - torch.logsumexp(logits[batch.action_mask[b, i]], 0)
    size = alg.team.action_sizes[i]
    mean, log_std = alg.policy(batch.obs)
    normal = torch.distributions.Normal(mean[b, i, :size], log_std[b, i, :size].exp())
    maps = [torch.distributions.TanhTransform(), torch.distributions.AffineTransform(0.25, 0.75)]
    return torch.distributions.TransformedDistribution(normal, maps).log_prob(batch.action[b, i, :size]).sum()


def gradients(loss, module):
    return torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)


def same(one, other):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@TEAMS
@pytest.mark.parametrize("timeouts", ["terminal", "bootstrap"])
def test_critics_and_mixer_regress_on_the_reward_and_the_next_team_value(team, timeouts):
    alg, batch = make(team, timeouts=timeouts)
    q, next_value = alg.critic(batch.obs, batch.action), alg.target_value(batch.next_obs).detach()
    expected = 0.0
    for b in range(B):
        ends = batch.terminated[b] or (batch.truncated[b] and timeouts == "terminal")
        y = batch.reward[b].mean()
        if not ends:
            y = y + DISCOUNT * alg.target_mixer(next_value[b : b + 1], batch.next_state[b : b + 1])[0, 0].detach()
        expected = expected + (alg.mixer(q[b : b + 1], batch.state[b : b + 1])[0, 0] - y) ** 2 / B
    assert batch.truncated.any()
    found = alg.critic_loss(batch, {}).value
    torch.testing.assert_close(found, expected)
    for module in (alg.critic, alg.mixer):
        same(gradients(found, module), gradients(expected, module))


@TEAMS
def test_the_straight_exponential_fits_values_until_the_weights_average_one(team):
    """Gradient and all; the limit is low, so that both branches are met."""
    alg, batch = make(team, exponential="linear", z_limit=0.1)
    expected, zs = 0.0, []
    for _, _, w, value, z in each_z(alg, batch):
        zs.append(float(z.detach()))
        grown = torch.exp(z) if z <= 0.1 else math.exp(0.1) * (1 + z - 0.1)
        expected = expected + (grown + w.detach() * value / ALPHA) / (B * team.n)
    assert min(zs) < 0.1 < max(zs)
    found = alg.local_loss(batch, {})
    torch.testing.assert_close(found.metrics["value_loss"], expected)
    same(gradients(found.value, alg.value), gradients(expected, alg.value))


@TEAMS
def test_the_clamped_exponential_is_the_official_one(team):
    """exp(z − z_max) + e^−z_max w̄ V / α, z in ±z_limit, z_max of the batch: its value and its gradient."""
    alg, batch = make(team, exponential="clamp", z_limit=0.1)
    zs = torch.stack([z for *_, z in each_z(alg, batch)]).clamp(-0.1, 0.1)
    largest = max(-1.0, float(zs.detach().max()))
    linear = torch.stack([w.detach() * value / ALPHA for _, _, w, value, _ in each_z(alg, batch)])
    expected = (torch.exp(zs - largest) + math.exp(-largest) * linear).mean()
    found = alg.local_loss(batch, {})
    torch.testing.assert_close(found.metrics["value_loss"], expected)
    same(gradients(found.value, alg.value), gradients(expected, alg.value))


@TEAMS
@pytest.mark.parametrize("form", ["clamp", "linear"])
def test_policies_clone_by_the_exponential_of_their_weighted_advantage(team, form):
    alg, batch = make(team, exponential=form, z_limit=0.2)
    low = -0.2 if form == "clamp" else -math.inf
    expected, weights = 0.0, []
    for b, i, _, _, z in each_z(alg, batch):
        weights.append(math.exp(min(max(float(z.detach()), low), 0.2)))
        expected = expected - weights[-1] * log_policy(alg, batch, b, i) / (B * team.n)
    assert min(weights) < 1 < max(weights)
    found = alg.local_loss(batch, {})
    torch.testing.assert_close(found.metrics["policy_loss"], expected, rtol=1e-4, atol=1e-4)
    same(gradients(found.value, alg.policy), gradients(expected, alg.policy))


def test_each_network_has_the_gradient_of_its_own_loss_alone():
    alg, batch = make(exponential="linear")
    local, critic = alg.local_loss(batch, {}).value, alg.critic_loss(batch, {}).value
    for loss, own in ((local, (alg.policy, alg.value)), (critic, (alg.critic, alg.mixer))):
        for module in (alg.policy, alg.value, alg.critic, alg.mixer):
            found = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)
            assert all((g is not None) == any(module is mine for mine in own) for g in found)


def test_the_fitted_value_makes_the_policys_weights_average_one():
    """What L_V is for: at its minimum over V, E exp(z) = 1."""
    z_free, w = torch.randn(64, generator=torch.Generator().manual_seed(0)), 0.5
    value = torch.zeros((), requires_grad=True)
    for _ in range(400):
        loss = (steady_exp(w * (z_free - value), 5.0) + w * value).mean()
        (gradient,) = torch.autograd.grad(loss, [value])
        value = (value - 0.5 * gradient).detach().requires_grad_()
    assert (w * (z_free - value)).exp().mean().item() == pytest.approx(1.0, abs=1e-3)


def test_far_beyond_the_clamp_only_the_straight_exponential_still_raises_the_value():
    """z = 40: the official form pushes V down, away from where it belongs; the other one up."""
    for form, sign in (("clamp", 1), ("linear", -1)):
        alg, _ = make(exponential=form, z_limit=10.0 if form == "clamp" else 5.0)
        value = torch.full((1, 3), -40.0, requires_grad=True)
        (gradient,) = torch.autograd.grad(alg.value_loss(-value, value), [value])
        assert (gradient.sign() == sign).all()


def test_an_iteration_moves_targets_last_and_policies_by_the_values_of_before():
    """One update has both local losses, so the policies' weights are those of the values before their step."""
    alg, _ = make()
    steps = alg.phases()[0].steps
    assert [s.name if isinstance(s, Update) else s.target for s in steps] == [
        "local", "critic", "target_critic", "target_mixer", "target_value",
    ]  # fmt: skip
    assert steps[0].learns == ("policy", "value")
    assert steps[0].clip.per == "module"
    assert steps[1].learns == ("critic", "mixer")
    assert steps[1].clip.per == "all"


def test_unavailable_actions_have_no_share_in_the_likelihood():
    alg, batch = make(DISCRETE)
    with_mask = alg.local_loss(batch, {}).metrics["policy_loss"]
    without = alg.local_loss(dataclasses.replace(batch, action_mask=None), {}).metrics["policy_loss"]
    assert not torch.allclose(with_mask, without)


@pytest.mark.parametrize("edge", [1e-7, 0.01])
def test_actions_on_their_bounds_are_cloned_as_if_the_edge_from_them(edge):
    """The default, too, is not lost in rounding: the likelihood stays finite."""
    alg, batch = make(action_edge=edge)
    within = dataclasses.replace(batch, action=torch.full_like(batch.action, 0.25 + 0.75 * (1 - edge)))
    beyond = dataclasses.replace(batch, action=torch.full_like(batch.action, 3.0))
    zeros = torch.zeros(B, 3)
    assert alg.policy_loss(beyond, zeros).isfinite()
    torch.testing.assert_close(alg.policy_loss(beyond, zeros), alg.policy_loss(within, zeros), rtol=0.05, atol=0.0)


def test_policies_of_clipped_normals_are_cloned_by_their_probability_on_the_bounds():
    alg, batch = make(distribution="clipped-normal")
    within = dataclasses.replace(batch, action=torch.ones_like(batch.action))  # the upper bound
    mean, log_std = alg.policy(batch.obs)
    tails = torch.special.log_ndtr((mean - 1.0) / log_std.exp()) * alg.policy.dims
    torch.testing.assert_close(alg.policy_loss(within, torch.zeros(B, 3)), -tails.sum(-1).mean())
    action, _ = alg.act(batch.obs, None, None, None)
    torch.testing.assert_close(action, (0.25 + 0.75 * mean.clamp(-1.0, 1.0)) * alg.policy.dims)


def test_agents_may_have_weights_of_their_own():
    alg, batch = make(share_weights=False)
    assert all(len(p) == 3 for p in alg.value.parameters())
    assert alg.local_loss(batch, {}).value.isfinite()


def test_values_stay_at_what_lasting_rewards_add_up_to_and_policies_at_the_datas_mean():
    zoo = {"distribution": "clipped-normal", "exponential": "linear", "z_limit": 5.0}
    _, off, taken = lasting_rewards(OMIGA, 300, **zoo)
    assert off.abs().amax() < 0.2
    assert (taken - 0.8).abs().amax() < 0.15


# --- settings ----------------------------------------------------------------------------------------------------


def settings(preset, env="mamujoco-halfcheetah-6x1"):
    (entry,) = zoo_algorithms()
    stranger = EnvEntry(env, "", "", Source(""))
    return resolve(entry, OMIGAConfig, env=stranger, action_kind="continuous", quality="expert", preset=preset)


@pytest.mark.parametrize("robot", ["halfcheetah-6x1", "ant-2x4", "hopper-3x1"])
def test_the_published_settings_are_the_official_codes(robot):
    c = settings("published", f"mamujoco-{robot}").config
    assert (c.iterations, c.batch_size, c.lr, c.hidden, c.discount, c.tau) == (1_000_000, 128, 5e-4, 256, 0.99, 0.005)
    assert (c.alpha, c.clip, c.timeouts, c.exponential, c.z_limit) == (10.0, 1.0, "terminal", "clamp", 10.0)
    assert (c.distribution, c.action_edge) == ("tanh-normal", 1e-7)


def test_the_zoos_repairs_are_four_each_with_its_reason():
    published, zoo = settings("published"), settings("zoo")
    changed = {k for k in zoo.origins if getattr(zoo.config, k) != getattr(published.config, k)}
    assert changed == {"timeouts", "exponential", "z_limit", "distribution"}
    assert all(zoo.origins[k].source for k in zoo.origins)


@pytest.mark.parametrize("wrong", [{"timeouts": "skip"}, {"exponential": "relu"}, {"alpha": 0.0}, {"clip": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    (entry,) = zoo_algorithms()
    with pytest.raises(SettingError, match=next(iter(wrong))):
        resolve(entry, OMIGAConfig, env=EnvEntry("x", "", "", Source("")), action_kind="continuous", overrides=wrong)
