"""The mixed OMAR's losses against its formulas, written as loops over agents, rows and actions."""

import dataclasses
import math

import pytest
import torch

from zoo_core import SettingError, TeamSpec, Update, generator
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics.testing import discrete_batch, draw, perturb, random_batch
from zoo_critics.testing_mixed import LinearMixer, lasting_rewards
from zoo_omar_mix.algorithm import OMARMix
from zoo_omar_mix.config import OMARMixConfig
from zoo_omar_mix.plugin import zoo_algorithms
from zoo_omar_mix.search import best_action

B, DISCOUNT, ALPHA, C = 8, 0.9, 0.6, 0.3
CONTINUOUS = TeamSpec(
    "test", ("a", "b", "c"), (4, 4, 3), (2, 2, 1), action_low=-0.5, action_high=1.0, state_kind="stored", state_size=12
)
DISCRETE = TeamSpec("test", ("a", "b"), (4, 3), (3, 2), action_kind="discrete", state_kind="stored", state_size=8)
TEAMS = pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
SIZES = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def make(team=CONTINUOUS, **settings):
    torch.manual_seed(0)
    given = {"batch_size": B, "hidden": 8, "discount": DISCOUNT, "alpha": ALPHA, "rectification": C, "samples": 3}
    alg = OMARMix(team, OMARMixConfig(**{**given, **settings}), mixer=LinearMixer)
    perturb(alg)
    if team.discrete:
        return alg, discrete_batch(team, B), {}
    batch = random_batch(team, B)
    noise = {}
    for step in alg.phases()[0].steps[:2]:
        noise |= draw(step.noise, seed=len(noise))
    return alg, dataclasses.replace(batch, action=(0.25 + 0.75 * batch.action) * SIZES), noise


def critic_loss(alg, batch, noise):
    return (alg.discrete_critic_loss if alg.team.discrete else alg.critic_loss)(batch, noise)


def mixed(mixer, values, state):
    w = (mixer.w.weight @ state + mixer.w.bias).abs()
    return w, mixer.b.weight[0] @ state + mixer.b.bias[0], sum(w * values) + mixer.b.weight[0] @ state + mixer.b.bias[0]


def sampled(alg, obs, normals):
    """tanh(μ + σ ε) in the team's bounds, padding 0."""
    mean, log_std = alg.policy(obs)
    return (0.25 + 0.75 * torch.tanh(mean + log_std.exp() * normals)) * SIZES


def next_values(alg, batch, noise):
    """Q̄_i(o'_i, a'_i) or its expectation, [B, n]."""
    if not alg.team.discrete:
        return alg.target_critic(batch.next_obs, sampled(alg, batch.next_obs, noise["target"]))
    probability = alg.policy(batch.next_obs, batch.next_action_mask).exp()
    return (probability * alg.target_critic.of_all_actions(batch.next_obs)).sum(-1)


def penalised(alg, batch, noise, b, i):
    """The values of every penalised action of one agent in one row."""
    if alg.team.discrete:
        return alg.critic.of_all_actions(batch.obs)[b, i, batch.action_mask[b, i]]
    groups = [
        (0.25 + 0.75 * (2 * noise["uniform"] - 1)) * SIZES,
        sampled(alg, batch.obs, noise["near"]),
        sampled(alg, batch.next_obs, noise["next"]),
    ]
    found = [alg.critic(batch.obs, action)[b, i] for group in groups for action in group.detach()]
    assert len(found) == 9
    return torch.stack(found)


@TEAMS
@pytest.mark.parametrize("timeouts", ["terminal", "bootstrap"])
@pytest.mark.parametrize("bias", ["each", "once"])
def test_critics_regress_on_the_mixed_target_and_are_penalised_agent_by_agent(team, timeouts, bias):
    alg, batch, noise = make(team, timeouts=timeouts, penalty_bias=bias)
    q, following = alg.critic(batch.obs, batch.action), next_values(alg, batch, noise).detach()
    expected = 0.0
    for b in range(B):
        w, shift, total = mixed(alg.mixer, q[b], batch.state[b])
        y = batch.reward[b].mean()
        if not (batch.terminated[b] or (batch.truncated[b] and timeouts == "terminal")):
            y = y + DISCOUNT * mixed(alg.target_mixer, following[b], batch.next_state[b])[2].detach()
        soft = sum(torch.logsumexp(w[i] * penalised(alg, batch, noise, b, i) + shift, 0) for i in range(team.n))
        if bias == "once":
            soft = soft - (team.n - 1) * shift
        expected = expected + ((total - y) ** 2 + ALPHA * (soft - total)) / B
    found = critic_loss(alg, batch, noise).value
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    learned = [*alg.critic.parameters(), *alg.mixer.parameters()]
    for one, other in zip(*(torch.autograd.grad(v, learned) for v in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_counted_once_the_bias_is_not_in_the_penalty():
    """Its gradient on the mixer's bias is that of the Bellman error alone; counted for each agent it is not."""
    for bias, alike in (("once", True), ("each", False)):
        found = []
        for alpha in (0.0, 5.0):
            alg, batch, noise = make(alpha=alpha, penalty_bias=bias)
            (gradient,) = torch.autograd.grad(critic_loss(alg, batch, noise).value, [alg.mixer.b.bias])
            found.append(gradient)
        assert torch.allclose(*found, atol=1e-5) == alike


def naive_search(alg, batch, normals, b, i):
    """The cross-entropy search of one agent in one row, by lists: normals [rounds, m, a] → action in ±1, its value."""
    mean, deviation, kept = torch.zeros(2), torch.full((2,), alg.config.search_start), []
    for drawn in normals:
        tried = [(mean + deviation * one).clamp(-1.0, 1.0) for one in drawn]
        for unit in tried:
            joint = batch.action[b].clone()
            joint[i] = (0.25 + 0.75 * unit) * SIZES[i]
            kept.append((float(alg.critic(batch.obs[b : b + 1], joint[None])[0, i].detach()), unit))
        kept = sorted(kept, key=lambda pair: -pair[0])[: alg.config.search_elites]
        elites = torch.stack([unit for _, unit in kept])
        mean = elites.sum(0) / len(kept)
        deviation = ((elites - mean).square().sum(0) / (len(kept) - 1)).sqrt()
    return kept[0][1], kept[0][0]


def test_policies_move_to_the_better_action_and_up_their_own_critic():
    alg, batch, noise = make(search_rounds=3, search_samples=4, search_elites=2, search_start=0.3)
    action = sampled(alg, batch.obs, noise["policy"])
    q = alg.critic(batch.obs, action)
    expected, found, dims = 0.0, 0, int(SIZES.sum())
    for b in range(B):
        for i in range(3):
            best, its_q = naive_search(alg, batch, noise["search"][:, b, i], b, i)
            better = its_q > q[b, i].item()
            found += better
            goal = ((0.25 + 0.75 * best) * SIZES[i] if better else action[b, i]).detach()
            expected = expected + C * ((action[b, i] - goal) ** 2).sum() / (B * dims)
            expected = expected - (1 - C) * q[b, i] / (3 * B)
    assert 0 < found < 3 * B
    loss = alg.policy_loss(batch, noise)
    torch.testing.assert_close(loss.value, expected, rtol=1e-4, atol=1e-5)
    assert loss.metrics["found"] == pytest.approx(found / (3 * B))
    parameters = list(alg.policy.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (loss.value, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_discrete_policies_move_to_the_best_available_action_and_up_their_own_critic():
    alg, batch, _ = make(DISCRETE)
    expected = 0.0
    for b in range(B):
        for i in range(2):
            there = batch.action_mask[b, i]
            q = alg.critic.of_all_actions(batch.obs)[b, i, there]
            log_policy = torch.log_softmax(alg.policy.net(batch.obs)[b, i, there], -1)
            own = -C * log_policy[q.argmax()] - (1 - C) * (log_policy.exp() * q).sum()
            expected = expected + own / (2 * B)
    torch.testing.assert_close(alg.discrete_policy_loss(batch, {}).value, expected)


def test_the_search_finds_the_top_of_a_hill():
    top = torch.tensor([0.4, -0.7])
    normals = torch.randn(12, 3, 2, 100, 2, generator=generator(0, "search"))
    best, value = best_action(lambda unit: -(unit - top).square().sum(-1), normals, 10, 2.0)
    torch.testing.assert_close(best, top.expand(3, 2, 2), atol=0.02, rtol=0)
    torch.testing.assert_close(value, -(best - top).square().sum(-1))


def test_a_round_draws_about_the_mean_of_the_last_elites_with_their_deviation():
    """Elites 0.8 and 0.4 of the first round: the second draws from N(0.6, 0.08)."""
    normals = torch.zeros(2, 1, 1, 4, 1)
    normals[0, 0, 0, :, 0] = torch.tensor([0.8, 0.4, -0.1, -0.3])
    normals[1, 0, 0, :, 0] = torch.tensor([1.0, 0.5, 0.0, -1.0])
    seen = []

    def value(unit):
        seen.append(unit[0, 0, :, 0])
        return unit[..., 0]

    best_action(value, normals, 2, 1.0)
    deviation = math.sqrt(0.08)  # the sample's: (0.2² + 0.2²) / (2 − 1)
    torch.testing.assert_close(seen[1], 0.6 + deviation * normals[1, 0, 0, :, 0])


def test_a_round_keeps_the_elites_of_the_one_before():
    """The best action of the first round is returned although the second draws only worse ones."""
    normals = torch.zeros(2, 1, 1, 4, 1)
    normals[0, 0, 0, :, 0] = torch.tensor([0.45, 0.1, 0.0, -0.1])
    normals[1] = -40.0
    best, value = best_action(lambda unit: unit[..., 0], normals, 2, 2.0)
    assert best.item() == value.item() == pytest.approx(0.9)


def test_a_sharper_search_never_values_less_than_the_policys_own_action():
    alg, batch, noise = make()
    action = sampled(alg, batch.obs, noise["policy"])
    q = alg.critic(batch.obs, action)
    _, rectified = alg.rectified_action(batch.obs, action, q, noise["search"])
    assert (alg.critic(batch.obs, rectified) >= q - 1e-6).all()
    assert (rectified[:, 2, 1] == 0).all()


def test_each_update_changes_its_own_networks_alone():
    alg, batch, noise = make()
    policy, critic = (step for step in alg.phases()[0].steps if isinstance(step, Update))
    assert (policy.learns, critic.learns) == (("policy",), ("critic", "mixer"))
    loss = critic.loss(batch, noise).value
    found = torch.autograd.grad(loss, list(alg.policy.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in found)


def test_values_stay_at_what_lasting_rewards_add_up_to():
    few = {"samples": 3, "search_samples": 4, "search_elites": 2}
    _, off, _ = lasting_rewards(OMARMix, 200, **few, penalty_bias="once", alpha=0.1)
    assert off.abs().amax() < 0.2


# --- settings ----------------------------------------------------------------------------------------------------


def settings(preset=None, env="mamujoco-ant-2x4", **overrides):
    (entry,) = zoo_algorithms()
    stranger = EnvEntry(env, "", "", Source(""))
    return resolve(entry, OMARMixConfig, env=stranger, action_kind="continuous", preset=preset, overrides=overrides)


def test_the_published_settings_are_the_public_codes():
    c = settings("published").config
    assert (c.iterations, c.batch_size, c.lr, c.hidden, c.tau) == (195_313, 128, 1e-4, 256, 0.005)
    assert (c.samples, c.search_rounds, c.search_samples, c.search_elites, c.rectification) == (10, 2, 20, 5, 0.5)
    assert c.iterations == math.ceil(25 * 1_000_000 / 128)


def test_the_zoos_repairs_are_two_each_with_its_reason():
    published, zoo = settings("published"), settings("zoo")
    changed = {k for k in zoo.origins if getattr(zoo.config, k) != getattr(published.config, k)}
    assert changed == {"timeouts", "penalty_bias"}
    assert all(origin.source for origin in zoo.origins.values())


def test_more_elites_than_samples_are_refused():
    with pytest.raises(SettingError, match="keep fewer"):
        make(search_elites=9, search_samples=8)
