"""OMAR's losses against its formulas, written as loops over agents, heads and rows."""

import math

import pytest
import torch

from zoo_core import SettingError, TeamSpec
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics.testing import discrete_batch, draw, perturb, plain_net, random_batch, small_team
from zoo_omar.algorithm import OMAR, OMARConfig
from zoo_omar.plugin import zoo_algorithms

B = 10
DISCRETE = TeamSpec("test", ("a", "b"), (4, 3), (3, 2), action_kind="discrete")


def make(team=None, size=B, **settings):
    team = team or small_team()
    settings = {"batch_size": size, "hidden": 8, "norm": "none", "samples": 3, "search_samples": 4, **settings}
    torch.manual_seed(0)
    alg = OMAR(team, OMARConfig(**settings))
    perturb(alg)
    batch = (discrete_batch if team.discrete else random_batch)(team, size)
    critic, actor = (step for step in alg.phases()[0].steps[:2])
    return alg, batch, draw(critic.noise), draw(actor.noise)


def q_of(critic, h, i, obs, action):
    return plain_net(critic.nets[h], i, torch.cat((obs, action), -1))[:, 0]


def policy_of(actor, i, obs):
    return torch.tanh(plain_net(actor.net, i, obs))


def critic_loss_by_hand(alg, batch, noise, groups):
    """Whole forward passes per agent and head: of the targets, of the data, and of each group of penalised rows."""
    expected = 0.0
    for i in range(3):
        next_action = policy_of(alg.target_actor, i, batch.next_obs[:, i])
        next_q = [q_of(alg.target_critic, h, i, batch.next_obs[:, i], next_action) for h in range(2)]
        y = batch.reward[:, i] + 0.95 * (~batch.terminated) * torch.minimum(*next_q)
        for h in range(2):
            q = q_of(alg.critic, h, i, batch.obs[:, i], batch.action[:, i])
            corrected = []
            for actions, log_density in groups(i):
                m = actions.shape[1]
                rows = batch.obs[:, i].repeat_interleave(m, 0)
                value = q_of(alg.critic, h, i, rows, actions.flatten(0, 1)).view(batch.size, m)
                corrected.append(value - log_density)
            xi = torch.logsumexp(torch.cat(corrected, 1), 1) - q
            expected = expected + (q - y.detach()).square().mean() + alg.config.alpha * xi.mean()
    return expected


@pytest.mark.parametrize(("norm", "size", "hidden", "samples"), [("none", B, 8, 3), ("batch", 512, 64, 10)])
def test_critic_loss_and_its_gradient_are_the_formulas(norm, size, hidden, samples):
    """Small and without normalisation; and wide enough that the penalty is cut into pieces, normalised by batch."""
    alg, batch, noise, _ = make(size=size, norm=norm, hidden=hidden, samples=samples, alpha=0.7)

    def groups(i):
        return [(2 * noise["uniform"][i] - 1, math.log(0.25))]

    found = alg.critic_loss(batch, noise).value
    expected = critic_loss_by_hand(alg, batch, noise, groups)
    torch.testing.assert_close(found, expected)
    parameters = list(alg.critic.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (found, expected)), strict=True):
        assert (one - other).norm() <= 1e-4 * other.norm()


def test_three_groups_are_uniform_and_near_the_policy_here_and_next_each_with_its_density():
    alg, batch, noise, _ = make(penalty_actions="three_groups")

    def groups(i):
        found = [(2 * noise["uniform"][i] - 1, math.log(0.25))]
        for name, obs in (("policy", batch.obs), ("next_policy", batch.next_obs)):
            shift = 0.2 * noise[name][i]
            actions = (policy_of(alg.actor, i, obs[:, i]).detach().unsqueeze(1) + shift).clamp(-1, 1)
            found.append((actions, torch.distributions.Normal(0.0, 0.2).log_prob(shift).sum(-1)))
        return found

    torch.testing.assert_close(alg.critic_loss(batch, noise).value, critic_loss_by_hand(alg, batch, noise, groups))


@pytest.mark.parametrize("share", [1.0, 0.7, 0.0])
def test_actor_loss_mixes_the_way_to_the_better_action_with_the_value(share):
    alg, batch, _, noise = make(rectification=share)
    expected, found_share = 0.0, []
    for i in range(3):
        obs = batch.obs[:, i]
        policy = policy_of(alg.actor, i, obs)
        its_q = q_of(alg.critic, 0, i, obs, policy)
        mean, deviation = torch.zeros(B, 2), torch.full((B, 2), 2.0)
        for drawn in noise["search"][:, i]:
            tried = (mean.unsqueeze(1) + deviation.unsqueeze(1) * drawn).clamp(-1, 1)
            q = torch.stack([q_of(alg.critic, 0, i, obs, tried[:, m]) for m in range(4)], 1)
            for b in range(B):
                weight = torch.exp(q[b]) / torch.exp(q[b]).sum()
                mean[b] = sum(w * a for w, a in zip(weight, tried[b], strict=True))
                deviation[b] = torch.stack([(a - mean[b]) ** 2 for a in tried[b]]).mean(0).sqrt()
        target = policy.detach().clone()
        for b in range(B):
            best = int(q[b].argmax())
            found_share.append(float(q[b, best] > its_q[b]))
            if found_share[-1]:
                target[b] = tried[b, best].detach()
        expected = expected + share * (policy - target).square().mean() - (1 - share) * its_q.mean()
        expected = expected + 1e-3 * policy.square().mean()
    loss = alg.actor_loss(batch, noise)
    torch.testing.assert_close(loss.value, expected)
    assert 0 < loss.metrics["found"] < 1
    torch.testing.assert_close(loss.metrics["found"], torch.tensor(found_share).mean())
    parameters = list(alg.actor.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (loss.value, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_an_agent_learns_its_own_reward_from_its_own_row():
    alg, batch, noise, _ = make()
    before = torch.autograd.grad(alg.critic_loss(batch, noise).value, list(alg.critic.parameters()))
    batch.reward[:, 1] += 3.0
    batch.obs[:, 1] *= 2.0
    after = torch.autograd.grad(alg.critic_loss(batch, noise).value, list(alg.critic.parameters()))
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one[[0, 2]], other[[0, 2]])
    assert not torch.allclose(before[0][1], after[0][1])


def test_discrete_losses_are_the_formulas_over_available_actions():
    alg, batch, _, _ = make(DISCRETE, rectification=0.3, alpha=0.7)
    critic = actor = 0.0
    for i in range(2):
        for b in range(B):
            here, there = (x[b, i].nonzero().flatten() for x in (batch.action_mask, batch.next_action_mask))
            obs, next_obs = batch.obs[b : b + 1, i], batch.next_obs[b : b + 1, i]
            pi = plain_net(alg.target_actor.net, i, next_obs)[0, there].softmax(0)
            least = torch.minimum(*(plain_net(net, i, next_obs)[0, there] for net in alg.target_critic.nets))
            y = batch.reward[b, i] + 0.95 * (not batch.terminated[b]) * (pi * least).sum()
            for net in alg.critic.nets:
                q = plain_net(net, i, obs)[0]
                taken = q[batch.action[b, i]]
                critic = critic + ((taken - y.detach()) ** 2 + 0.7 * (torch.logsumexp(q[here], 0) - taken)) / B
            log_pi = plain_net(alg.actor.net, i, obs)[0, here].log_softmax(0)
            q = plain_net(alg.critic.nets[0], i, obs)[0, here]
            actor = actor - (0.3 * log_pi[q.argmax()] + 0.7 * (log_pi.exp() * q).sum()) / B
    torch.testing.assert_close(alg.discrete_critic_loss(batch, {}).value, critic)
    torch.testing.assert_close(alg.discrete_actor_loss(batch, {}).value, actor)


def test_more_elites_than_samples_are_refused():
    with pytest.raises(SettingError, match="search_elites=5 of search_samples=4"):
        make(search="elites")


@pytest.mark.parametrize("preset", ["published", "zoo"])
@pytest.mark.parametrize("env", ["mpe-cn", "mamujoco-halfcheetah-2x3", "somebody-elses"])
def test_every_value_has_a_source(preset, env):
    (entry,) = zoo_algorithms()
    env = EnvEntry(env, "", "", Source(""))
    origins = resolve(entry, OMARConfig, env=env, action_kind="continuous", quality="random", preset=preset).origins
    assert [key for key, origin in origins.items() if not origin.source] == []
