"""MACQL's joint penalty against its formula."""

import math

import torch

from zoo_critics.testing import critic_update, draw, perturb, plain_q, random_batch, small_team
from zoo_macql.algorithm import MACQL, MACQLConfig

B = 6


def make(agents=3, **settings):
    team = small_team(agents)
    torch.manual_seed(0)
    settings = {"batch_size": B, "hidden": 8, "norm": "none", "samples": 4, **settings}
    algorithm = MACQL(team, MACQLConfig(**settings))
    perturb(algorithm)
    return algorithm, random_batch(team, B), draw(critic_update(algorithm).noise)


def test_penalty_is_logsumexp_over_joint_actions():
    alg, batch, noise = make()
    expected = torch.zeros(2)
    for j in range(2):
        for b in range(B):
            terms = []
            for m in range(4):
                joint = 2 * noise["uniform"][:, b, m] - 1
                q = plain_q(alg.critic, j, torch.cat((batch.state[b], joint.flatten()))[None])[0]
                terms.append(q - 6 * math.log(0.5))
            expected[j] += torch.logsumexp(torch.stack(terms), 0) / B
    torch.testing.assert_close(alg.penalty(batch, noise), expected)


def test_three_groups_sum_log_densities_over_agents():
    alg, batch, noise = make(penalty_actions="three_groups")
    expected = torch.zeros(2)
    for j in range(2):
        for b in range(B):
            terms = []
            for m in range(4):
                groups = [(2 * noise["uniform"][:, b, m] - 1, 6 * math.log(0.5))]
                for obs, normal in ((batch.obs, noise["policy"]), (batch.next_obs, noise["next_policy"])):
                    action = (alg.actor(obs)[b] + 0.2 * normal[:, b, m]).clamp(-1, 1)
                    log_density = torch.distributions.Normal(0.0, 0.2).log_prob(0.2 * normal[:, b, m]).sum()
                    groups.append((action, log_density))
                for joint, log_density in groups:
                    q = plain_q(alg.critic, j, torch.cat((batch.state[b], joint.flatten()))[None])[0]
                    terms.append(q - log_density)
            expected[j] += torch.logsumexp(torch.stack(terms), 0) / B
    torch.testing.assert_close(alg.penalty(batch, noise), expected.detach(), rtol=1e-4, atol=1e-5)
    assert not alg.phases()[-1].data.next_action


def test_with_one_agent_joint_and_counterfactual_penalties_are_one():
    alg, batch, noise = make(agents=1)
    counterfactual = super(MACQL, alg).penalty(batch, noise)
    torch.testing.assert_close(alg.penalty(batch, noise), counterfactual)
