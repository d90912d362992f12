"""BCQ-MA's losses against its formulas, written as loops over rows, agents and candidates."""

import math

import pytest
import torch

from zoo_bcq.algorithm import BCQMA, BCQMAConfig
from zoo_bcq.plugin import zoo_algorithms
from zoo_core import Mixer, Update
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_core.nn import normal_rows
from zoo_critics.testing import draw, perturb
from zoo_critics.testing_mixed import (
    CENTRE,
    CONTINUOUS,
    DISCRETE,
    REACH,
    assert_same,
    lasting_rewards,
    made,
    mixed,
    statistics_of,
    trains_with_a_sum,
    two_step_score,
    worth_of,
)

B, M = 10, 4


def make(team=CONTINUOUS, **settings):
    return made(BCQMA, team, B, **{"candidates": M, "vae_hidden": 7, "perturbation": 0.3, **settings})


def noise_of(alg, name):
    return draw(next(s for s in alg.phases()[0].steps if isinstance(s, Update) and s.name == name).noise)


def alone(net, i, x):
    """One agent's output for one input row."""
    rows = torch.zeros(1, CONTINUOUS.n, x.shape[-1])
    rows[0, i] = 1.0 * x.detach()
    if x.requires_grad:
        rows = torch.stack([x if j == i else torch.zeros_like(x) for j in range(CONTINUOUS.n)])[None]
    return net(rows)[0, i]


def own(i, x):
    return torch.where(torch.arange(CONTINUOUS.action_size) < CONTINUOUS.action_sizes[i], x, torch.zeros_like(x))


def decoded(alg, obs, i, z):
    """G_i(o_i, z): the decoder sees the observation, then z, in training and in generation alike."""
    return own(i, torch.tanh(alone(alg.decoder, i, torch.cat((obs, z)))))


def perturbed(alg, actor, obs, i, raw):
    shift = alg.config.perturbation * torch.tanh(alone(actor, i, torch.cat((obs, raw))))
    return own(i, CENTRE + REACH * (raw + shift).clamp(-1, 1))


def test_the_auto_encoder_restores_logged_actions_and_keeps_its_latents_normal():
    alg, batch = make()
    noise = noise_of(alg, "vae")
    error, divergence, dims = 0.0, 0.0, sum(CONTINUOUS.action_sizes)
    for b in range(B):
        for i in range(CONTINUOUS.n):
            action = own(i, (batch.action[b, i] - CENTRE) / REACH)
            mean, log_std = alone(alg.encoder, i, torch.cat((batch.obs[b, i], action))).chunk(2)
            log_std = log_std.clamp(-4, 15)
            z = mean + log_std.exp() * noise["z"][b, i]
            error = error + (decoded(alg, batch.obs[b, i], i, z) - action).square().sum() / (B * dims)
            latents = torch.distributions.Normal(mean, log_std.exp())
            normal = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
            kl = torch.distributions.kl_divergence(latents, normal)
            divergence = divergence + kl.mean() / (B * CONTINUOUS.n)
    assert_same(alg.vae_loss(batch, noise).value, error + 0.5 * divergence, alg.encoder, alg.decoder)


@pytest.mark.parametrize("timeouts", ["bootstrap", "terminal"])
def test_twin_critics_regress_on_each_agents_best_candidate(timeouts):
    alg, batch = make(timeouts=timeouts, lesser=0.7)
    noise = noise_of(alg, "critic")
    expected = 0.0
    for b in range(B):
        best = []
        for i in range(CONTINUOUS.n):
            values = []
            for m in range(M):
                obs = batch.next_obs[b, i]
                raw = decoded(alg, obs, i, noise["z"][b, i, m].clamp(-0.5, 0.5))
                joint = torch.zeros(1, CONTINUOUS.n, CONTINUOUS.action_size)
                joint[0, i] = perturbed(alg, alg.target_actor, obs, i, raw).detach()
                one, other = (float(c(batch.next_obs[b : b + 1], joint)[0, i]) for c in alg.target_critics)
                values.append(0.7 * min(one, other) + 0.3 * max(one, other))
            best.append(max(values))
        y = worth_of(alg, batch, b, mixed(alg.target_mixer, torch.tensor(best), batch.next_state[b]).detach())
        for critic in alg.critics:
            q = critic(batch.obs[b : b + 1], batch.action[b : b + 1])[0]
            expected = expected + (mixed(alg.mixer, q, batch.state[b]) - y) ** 2 / B
    assert_same(alg.critic_loss(batch, noise).value, expected, alg.critics, alg.mixer)


@pytest.mark.parametrize("actor", ["total", "own"])
def test_perturbations_ascend_the_teams_first_critic(actor):
    alg, batch = make(actor=actor)
    noise = noise_of(alg, "actor")
    expected = 0.0
    for b in range(B):
        actions = []
        for i in range(CONTINUOUS.n):
            raw = decoded(alg, batch.obs[b, i], i, noise["z"][b, i].clamp(-0.5, 0.5)).detach()
            actions.append(perturbed(alg, alg.actor, batch.obs[b, i], i, raw))
        q = alg.critics[0](batch.obs[b : b + 1], torch.stack(actions)[None])[0]
        worth = mixed(alg.mixer, q, batch.state[b]) if actor == "total" else q.mean()
        expected = expected - worth / B
    assert_same(alg.actor_loss(batch, noise).value, expected, alg.actor)


def test_candidates_lie_within_the_bounds_and_no_farther_than_the_perturbation_from_what_is_generated():
    alg, batch = make(perturbation=0.05)
    noise = 10 * torch.randn(B, 3, 6, alg.latent, generator=torch.Generator().manual_seed(0))
    raw = alg.decode(batch.obs, noise.clamp(-0.5, 0.5))
    found = alg.generate(alg.actor, batch.obs, noise)
    assert found.shape == (B, 3, 6, 2)
    assert (found >= CENTRE - REACH).all()
    assert (found <= CENTRE + REACH).all()
    assert (((found - CENTRE) / REACH - raw).abs() <= 0.05 + 1e-6)[:, :2].all()
    assert (found[:, 2, :, 1] == 0).all()  # agent c has one dimension


def test_agents_act_by_their_most_valued_candidate():
    alg, batch = make(acting_candidates=5)
    action, _ = alg.act(batch.obs, None, None, torch.Generator().manual_seed(7))
    z = normal_rows((B, 3, 5, alg.latent), torch.Generator().manual_seed(7), batch.obs)
    assert not torch.equal(z[0], z[1]), "every episode draws its own"
    candidates = alg.generate(alg.actor, batch.obs, z)
    for b in range(B):
        for i in range(CONTINUOUS.n):
            joint = batch.action[b].repeat(5, 1, 1)
            joint[:, i] = candidates[b, i]
            q = alg.critics[0](batch.obs[b].expand(5, -1, -1), joint)[:, i]
            torch.testing.assert_close(action[b, i], candidates[b, i, int(q.argmax())])


# --- discrete actions --------------------------------------------------------------------------------------------


def likelihoods(alg, obs, mask, b, i):
    """Action → probability among the available ones, by the imitator."""
    logits = alg.imitator.net(obs)[b, i].detach()
    available = [k for k in range(DISCRETE.action_size) if mask[b, i, k]]
    total = sum(math.exp(float(logits[k])) for k in available)
    return {k: math.exp(float(logits[k])) / total for k in available}


def naive_best(alg, q, obs, mask, b, i):
    chances = likelihoods(alg, obs, mask, b, i)
    allowed = [k for k, p in chances.items() if p / max(chances.values()) >= alg.config.threshold]
    return max(allowed, key=lambda k: float(q[b, i, k])), len(allowed) < len(chances)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.9])
def test_discrete_critics_regress_on_the_best_action_that_is_likely_enough(threshold):
    alg, batch = make(DISCRETE, threshold=threshold)
    (online,), (target,) = alg.critics, alg.target_critics
    q, held_back, expected = online.of_all_actions(batch.next_obs), 0, 0.0
    for b in range(B):
        chosen = []
        for i in range(DISCRETE.n):
            k, fewer = naive_best(alg, q, batch.next_obs, batch.next_action_mask, b, i)
            chosen.append(target.of_all_actions(batch.next_obs)[b, i, k].detach())
            held_back += fewer
        y = worth_of(alg, batch, b, mixed(alg.target_mixer, chosen, batch.next_state[b]).detach())
        error = mixed(alg.mixer, online(batch.obs, batch.action)[b], batch.state[b]) - y
        huber = 0.5 * error**2 if error.abs() < 1 else error.abs() - 0.5
        expected = expected + huber / B
    assert (held_back > 0) == (threshold > 0)
    assert_same(alg.discrete_critic_loss(batch, {}).value, expected, alg.critics, alg.mixer)


def test_the_imitator_is_fitted_by_likelihood_and_its_logits_stay_small():
    alg, batch = make(DISCRETE, logit_decay=0.1)
    logits, size, count, expected = alg.imitator.net(batch.obs), 0.0, 0, 0.0
    for b in range(B):
        for i in range(DISCRETE.n):
            available = logits[b, i][batch.action_mask[b, i]]
            expected = expected - (logits[b, i, batch.action[b, i]] - torch.logsumexp(available, 0)) / (B * DISCRETE.n)
            size, count = size + available.square().sum(), count + len(available)
    assert_same(alg.imitation_loss(batch, {}).value, expected + 0.1 * size / count, alg.imitator)


def test_discrete_agents_act_among_likely_available_actions():
    alg, batch = make(DISCRETE, threshold=0.5)
    action, _ = alg.act(batch.obs, batch.action_mask, None, None)
    q = alg.critics[0].of_all_actions(batch.obs)
    for b in range(B):
        for i in range(DISCRETE.n):
            assert int(action[b, i]) == naive_best(alg, q, batch.obs, batch.action_mask, b, i)[0]


# --- the mixer, the order, the settings --------------------------------------------------------------------------


class Curved(Mixer):
    """Monotone, not linear."""

    def mix(self, values, state):
        return torch.tanh(values).sum(-1, keepdim=True)


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_any_monotone_mixer_will_do_and_the_agents_best_actions_are_the_teams(team):
    torch.manual_seed(0)
    config = BCQMAConfig(batch_size=B, hidden=8, candidates=M)
    alg = BCQMA(team, config, statistics=statistics_of(team), mixer=Curved)
    perturb(alg)
    _, batch = make(team)
    for step in alg.phases()[0].steps:
        if isinstance(step, Update):
            assert step.loss(batch, draw(step.noise)).value.isfinite()


def test_the_order_of_an_iteration():
    def order(team):
        steps = make(team)[0].phases()[0].steps
        return [step.name if isinstance(step, Update) else step.target for step in steps]

    assert order(CONTINUOUS) == ["vae", "critic", "actor", "target_critics", "target_mixer", "target_actor"]
    assert order(DISCRETE) == ["imitator", "critic", "target_critics", "target_mixer"]


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("preset", ["zoo", "published"])
@pytest.mark.parametrize("env", ["mamujoco-hopper-3x1", "somebody-elses"])
def test_every_value_has_a_source(preset, kind, env):
    (entry,) = zoo_algorithms()
    found = resolve(entry, BCQMAConfig, env=EnvEntry(env, "", "", Source("")), action_kind=kind, preset=preset)
    assert [key for key, origin in found.origins.items() if not origin.source] == []


# --- training ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_mixer_without_parameters_will_do(kind):
    (entry,) = zoo_algorithms()
    assert trains_with_a_sum(entry, kind)


def test_it_finds_the_best_play_of_the_two_step_game_and_not_the_safe_one():
    (entry,) = zoo_algorithms()
    assert two_step_score(entry) > 0.99


def test_values_stay_at_what_lasting_rewards_add_up_to():
    _, off, _ = lasting_rewards(BCQMA, 300, vae_hidden=16)
    assert off.abs().amax() < 0.2
