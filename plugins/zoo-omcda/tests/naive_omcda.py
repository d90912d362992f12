"""OMCDA's quantities written from the formulas, a row and an agent at a time, with nothing of the plugin's own code."""

import dataclasses
import math

import torch

from zoo_core import TeamSpec
from zoo_critics import own_dims
from zoo_critics.testing import discrete_batch, perturb, random_batch
from zoo_critics.testing_mixed import LinearMixer, credit_of
from zoo_omcda.algorithm import OMCDA

B = 10
STATE = {"state_kind": "stored", "state_size": 5}
CONTINUOUS = TeamSpec("test", ("a", "b", "c"), (4, 4, 3), (2, 2, 1), action_low=-0.5, action_high=1.0, **STATE)
DISCRETE = TeamSpec("test", ("a", "b", "c"), (4, 3, 4), (3, 2, 3), action_kind="discrete", **STATE)
TEAMS = [CONTINUOUS, DISCRETE]
CENTRE, REACH = 0.25, 0.75


def make(team=CONTINUOUS, algorithm=OMCDA, size=B, **settings):
    torch.manual_seed(0)
    config = algorithm.Config(
        **{"batch_size": size, "hidden": 8, "alpha": 0.7, "distribution": "tanh-normal", **settings}
    )
    alg = algorithm(team, config, mixer=LinearMixer)
    perturb(alg)
    state, next_state = torch.randn(2, size, 5)
    if team.discrete:
        return alg, dataclasses.replace(discrete_batch(team, size), state=state, next_state=next_state)
    batch = random_batch(team, size)
    own = own_dims(team).float()
    action = (CENTRE + REACH * batch.action) * own
    return alg, dataclasses.replace(batch, action=action, state=state, next_state=next_state)


def net(module, i, x):
    """One agent's network on one input, its one-hot id beside it."""
    n = len(module.first.ids)
    x = torch.cat((x, torch.eye(n)[i])) @ torch.cat((module.first.weight, module.first.ids)) + module.first.bias
    for layer in module.rest:
        x = layer.weight @ torch.relu(x) + layer.bias
    return x


def v(module, batch, b, i, later=False):
    obs = batch.next_obs if later else batch.obs
    return net(module.net, i, obs[b, i])[0]


def q(module, batch, b, i):
    action = batch.action[b, i]
    if not action.is_floating_point():
        return net(module.net, i, batch.obs[b, i])[action]
    return net(module.net, i, torch.cat((batch.obs[b, i], action)))[0]


def constraint_credit(mixer, state):
    """w^c [n][n] and b^c [n]."""
    hidden = torch.relu(mixer.trunk.weight @ state + mixer.trunk.bias)
    n = len(mixer.to_bias.bias)
    flat = (mixer.to_weights.weight @ hidden + mixer.to_weights.bias).abs()
    return [[flat[i * n + j] for j in range(n)] for i in range(n)], mixer.to_bias.weight @ hidden + mixer.to_bias.bias


def alpha(alg, i):
    return torch.exp(alg.log_alpha[i])


def z(alg, batch, b, i):
    """Eq. 23's exponent."""
    w, _ = credit_of(alg.target_mixer, batch.state[b])
    found = w[i] / alpha(alg, i) * (q(alg.target_critic_r, batch, b, i) - v(alg.value_r, batch, b, i))
    if alg.config.decomposed:
        wc, _ = constraint_credit(alg.target_mixer_c, batch.state[b])
        for j in range(alg.team.n):
            found = found + wc[i][j] * (q(alg.target_critic_c, batch, b, j) - v(alg.value_c, batch, b, j))
    return found


def each(alg, size=B):
    return [(b, i) for b in range(size) for i in range(alg.team.n)]


def log_density(alg, policy, batch, b, i):
    head, size = net(policy.net, i, batch.obs[b, i]), alg.team.action_sizes[i]
    if alg.team.discrete:
        return head[batch.action[b, i]] - torch.logsumexp(head[:size][batch.action_mask[b, i, :size]], 0)
    total = 0.0
    for k in range(size):
        log_std = head[alg.team.action_size + k].clamp(-5, 2)
        unit = (batch.action[b, i, k] - CENTRE) / REACH
        if alg.config.distribution == "clipped-normal":
            total = total + clipped_density(head[k].clamp(-3, 3), log_std.exp(), float(unit))
            continue
        mean = head[k].clamp(-9, 9)
        raw = 0.5 * math.log((1 + unit) / (1 - unit))
        slope = math.log(float(1 - unit**2)) + math.log(REACH)
        total = total + torch.distributions.Normal(mean, log_std.exp()).log_prob(torch.tensor(raw)) - slope
    return total


def clipped_density(mean, std, unit):
    """Of clip(N(mean, std²), −1, 1): a probability on the bounds, a density (of the scaled action) inside."""
    normal = torch.distributions.Normal(mean, std)
    if unit < -0.9999:
        return normal.cdf(torch.tensor(-1.0)).log()
    if unit > 0.9999:
        return (1 - normal.cdf(torch.tensor(1.0))).log()
    return normal.log_prob(torch.tensor(unit)) - math.log(REACH)
