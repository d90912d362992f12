"""Each loss against loops written from its formula: one row, one head, one agent, one sample at a time."""

import math

import pytest
import torch
from plcql import algorithm
from plcql.algorithm import PLCQL, Config

from zoo_core import Batch, TeamSpec, generator

B, N = 12, 3
TEAM = TeamSpec("test", ("a", "b", "c"), (4, 4, 4), (2, 2, 2), action_low=-0.5, action_high=1.0, episode_limit=5)


def make(**settings):
    """An algorithm away from its start, a batch with terminated rows, and the noise of every update."""
    torch.manual_seed(0)
    config = Config(batch_size=B, hidden=8, heads=4, samples=3, penalty_rows=7, critic_steps=1, alpha=0.7, **settings)
    alg = PLCQL(TEAM, config).eval()  # in evaluation, batch norm maps each row by itself: a loop can follow it
    g = generator(0, "test")
    with torch.no_grad():
        for parameter in alg.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=g))
    terminated = torch.arange(B) % 5 == 1
    obs, next_obs = torch.randn(2, B, N, 4, generator=g)
    action, next_action = 1.5 * torch.rand(2, B, N, 2, generator=g) - 0.5
    next_action[terminated] = torch.nan
    batch = Batch(
        obs=obs,
        action=action,
        reward=torch.randn(B, N, generator=g),
        next_obs=next_obs,
        terminated=terminated,
        truncated=torch.zeros(B, dtype=torch.bool),
        state=obs.flatten(1),
        next_state=next_obs.flatten(1),
        next_action=next_action,
        has_next_action=~terminated,
    )
    steps = {step.name: step for step in alg.phases()[0].steps if hasattr(step, "noise")}
    draws = [draw for step in steps.values() for draw in step.noise.items()]
    noise = {k: (torch.randn if d.kind == "normal" else torch.rand)(d.shape, generator=g) for k, d in draws}
    return alg, batch, noise


def q_value(critic, head, state, joint):
    return critic(torch.cat((state, joint.flatten())).unsqueeze(0))[head, 0, 0]


@torch.no_grad()
def chosen(alg, batch, noise):
    return {name: value.clone() for name, value in alg.choose(batch, noise).items()}


@torch.no_grad()
def test_target_and_reward_are_those_of_one_random_subset_of_the_drawn_size():
    alg, batch, noise = make()
    found = chosen(alg, batch, noise)
    q, u = [], []
    policy = alg.policy(alg.target_actor, batch.next_obs) + alg.config.target_noise * noise["policy"]
    for b in range(B):
        p = alg.par["policy"](batch.next_state[b]).softmax(-1).tolist()
        k = 1 + sum(noise["k"][b].item() >= sum(p[: i + 1]) for i in range(N - 1))
        assert found["k"][b] == k
        assert found["log_prob"][b].item() == pytest.approx(math.log(p[k - 1]), abs=1e-5)
        joint = batch.next_action[b].clone()
        for i in sorted(range(N), key=lambda i: noise["subset"][b, i])[: N if batch.terminated[b] else k]:
            joint[i] = policy[b, i].clamp(-0.5, 1.0)
        online = torch.stack([q_value(alg.critic, j, batch.next_state[b], joint) for j in range(4)])
        u.append(online.std(correction=0))
        q.append(torch.stack([q_value(alg.target_critic, j, batch.next_state[b], joint) for j in range(4)]).min())
        y = batch.reward[b].mean() + (0.0 if batch.terminated[b] else 0.95 * q[-1])
        torch.testing.assert_close(found["y"][b], y)
    rows = [b for b in range(B) if not batch.terminated[b]]
    weighted = torch.stack([(q[b] - min(q[r] for r in rows)) / u[b] for b in rows])
    reward = (weighted - weighted.mean()) / weighted.std(correction=0)
    torch.testing.assert_close(found["reward"][rows], reward, rtol=1e-4, atol=1e-4)
    value = alg.par["value"](batch.next_state).squeeze(-1)
    torch.testing.assert_close(found["advantage"], found["reward"] - value)


def remember(alg, values):
    for name, value in values.items():
        getattr(alg, name).copy_(value)


def test_the_bandits_loss_is_ppos():
    alg, batch, noise = make(par_entropy=0.1)
    remember(alg, chosen(alg, batch, noise))
    alg.log_prob.add_(torch.linspace(-0.5, 0.5, B))  # as if φ had moved since, beyond the clip in both directions
    total, rows = 0.0, [b for b in range(B) if not batch.terminated[b]]
    for b in rows:
        p = alg.par["policy"](batch.next_state[b]).softmax(-1)
        ratio = p[alg.k[b] - 1] / alg.log_prob[b].exp()
        a = alg.advantage[b]
        gain = min(ratio * a, min(max(ratio, torch.tensor(0.8)), torch.tensor(1.2)) * a)
        entropy = -sum(x * x.log() for x in p)
        total = total + gain - 0.5 * (alg.par["value"](batch.next_state[b])[0] - alg.reward[b]) ** 2 + 0.1 * entropy
    expected, found = -total / len(rows), alg.par_loss(batch, {}).value
    torch.testing.assert_close(found, expected)
    parameters = list(alg.par.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_critics_loss_is_spacql_eq_5_with_cfcqls_penalty():
    alg, batch, noise = make()
    remember(alg, chosen(alg, batch, noise))
    loss = 0.0
    for j in range(4):
        for b in range(B):
            data = q_value(alg.critic, j, batch.state[b], batch.action[b])
            loss = loss + ((data - alg.y[b]) ** 2 - 0.7 * data) / B
        for b in range(7):  # penalty_rows
            for i in range(N):
                terms = []
                for m in range(3):
                    joint = batch.action[b].clone()
                    joint[i] = -0.5 + 1.5 * noise["uniform"][b, m, i]
                    terms.append(q_value(alg.critic, j, batch.state[b], joint) + math.log(1.5**2))
                loss = loss + 0.7 * torch.logsumexp(torch.stack(terms), 0) / (7 * N)
    torch.testing.assert_close(alg.critic_loss(batch, noise).value, loss, rtol=1e-4, atol=1e-4)


def test_the_actors_loss_replaces_one_agent_at_a_time():
    alg, batch, _ = make()
    policy, loss = alg.policy(alg.actor, batch.obs), 0.0
    for b in range(B):
        for i in range(N):
            joint = batch.action[b].clone()
            joint[i] = policy[b, i]
            loss = loss - q_value(alg.critic, 0, batch.state[b], joint) / (B * N)
            loss = loss + 1e-3 * policy[b, i].square().mean() / B
    torch.testing.assert_close(alg.actor_loss(batch, {}).value, loss)


def test_subsets_have_their_size_and_hold_every_agent_equally_often():
    uniform = torch.rand(6000, N, generator=generator(0, "subsets"))
    for k in (1, 2, 3):
        subset = algorithm.random_subset(torch.full((6000,), k), uniform)
        assert (subset.sum(-1) == k).all()
        assert subset.float().mean(0) == pytest.approx([k / N] * N, abs=0.03)


def test_choices_come_as_often_as_the_policy_says():
    p = torch.tensor([0.2, 0.5, 0.3])
    drawn = algorithm.sample(p.log().expand(6000, 3), torch.rand(6000, generator=generator(0, "choices")))
    assert torch.bincount(drawn) / 6000 == pytest.approx(p, abs=0.03)


def test_doubt_lowers_the_reward_of_equal_values_even_where_they_are_negative():
    q, u = torch.tensor([-5.0, -2.0, -2.0]), torch.tensor([1.0, 1.0, 4.0])
    low, sure, doubtful = algorithm.par_reward(q, u, torch.ones(3, dtype=torch.bool)).tolist()
    assert low < doubtful < sure


def test_the_bandit_learns_to_replace_as_many_agents_as_pay():
    """A reward of one for k = 2 and of zero otherwise, whatever the state."""
    alg, batch, _ = make(par_lr=0.01)
    optimiser = torch.optim.Adam(alg.par.parameters(), 0.01)
    for round_ in range(60):
        with torch.no_grad():
            log_p = alg.par["policy"](batch.next_state).log_softmax(-1)
            k = 1 + algorithm.sample(log_p, torch.rand(B, generator=generator(0, "round", round_)))
            reward = (k == 2).float()
            advantage = reward - alg.par["value"](batch.next_state).squeeze(-1)
        remember(alg, {"k": k, "log_prob": algorithm.log_prob_of(log_p, k), "reward": reward, "advantage": advantage})
        for _ in range(4):
            optimiser.zero_grad()
            alg.par_loss(batch, {}).value.backward()
            optimiser.step()
    assert alg.par["policy"](batch.next_state).softmax(-1)[~batch.terminated, 1].min() > 0.8


@torch.no_grad()
def test_relabelled_critics_and_actors_do_for_exchanged_agents_what_they_did():
    alg, batch, noise = make()
    order = [2, 0, 1]
    before = chosen(alg, batch, noise)
    action = alg.policy(alg.actor, batch.obs)
    alg.relabel(order)
    moved = batch.map(lambda t: t[:, order] if t.dim() > 1 and t.shape[1] == N else t)
    states = {"state": moved.obs.flatten(1), "next_state": moved.next_obs.flatten(1)}
    moved = Batch(**{**dict(moved.present()), **states})
    noise = {**noise, "subset": noise["subset"][:, order], "policy": noise["policy"][:, order]}
    after = chosen(alg, moved, noise)
    torch.testing.assert_close(after["y"], before["y"])
    torch.testing.assert_close(after["log_prob"], before["log_prob"])
    torch.testing.assert_close(alg.policy(alg.actor, moved.obs), action[:, order])
