"""SPaCQL against loops written from Algorithm 1: one transition, one k, one head, one agent, one sample at a time."""

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch

from zoo_core import SettingError
from zoo_core.testing import tiny_config, tiny_dataset, tiny_team
from zoo_core.training.run import make_learner
from zoo_critics import uniform_subsets
from zoo_critics.testing import critic_update, draw, perturb, plain_q, random_batch, small_team
from zoo_spacql.algorithm import SPaCQL, SPaCQLConfig, certainty_weights, effective_k
from zoo_spacql.plugin import zoo_algorithms

B = 10


def make(agents=3, perturbed=True, **settings):
    team = small_team(agents)
    torch.manual_seed(0)
    settings = {"batch_size": B, "hidden": 8, "heads": 4, "norm": "none", "alpha": 0.7, "samples": 3, **settings}
    algorithm = SPaCQL(team, SPaCQLConfig(**settings))
    if perturbed:
        perturb(algorithm)
    return algorithm, random_batch(team, B), draw(critic_update(algorithm).noise)


def q_value(critic, head, state, joint):
    return plain_q(critic, head, torch.cat((state, joint.flatten())).unsqueeze(0))[0]


def target_by_loops(alg, batch, noise):
    """Algorithm 1, lines 5-13. Returns Y [B], w and u [n, B]."""
    n, heads = alg.team.n, alg.config.heads
    y, weights, spreads = [], [], []
    policy = (alg.target_actor(batch.next_obs) + alg.config.target_noise * noise["target"]).clamp(-1, 1)
    for b in range(B):
        u, q = [], []
        for k in range(1, n + 1):
            chosen = sorted(range(n), key=lambda i: noise["subsets"][k - 1, b, i])[:k]
            if not batch.has_next_action[b]:
                chosen = range(n)
            joint = batch.next_action[b].clone()
            for i in chosen:
                joint[i] = policy[b, i]
            online = [q_value(alg.critic, j, batch.next_state[b], joint).item() for j in range(heads)]
            mean = sum(online) / heads
            u.append(max(math.sqrt(sum((v - mean) ** 2 for v in online) / heads), alg.config.u_floor))
            q.append(min(q_value(alg.target_critic, j, batch.next_state[b], joint).item() for j in range(heads)))
        total = sum(1 / v for v in u)
        w = [1 / v / total for v in u]
        reward = batch.reward[b].mean().item()
        not_done = 0.0 if batch.terminated[b] else 1.0
        y.append(reward + alg.config.discount * not_done * sum(x * v for x, v in zip(w, q, strict=True)))
        weights.append(w)
        spreads.append(u)
    return torch.tensor(y), torch.tensor(weights).T, torch.tensor(spreads).T


def loss_by_loops(alg, batch, noise, y):
    """Algorithm 1, line 13, with ξ_c of each head: a loop per head, transition, agent and sample."""
    c, n = alg.config, alg.team.n
    loss = 0.0
    for j in range(c.heads):
        for b in range(B):
            state, data = batch.state[b], q_value(alg.critic, j, batch.state[b], batch.action[b])
            xi = -data
            for i in range(n):
                terms = []
                for m in range(c.samples):
                    joint = batch.action[b].clone()
                    joint[i] = 2 * noise["uniform"][i, b, m] - 1
                    terms.append(q_value(alg.critic, j, state, joint) - math.log(0.5**alg.team.action_size))
                xi = xi + torch.logsumexp(torch.stack(terms), 0) / n
            loss = loss + ((data - y[b]) ** 2 + c.alpha * xi) / B
    return loss


@pytest.mark.parametrize("agents", [1, 2, 3])
def test_target_weights_and_disagreement_equal_algorithm_1_transition_by_transition(agents):
    alg, batch, noise = make(agents)
    y, w, u = target_by_loops(alg, batch, noise)
    target = alg.target(batch, noise)
    torch.testing.assert_close(target.y, y.unsqueeze(0))
    torch.testing.assert_close(target.metrics["w"], w.mean(1))
    torch.testing.assert_close(target.metrics["u"], u.mean(1))
    expected_k = sum((k + 1) * w[k].mean() for k in range(agents))
    torch.testing.assert_close(target.metrics["k_eff"], torch.as_tensor(expected_k))


def test_loss_and_gradient_equal_the_loops():
    alg, batch, noise = make()
    y, _, _ = target_by_loops(alg, batch, noise)
    expected, found = loss_by_loops(alg, batch, noise, y), alg.critic_loss(batch, noise).value
    torch.testing.assert_close(found, expected)
    parameters = list(alg.critic.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_weights_sum_to_one_and_favour_agreement():
    u = torch.tensor([[0.1, 2.0], [0.2, 2.0], [0.4, 1.0]])
    w = certainty_weights(u)
    torch.testing.assert_close(w.sum(0), torch.ones(2))
    torch.testing.assert_close(w[:, 0], torch.tensor([4.0, 2.0, 1.0]) / 7)
    torch.testing.assert_close(effective_k(w[:, :1]), torch.tensor((4 + 2 * 2 + 3) / 7))


def test_heads_that_agree_exactly_give_equal_weights_and_no_nan():
    alg, batch, noise = make(heads=1)
    target = alg.target(batch, noise)
    torch.testing.assert_close(target.metrics["w"], torch.full((3,), 1 / 3))
    assert torch.isfinite(target.y).all()


@pytest.mark.parametrize("name", ["heads", "samples", "critic_steps", "hidden", "penalty_noise", "u_floor", "lr"])
def test_a_count_or_scale_of_zero_is_refused_by_name(name):
    (entry,) = zoo_algorithms()
    with pytest.raises(SettingError, match=f"{name} must be at least"):
        tiny_config(entry, "continuous", **{name: 0})


@pytest.mark.parametrize("name", ["discount", "tau"])
@pytest.mark.parametrize(("value", "words"), [(-0.01, "at least 0"), (1.01, "at most 1")])
def test_a_share_outside_0_to_1_is_refused_by_name(name, value, words):
    (entry,) = zoo_algorithms()
    with pytest.raises(SettingError, match=f"{name} must be {words}, not {value}"):
        tiny_config(entry, "continuous", **{name: value})


def test_no_gradient_flows_through_target_or_disagreement():
    alg, batch, noise = make()
    live, _, _ = make()
    with torch.no_grad():
        frozen = alg.target(batch, noise)
    alg.target = lambda *_: frozen
    one = torch.autograd.grad(alg.critic_loss(batch, noise).value, list(alg.critic.parameters()))
    other = torch.autograd.grad(live.critic_loss(batch, noise).value, list(live.critic.parameters()))
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b)


def test_rows_without_a_logged_next_action_get_the_joint_target_and_never_read_it():
    """random_batch holds NaN there."""
    alg, batch, noise = make()
    y = alg.target(batch, noise).y[0]
    assert torch.isfinite(y).all()
    row = int(batch.truncated.nonzero()[0])
    joint = (alg.target_actor(batch.next_obs) + alg.config.target_noise * noise["target"]).clamp(-1, 1)
    q = alg.target_critic(batch.next_state, joint.unsqueeze(0)).amin(0)[0]
    torch.testing.assert_close(y[row], batch.team_reward[row] + alg.config.discount * q[row])


@pytest.mark.parametrize(("truncation", "drawn"), [("skip", False), ("full", True)])
def test_truncated_steps_are_drawn_only_when_the_setting_says_so(truncation, drawn, monkeypatch):
    """As a run makes its learner: from the config alone."""
    (entry,), dataset = zoo_algorithms(), tiny_dataset(tiny_team("continuous"))
    config = tiny_config(entry, "continuous", truncation=truncation)
    plan = SimpleNamespace(algorithm=entry, dataset=dataset, config=config, mixer=None, statistics=lambda: None)
    batches = []
    loss = SPaCQL.critic_loss
    monkeypatch.setattr(SPaCQL, "critic_loss", lambda alg, b, noise: batches.append(b) or loss(alg, b, noise))
    make_learner(plan, [0], "cpu").step()
    truncated = torch.cat([b.truncated & ~b.terminated for b in batches])
    assert len(truncated) == config.critic_steps * config.batch_size
    assert bool(truncated.any()) is drawn


def test_terminated_rows_are_worth_their_reward():
    alg, batch, noise = make()
    y = alg.target(batch, noise).y[0]
    torch.testing.assert_close(y[batch.terminated], batch.team_reward[batch.terminated])


def test_batch_statistics_are_those_of_all_replacements_in_one_pass():
    """norm=batch: the n·B rows (s', a'^(k)) are normalised together, in the ensemble and in its targets."""
    alg, batch, noise = make(norm="batch")
    joint = alg.replace(batch, alg.policy_next_action(batch, noise), uniform_subsets(noise["subsets"]))
    rows = torch.cat((batch.next_state.expand(3, -1, -1), joint.flatten(2)), -1).flatten(0, 1)
    online, target = (
        torch.stack([plain_q(critic, j, rows) for j in range(4)]).view(4, 3, B)
        for critic in (alg.critic, alg.target_critic)
    )
    w = certainty_weights(online.std(0, correction=0))
    y = batch.team_reward + 0.95 * (~batch.terminated) * (w * target.amin(0)).sum(0)
    torch.testing.assert_close(alg.target(batch, noise).y[0], y)


def test_one_agent_makes_it_single_agent_cql():
    """n = 1: y = r + γ min Q̄(s', π'), whatever a' was logged."""
    alg, batch, noise = make(agents=1)
    other = dataclasses.replace(batch, next_action=torch.rand_like(batch.next_action))
    torch.testing.assert_close(alg.target(batch, noise).y, alg.target(other, noise).y)


def test_the_data_phase_asks_for_logged_next_actions():
    assert make()[0].phases()[-1].data.next_action


def test_next_policy_online_uses_the_online_actors():
    alg, batch, noise = make(next_policy="online")
    twin, _, _ = make()
    twin.target_actor.load_state_dict(twin.actor.state_dict())
    torch.testing.assert_close(alg.target(batch, noise).y, twin.target(batch, noise).y)
    assert not torch.allclose(alg.target(batch, noise).y, make()[0].target(batch, noise).y)


def test_reward_agent_takes_that_agents_reward():
    alg, batch, noise = make(reward_agent=1)
    rows = batch.terminated
    torch.testing.assert_close(alg.target(batch, noise).y[0][rows], batch.reward[rows, 1])
