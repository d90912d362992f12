"""DoF-Policy's losses against its formulas, written as loops over agents, rows and steps of the chain."""

import dataclasses

import pytest
import torch

from zoo_core import Statistics, TeamSpec, ZooError, generator
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics.testing import draw, perturb, plain_net, random_batch
from zoo_dof.networks import sinusoid
from zoo_dof.plugin import zoo_algorithms
from zoo_dof.policy import DoFPolicy, DoFPolicyConfig

B, T = 6, 3
TEAM = TeamSpec("test", ("a", "b", "c"), (4, 4, 3), (2, 2, 1), action_low=-0.5, action_high=1.0)
CENTRE, REACH = 0.25, 0.75
STATISTICS = Statistics(
    torch.linspace(-1, 1, 12).view(3, 4), torch.linspace(0.5, 2, 12).view(3, 4), None, None, 0.6, 1.0, 0.0, 0.0, 1.0
)
BOTH = {"noise_factorisation": "w-concat", "data_factorisation": "w-concat"}


def make(**settings):
    torch.manual_seed(0)
    config = DoFPolicyConfig(**{"batch_size": B, "hidden": 8, "diffusion_steps": T, **settings})
    alg = DoFPolicy(TEAM, config, statistics=STATISTICS)
    perturb(alg, 0.1)
    batch = random_batch(TEAM, B)
    own = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    batch = dataclasses.replace(batch, action=(CENTRE + REACH * batch.action) * own)
    critic, actor = alg.phases()[0].steps[:2]
    return alg, batch, draw(critic.noise), draw(actor.noise)


def seen(obs, i):
    return (obs[:, i] - STATISTICS.obs_mean[i]) / STATISTICS.obs_std[i]


def noise_of(net, i, action, level, obs):
    return plain_net(net.net, i, torch.cat((action, sinusoid(level, 16), obs), -1))


def chain(alg, net, i, obs, noise):
    """One agent's actions in (−1, 1), step by step: the posterior's mean and variance as Ho et al. write them."""
    signal, x = alg.diffusion.signal[0], noise[0, :, i]
    for t in range(T, 0, -1):
        guess = alg.noise_weights[i] * noise_of(net, i, x, torch.full((len(x),), t), obs)
        clean = ((x - (1 - signal[t]).sqrt() * guess) / signal[t].sqrt()).clamp(-1, 1)
        alpha = signal[t] / signal[t - 1]
        mean = signal[t - 1].sqrt() * (1 - alpha) * clean + alpha.sqrt() * (1 - signal[t - 1]) * x
        x = mean / (1 - signal[t])
        x = x + ((1 - signal[t - 1]) / (1 - signal[t]) * (1 - alpha)).sqrt() * noise[t, :, i]
    return (alg.data_weights[i] * x).clamp(-1, 1)


def acted(unit, i):
    action = CENTRE + REACH * unit
    return torch.cat((action[:, : TEAM.action_sizes[i]], torch.zeros(len(unit), 2 - TEAM.action_sizes[i])), -1)


def q_of(critic, h, i, obs, action, level=0.6 / (1 - 0.95)):
    return level + plain_net(critic.nets[h], i, torch.cat((obs, action), -1))[:, 0]


def test_critics_regress_on_the_lesser_value_of_a_sample_of_the_target_policy():
    alg, batch, noise, _ = make()
    expected = 0.0
    for i in range(3):
        here, there = seen(batch.obs, i), seen(batch.next_obs, i)
        action = acted(chain(alg, alg.target_policy, i, there, noise["next_action"]), i)
        least = torch.minimum(*(q_of(alg.target_critic, h, i, there, action) for h in range(2)))
        y = batch.reward[:, i] + 0.95 * (~batch.terminated) * least
        for h in range(2):
            expected = expected + (q_of(alg.critic, h, i, here, batch.action[:, i]) - y.detach()).square().mean()
    torch.testing.assert_close(alg.critic_loss(batch, noise).value, expected)


def test_values_begin_at_what_the_mean_reward_is_worth_for_ever_or_at_zero():
    for settings, expected in ({}, 12.0), ({"start": "zero"}, 0.0), ({"discount": 1.0}, 0.0):
        alg, batch, *_ = make(**settings)
        for net in alg.critic.nets:
            torch.nn.init.zeros_(net.last.weight)
            torch.nn.init.zeros_(net.last.bias)
        values = alg.values(alg.critic, batch.obs, batch.action)
        torch.testing.assert_close(values, torch.full((2, 3, B), expected))


def test_where_values_begin_changes_no_critic_that_has_learned():
    """Values that begin at a level are those from zero with the level added to the last layer's bias."""
    alg, batch, noise, _ = make()
    zero, *_ = make(start="zero")
    for net in (*zero.critic.nets, *zero.target_critic.nets):
        net.last.bias.data += 12.0
    one, other = (a.critic_loss(batch, noise).value for a in (alg, zero))
    torch.testing.assert_close(one, other)


def actor_loss_by_hand(alg, batch, noise, eta):
    signal = alg.diffusion.signal[0]
    expected = 0.0
    for i, size in enumerate(TEAM.action_sizes):
        obs, action = seen(batch.obs, i), (batch.action[:, i] - CENTRE) / REACH
        action = torch.cat((action[:, :size], torch.zeros(B, 2 - size)), -1)
        for b in range(B):
            t = int(noise["level"][b, 0] * T) + 1
            drawn = noise["noise"][b, i]
            noisy = signal[t].sqrt() * action[b] + (1 - signal[t]).sqrt() * drawn
            guess = noise_of(alg.policy, i, noisy[None], torch.tensor([t]), obs[b : b + 1])[0] * alg.noise_weights[i]
            expected = expected + (guess - drawn)[:size].square().mean() / B
            if alg.config.data_factorisation == "w-concat":
                clean = ((noisy - (1 - signal[t]).sqrt() * guess.detach()) / signal[t].sqrt()).clamp(-1, 1)
                expected = expected + (alg.data_weights[i] * clean - action[b])[:size].square().mean() / B
        sample = acted(chain(alg, alg.policy, i, obs, noise["action"]), i)
        one, other = (q_of(alg.critic, h, i, obs, sample) for h in ((0, 1) if noise["order"] < 0.5 else (1, 0)))
        expected = expected - eta * one.mean() / other.abs().mean().detach()
    return expected


@pytest.mark.parametrize("settings", [{}, BOTH, {"eta": 0.0}])
@pytest.mark.parametrize("order", [0.2, 0.8])
def test_policies_descend_cloning_and_the_value_of_their_samples(settings, order):
    alg, batch, _, noise = make(**settings)
    noise["order"] = torch.tensor([order])
    expected = actor_loss_by_hand(alg, batch, noise, settings.get("eta", 0.5))
    found = alg.actor_loss(batch, noise).value
    torch.testing.assert_close(found, expected)
    learned = [*alg.policy.parameters()] + ([alg.noise_weights, alg.data_weights] if settings == BOTH else [])
    for one, other in zip(*(torch.autograd.grad(v, learned) for v in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_value_reaches_every_step_of_the_chain():
    """Not a gradient of the first or last step alone: each step's own share is nonzero."""
    alg, batch, _, noise = make()
    shares = []
    plain = alg.guess

    def watched(*args):
        shares.append(plain(*args))
        shares[-1].retain_grad()
        return shares[-1]

    alg.guess = watched
    value, _ = alg.value_loss(alg.standard(batch.obs), noise)
    value.backward()
    assert len(shares) == T
    assert all(float(share.grad.norm()) > 0 for share in shares)


def test_the_chain_starts_and_goes_on_with_the_noise_it_is_given_and_ends_without():
    alg, batch, _, noise = make()
    obs = alg.standard(batch.obs)
    before = alg.sample(alg.policy, obs, noise["action"])
    for step, matters in enumerate((True, False, True, True)):
        drawn = noise["action"].clone()
        drawn[step] += 0.5
        same = torch.allclose(alg.sample(alg.policy, obs, drawn), before)
        assert same != matters, step


def test_an_agent_learns_from_its_own_row_and_reward():
    alg, batch, _, noise = make()
    before = torch.autograd.grad(alg.actor_loss(batch, noise).value, list(alg.policy.parameters()))
    batch.obs[:, 1] *= 2.0
    after = torch.autograd.grad(alg.actor_loss(batch, noise).value, list(alg.policy.parameters()))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one[[0, 2]], other[[0, 2]])
    assert not torch.allclose(before[0][1], after[0][1])


def test_acting_takes_the_candidate_that_the_critics_value_most():
    alg, batch, _, _ = make(candidates=1)
    singles = []
    wide = dataclasses.replace(alg.config, candidates=7)
    alg.config = wide
    found, _ = alg.act(batch.obs, None, None, generator(0, "act"))
    value = alg.critic(alg.standard(batch.obs), found).amin(0)
    for seed in range(1, 6):
        alg.config = dataclasses.replace(wide, candidates=1)
        single, _ = alg.act(batch.obs, None, None, generator(seed, "act"))
        singles.append(alg.critic(alg.standard(batch.obs), single).amin(0))
    assert (value >= torch.stack(singles).mean(0) - 1e-6).float().mean() > 0.9
    assert found.min() >= -0.5
    assert found.max() <= 1.0
    assert not found[:, 2, 1].any()  # a padded dimension


def test_a_softmax_chooses_by_value_and_not_always_the_best():
    alg, batch, _, _ = make(candidates=5, choice="softmax")
    first, _ = alg.act(batch.obs, None, None, generator(0, "act"))
    alg.config = dataclasses.replace(alg.config, choice="best")
    best, _ = alg.act(batch.obs, None, None, generator(0, "act"))
    obs = alg.standard(batch.obs)
    assert not torch.equal(first, best)
    assert (alg.critic(obs, best).amin(0) >= alg.critic(obs, first).amin(0) - 1e-6).all()


def test_without_a_generator_or_at_temperature_zero_it_takes_the_chain_without_noise():
    alg, batch, _, _ = make(temperature=0.0, candidates=3)
    quiet, _ = alg.act(batch.obs, None, None, None)
    cold, _ = alg.act(batch.obs, None, None, generator(3, "act"))
    torch.testing.assert_close(quiet, cold)
    expected = alg.sample(alg.target_policy, alg.standard(batch.obs), torch.zeros(T + 1, B, 3, 2))
    torch.testing.assert_close(quiet, alg.to_bounds(expected))


def test_weights_are_learned_only_where_they_are_asked_for():
    assert make()[0].phases()[0].steps[1].learns == ("policy",)
    assert make(**BOTH)[0].phases()[0].steps[1].learns == ("policy", "noise_weights", "data_weights")


def test_without_statistics_it_says_what_is_missing():
    with pytest.raises(ZooError, match="statistics"):
        DoFPolicy(TEAM, DoFPolicyConfig())


@pytest.mark.parametrize("name", ["dof-policy", "dof-trajectory"])
@pytest.mark.parametrize("preset", ["published", "zoo"])
def test_every_value_has_a_source(name, preset):
    entry = next(entry for entry in zoo_algorithms() if entry.name == name)
    env = EnvEntry("mpe-cn", "", "", Source(""))
    origins = resolve(entry, entry.load().Config, env=env, action_kind="continuous", preset=preset).origins
    assert [key for key, origin in origins.items() if not origin.source] == []
