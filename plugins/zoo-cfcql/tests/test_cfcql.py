"""CFCQL against its formulas, and its relation to SPaCQL."""

import dataclasses
import math

import pytest
import torch

from zoo_cfcql.algorithm import CFCQL, CFCQLConfig
from zoo_critics.pieces import worth_cutting
from zoo_critics.testing import critic_update, draw, perturb, plain_q, random_batch, small_team

B = 10
WEIGHTED = {"cf_weight": "softmax", "density_hidden": 8, "density_batch_size": B, "density_samples": 3}


def make(agents=3, **settings):
    team = small_team(agents)
    torch.manual_seed(0)
    settings = {"batch_size": B, "hidden": 8, "norm": "none", "samples": 3, **settings}
    algorithm = CFCQL(team, CFCQLConfig(**settings))
    perturb(algorithm)
    return algorithm, random_batch(team, B), draw(critic_update(algorithm).noise)


def test_target_replaces_every_agent_and_takes_the_least_head():
    alg, batch, noise = make()
    policy = (alg.target_actor(batch.next_obs) + 0.05 * noise["target"]).clamp(-1, 1)
    for b in range(B):
        row = torch.cat((batch.next_state[b], policy[b].flatten())).unsqueeze(0)
        q = min(plain_q(alg.target_critic, j, row).item() for j in range(2))
        y = batch.team_reward[b] + 0.95 * (not batch.terminated[b]) * q
        torch.testing.assert_close(alg.target(batch, noise).y[0, b], y)


def test_target_does_not_read_the_logged_next_action():
    alg, batch, noise = make()
    assert not alg.phases()[-1].data.next_action
    batch.next_action.fill_(torch.nan)
    assert torch.isfinite(alg.target(batch, noise).y).all()


def test_an_ensemble_of_ten_logs_its_disagreement_at_the_joint_action_and_twins_do_not():
    """u: the online heads' standard deviation at (s', π'(o')), to compare with ICQL-QS's (SPaCQL, Figure 2)."""
    alg, batch, noise = make(heads=10)
    policy = (alg.target_actor(batch.next_obs) + 0.05 * noise["target"]).clamp(-1, 1)
    rows = torch.cat((batch.next_state, policy.flatten(1)), -1)
    heads = torch.stack([plain_q(alg.critic, j, rows) for j in range(10)])
    torch.testing.assert_close(alg.critic_loss(batch, noise).metrics["u"], heads.std(0, correction=0).mean())
    twin, _, noise = make()
    assert "u" not in twin.critic_loss(batch, noise).metrics


@pytest.mark.parametrize("kind", ["lse", "mean"])
def test_three_groups_penalty_equals_its_formula(kind):
    """30 actions of each agent: uniform, π(o)+noise, π(o')+noise beside a'; the density of each its own."""
    alg, batch, noise = make(penalty_actions="three_groups", penalty=kind)
    policies, normals = (alg.actor(batch.obs), alg.actor(batch.next_obs)), (noise["policy"], noise["next_policy"])
    others = batch.action, torch.where(batch.has_next_action[:, None, None], batch.next_action, batch.action)
    expected = torch.zeros(2)
    for j in range(2):
        for b in range(B):
            for i in range(3):
                terms = []
                for m in range(3):
                    own = 2 * noise["uniform"][i, b, m] - 1
                    terms.append((own, batch.action[b], math.log(0.25)))
                    for policy, normal, other in zip(policies, normals, others, strict=True):
                        density = torch.distributions.Normal(0.0, 0.2).log_prob(0.2 * normal[i, b, m]).sum().item()
                        terms.append(((policy[b, i] + 0.2 * normal[i, b, m]).clamp(-1, 1), other[b], density))
                corrected = []
                for own, other, log_density in terms:
                    joint = other.clone()
                    joint[i] = own
                    q = plain_q(alg.critic, j, torch.cat((batch.state[b], joint.flatten())).unsqueeze(0))[0]
                    corrected.append(q if kind == "mean" else q - log_density)
                stacked = torch.stack(corrected)
                expected[j] += (stacked.mean() if kind == "mean" else torch.logsumexp(stacked, 0)) / (3 * B)
    torch.testing.assert_close(alg.penalty(batch, noise), expected)
    assert alg.phases()[-1].data.next_action


def normalised_policy(actor, obs):
    """π(o) with PyTorch's batch normalisation of each agent's observations: [B, n, a]."""
    net, actions = actor.net, []
    for i in range(obs.shape[1]):
        scale, shift = net.input_norm.weight[i, 0], net.input_norm.bias[i, 0]
        x = torch.nn.functional.batch_norm(obs[:, i], None, None, scale, shift, training=True)
        for layer in net.layers:
            x = torch.relu(x @ layer.weight[i] + layer.bias[i, 0])
        actions.append(torch.tanh(x @ net.last.weight[i] + net.last.bias[i, 0]))
    return torch.stack(actions, 1)


def test_the_published_update_at_its_own_width_equals_whole_rows_through_pytorchs_layers():
    """Batch normalisation and a penalty large enough to be cut in pieces: loss and gradient of the formula.

    One forward pass each for the target, the data and all n·m·B penalised rows, as in the official code.
    """
    size, samples = 128, 10
    team = small_team()
    torch.manual_seed(0)
    alg = CFCQL(team, CFCQLConfig(batch_size=size))
    perturb(alg, 0.1)
    batch, noise = random_batch(team, size), draw(critic_update(alg).noise)
    ((candidates, _),) = alg.candidates(batch, noise)
    assert worth_cutting(alg.critic.counterfactual(batch.state, batch.action, candidates.action))
    policy = (normalised_policy(alg.target_actor, batch.next_obs) + 0.05 * noise["target"]).clamp(-1, 1)
    next_rows = torch.cat((batch.next_state, policy.flatten(1)), 1)
    value = torch.minimum(*(plain_q(alg.target_critic, j, next_rows) for j in range(2)))
    y = (batch.team_reward + 0.95 * (~batch.terminated) * value).detach()
    rows = []
    for i in range(3):
        joint = batch.action.repeat_interleave(samples, 0)
        joint[:, i] = 2 * noise["uniform"][i].flatten(0, 1) - 1
        rows.append(torch.cat((batch.state.repeat_interleave(samples, 0), joint.flatten(1)), 1))
    expected = 0.0
    for j in range(2):
        q = plain_q(alg.critic, j, torch.cat((batch.state, batch.action.flatten(1)), 1))
        penalised = plain_q(alg.critic, j, torch.cat(rows)).view(3, size, samples) - math.log(0.25)
        xi = torch.logsumexp(penalised, -1).mean(0) - q
        expected = expected + ((q - y).square() + alg.config.alpha * xi).mean()
    found = alg.critic_loss(batch, noise).value
    torch.testing.assert_close(found, expected)
    parameters = list(alg.critic.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_density_weights_equal_importance_sampling_with_torch_distributions():
    alg, batch, noise = make(**WEIGHTED)
    normal = torch.distributions.Normal
    policy = alg.actor(batch.obs)
    mean, log_std = alg.density.encode(batch.state, policy.flatten(1))
    log_mu = torch.empty(3, B)
    for i in range(3):
        terms = []
        for z_noise in noise["latents"]:
            z = mean + log_std.exp() * z_noise
            ratio = (normal(0.0, 1.0).log_prob(z) - normal(mean, log_std.exp()).log_prob(z)).sum(-1)
            decoded = alg.density.decode(batch.state, z).view(B, 3, 2)[:, i]
            terms.append(normal(decoded, math.sqrt(0.125)).log_prob(policy[:, i]).sum(-1) + ratio)
        log_mu[i] = torch.logsumexp(torch.stack(terms), 0) - math.log(3)
    torch.testing.assert_close(alg.agent_weights(batch, noise), torch.softmax(-log_mu, 0))


def test_softmin_weighs_the_other_way_and_tau_zero_is_uniform():
    alg, batch, noise = make(**WEIGHTED)
    other, _, _ = make(**{**WEIGHTED, "cf_weight": "softmin"})
    w, v = alg.agent_weights(batch, noise), other.agent_weights(batch, noise)
    torch.testing.assert_close(w.sum(0), torch.ones(B))
    assert torch.equal(w.argmax(0), v.argmin(0))
    flat, _, _ = make(**WEIGHTED, cf_tau=0.0)
    torch.testing.assert_close(flat.agent_weights(batch, noise), torch.full((3, B), 1 / 3))


def test_weights_enter_the_penalty():
    alg, batch, noise = make(**WEIGHTED)
    found = alg.penalty(batch, noise)
    alg.agent_weights = lambda *_: torch.full((3, B), 1 / 3)
    assert not torch.allclose(found, alg.penalty(batch, noise))


def test_fitting_the_density_raises_the_likelihood_of_logged_actions():
    alg, batch, noise = make(**WEIGHTED, density_lr=0.01)
    unit, dims = batch.action, alg.actor.dims

    def likelihood():
        with torch.no_grad():
            return alg.density.log_density(batch.state, unit, dims, noise["latents"], 0.5).mean()

    before = likelihood()
    optimiser = torch.optim.Adam(alg.density.parameters(), 0.01)
    fit = alg.phases()[0].steps[0]
    for step in range(60):
        optimiser.zero_grad()
        fit.loss(batch, draw(fit.noise, step)).value.backward()
        optimiser.step()
    assert likelihood() > before + 1


def test_the_density_is_fitted_in_a_phase_of_its_own_that_can_be_reused():
    density, main = make(**WEIGHTED)[0].phases()
    assert (density.name, main.name) == ("density", "train")
    assert all(hasattr(CFCQLConfig, name) for name in density.reuse)
    assert len(make()[0].phases()) == 1


@pytest.mark.parametrize(("name", "value"), [("hidden", 8), ("heads", 3), ("density_hidden", 9), ("lr", 0.5)])
def test_a_fitted_density_is_kept_under_every_setting_that_its_first_weights_depend_on(name, value):
    def first_weights(**settings):
        settings = {**WEIGHTED, "hidden": 16, **settings}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            algorithm = CFCQL(small_team(3), CFCQLConfig(**settings))
        return algorithm.phases()[0].reuse, [p.detach().flatten() for p in algorithm.density.parameters()]

    reuse, plain = first_weights()
    _, other = first_weights(**{name: value})
    same = all(torch.equal(a, b) for a, b in zip(plain, other, strict=True) if a.shape == b.shape)
    assert (name in reuse) != same


def test_exchanged_agents_are_weighed_as_those_whose_places_they_took():
    order = [2, 0, 1]
    alg, batch, noise = make(**WEIGHTED)
    before = alg.agent_weights(batch, noise)
    loss = alg.density_loss(batch, {"latent": noise["latents"][0]}).value
    alg.relabel(order)
    obs, action = batch.obs[:, order], batch.action[:, order]
    exchanged = dataclasses.replace(batch, obs=obs, action=action, state=obs.flatten(1))
    torch.testing.assert_close(alg.agent_weights(exchanged, noise), before[order])
    torch.testing.assert_close(alg.density_loss(exchanged, {"latent": noise["latents"][0]}).value, loss)
