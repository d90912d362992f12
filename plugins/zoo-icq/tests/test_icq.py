"""ICQ's losses against its formulas, written as loops over rows and agents."""

import dataclasses
import math

import pytest
import torch

from zoo_core import Update
from zoo_core.config import resolve
from zoo_core.entries import EnvEntry, Source
from zoo_critics.testing import train
from zoo_critics.testing_mixed import (
    CONTINUOUS,
    DISCRETE,
    LinearMixer,
    assert_same,
    credit_of,
    lasting_rewards,
    log_likelihood,
    made,
    mixed,
    mixed_batch,
    statistics_of,
    trains_with_a_sum,
    two_step_score,
    worth_of,
)
from zoo_icq.algorithm import ICQ, ICQConfig
from zoo_icq.plugin import zoo_algorithms

B = 10
TEAMS = pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])


def make(team=CONTINUOUS, **settings):
    return made(ICQ, team, B, **{"heads": 2, "target_temperature": 0.5, "policy_temperature": 0.3, **settings})


def naive_expected(alg, critics, obs, mask, b, i):
    """What agent i's policy expects of the least of its critics at row b's observation."""
    if alg.team.discrete:
        every = of_heads_all(critics, obs)[b, i]
        own = alg.policy.net(obs)[b, i]
        available = [k for k in range(alg.team.action_size) if mask[b, i, k]]
        chances = softmax([float(own[k].detach()) for k in available])
        return sum(chance * float(every[k]) for chance, k in zip(chances, available, strict=True))
    return float(of_heads(critics, obs, alg.policy.mode(obs)).amin(0)[b, i])


def of_heads_all(critics, obs):
    """The least over critics of every discrete action's value, [B, n, A]."""
    return torch.stack([critic.of_all_actions(obs) for critic in critics]).amin(0).detach()


def of_heads(critics, *args):
    """Of every critic: its values, detached, [h, B, n]."""
    return torch.stack([critic(*args) for critic in critics]).detach()


def softmax(logits):
    top = max(logits)
    grown = [math.exp(logit - top) for logit in logits]
    return [each / sum(grown) for each in grown]


@TEAMS
@pytest.mark.parametrize("timeouts", ["bootstrap", "terminal"])
@pytest.mark.parametrize(("baseline", "times_batch"), [("policy", True), ("none", True), ("none", False)])
def test_critics_regress_on_logged_next_actions_weighted_by_their_softmax_over_the_rows_that_go_on(
    team, timeouts, baseline, times_batch
):
    alg, batch = make(team, timeouts=timeouts, target_baseline=baseline, times_batch=times_batch)
    if timeouts == "bootstrap":  # truncated rows have no a' and are never drawn then
        batch = batch.map(lambda t: t[~batch.truncated])
    rows = batch.size
    goes_on = [b for b in range(rows) if not (batch.terminated[b] or batch.truncated[b])]
    assert 0 < len(goes_on) < rows
    following = [
        torch.stack([c(batch.next_obs[b : b + 1], batch.next_action[b : b + 1])[0] for c in alg.target_critics]).amin(0)
        for b in goes_on
    ]
    totals = [float(mixed(alg.target_mixer, q, batch.next_state[b])) for b, q in zip(goes_on, following, strict=True)]
    levels = [0.0 for _ in goes_on]
    if baseline == "policy":
        args = (alg, alg.target_critics, batch.next_obs, batch.next_action_mask)
        each = [[naive_expected(*args, b, i) for i in range(team.n)] for b in goes_on]
        levels = [
            float(mixed(alg.target_mixer, values, batch.next_state[b]).detach())
            for b, values in zip(goes_on, each, strict=True)
        ]
    gains = [total - level for total, level in zip(totals, levels, strict=True)]
    shares = softmax([gain / 0.5 for gain in gains])
    rows_on = len(goes_on) if times_batch else 1
    worth = {
        b: level + rows_on * share * gain for b, level, share, gain in zip(goes_on, levels, shares, gains, strict=True)
    }
    expected = 0.0
    for b in range(rows):
        y = worth_of(alg, batch, b, worth.get(b, 0.0))
        for critic in alg.critics:
            q = critic(batch.obs[b : b + 1], batch.action[b : b + 1])[0]
            expected = expected + (mixed(alg.mixer, q, batch.state[b]) - y) ** 2 / rows
    assert_same(alg.critic_loss(batch, {}).value, expected, alg.critics, alg.mixer)


def test_the_next_action_of_a_row_that_has_none_is_never_read():
    alg, batch = make(timeouts="terminal")
    assert batch.next_action.isnan().any()
    assert alg.critic_loss(batch, {}).value.isfinite()


def test_where_every_row_ends_the_target_is_the_reward():
    alg, batch = make(scale_rewards=False)
    ended = dataclasses.replace(batch, terminated=torch.ones(B, dtype=torch.bool))
    y, _ = alg.target(ended)
    torch.testing.assert_close(y, batch.reward.mean(1))


def test_only_the_least_critic_is_fitted_if_the_port_is_asked_for():
    alg, batch = make(fit_least=True)
    y, _ = alg.target(batch)
    q = torch.stack([critic(batch.obs, batch.action) for critic in alg.critics])
    assert (q[0] < q[1]).any()
    assert (q[0] > q[1]).any()
    expected = sum((mixed(alg.mixer, q[:, b].amin(0), batch.state[b]) - y[b].detach()) ** 2 / B for b in range(B))
    assert_same(alg.critic_loss(batch, {}).value, expected, alg.critics)


@TEAMS
@pytest.mark.parametrize("baseline", ["none", "policy"])
def test_policies_clone_by_the_softmax_of_what_each_agents_action_adds(team, baseline):
    alg, batch = make(team, baseline=baseline)
    q = of_heads(alg.critics, batch.obs, batch.action).amin(0)
    expected, greatest = 0.0, 0.0
    for i in range(team.n):
        logits = []
        for b in range(B):
            value = float(q[b, i])
            if baseline == "policy":
                value -= naive_expected(alg, alg.critics, batch.obs, batch.action_mask, b, i)
            logits.append(float(credit_of(alg.mixer, batch.state[b])[0][i].detach()) * value / 0.3)
        for b, share in enumerate(softmax(logits)):
            greatest = max(greatest, B * share)
            expected = expected - B * share * log_likelihood(alg, batch, b, i) / (B * team.n)
    assert greatest > 1.5
    assert_same(alg.policy_loss(batch, {}).value, expected, alg.policy)


@TEAMS
def test_weights_are_one_on_average_and_do_not_feel_a_constant(team):
    alg, batch = make(team)
    weight = alg.weights(batch)
    torch.testing.assert_close(weight.mean(0), torch.ones(team.n))
    shifted = alg.batch_softmax(torch.randn(B, 2, generator=torch.Generator().manual_seed(0)) + 1000.0)
    plain = alg.batch_softmax(torch.randn(B, 2, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(shifted, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("baseline", ["none", "policy"])
def test_the_policies_own_actions_are_valued_if_a_baseline_is_asked_for_and_else_never(baseline):
    alg, batch = make(baseline=baseline, target_baseline=baseline)
    with torch.no_grad():
        before = alg.weights(batch), alg.target(batch)[0]
        for parameter in alg.policy.parameters():
            parameter.add_(1.0)
        after = alg.weights(batch), alg.target(batch)[0]
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other) == (baseline == "none")


def test_values_that_rewards_of_a_lasting_kind_add_up_to_are_found():
    """Four places, each kept for ever, that pay 1 to 4 a step whatever is done: worth 10 to 40 at γ = 0.9.

    α = 50 is large against what actions differ by, and not against what places do.
    """
    torch.manual_seed(0)
    settings = {"batch_size": 64, "hidden": 32, "discount": 0.9, "tau": 0.3, "lr": 5e-3, "clip": 100.0}
    config = ICQConfig(**settings, scale_rewards=False, target_temperature=50.0)
    alg = ICQ(CONTINUOUS, config, statistics=statistics_of(CONTINUOUS), mixer=LinearMixer)
    rows = mixed_batch(CONTINUOUS, 64)
    level = 1.0 + torch.arange(64) % 4
    place = torch.nn.functional.one_hot(level.long() - 1, 4).float()
    obs, state = place.unsqueeze(1).expand(-1, 3, -1), place.repeat(1, 3)
    never = torch.zeros(64, dtype=torch.bool)
    lasting = dataclasses.replace(
        rows,
        obs=obs, next_obs=obs, state=state, next_state=state,
        reward=level.unsqueeze(1).expand(-1, 3), terminated=never, truncated=never,
        action=rows.action.nan_to_num(), next_action=rows.action.roll(4, 0), has_next_action=~never,
    )  # fmt: skip
    train(alg, lasting, 2000)
    q = torch.stack([alg.total(critic(obs, lasting.action), lasting) for critic in alg.critics]).mean(0).detach()
    assert (q / (10.0 * level) - 1.0).abs().amax() < 0.2


def test_values_stay_at_what_lasting_rewards_add_up_to_and_policies_at_the_datas_mean():
    _, off, taken = lasting_rewards(ICQ, 300)
    assert off.abs().amax() < 0.2
    assert (taken - 0.8).abs().amax() < 0.15


def test_without_a_baseline_lasting_rewards_grow_without_end():
    """ρ then exceeds 1 where more is paid, for all actions there, and multiplies what is already too high."""
    _, off, _ = lasting_rewards(ICQ, 200, target_baseline="none")
    assert off.amin() > 1.0


def test_the_order_of_an_iteration_is_critic_policy_targets_and_truncated_rows_follow_the_setting():
    def phase(**settings):
        return make(**settings)[0].phases()[0]

    steps = phase().steps
    names = [step.name if isinstance(step, Update) else step.target for step in steps]
    assert names == ["critic", "policy", "target_critics", "target_mixer"]
    assert (phase().data.truncation, phase(timeouts="terminal").data.truncation) == ("skip", "full")


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("preset", ["zoo", "published"])
@pytest.mark.parametrize("env", ["mamujoco-hopper-3x1", "somebody-elses"])
def test_every_value_has_a_source_and_the_zoos_weights_average_one(preset, kind, env):
    (entry,) = zoo_algorithms()
    found = resolve(entry, ICQConfig, env=EnvEntry(env, "", "", Source("")), action_kind=kind, preset=preset)
    assert [key for key, origin in found.origins.items() if not origin.source] == []
    assert found.config.times_batch == (preset == "zoo" or kind == "discrete")


# --- training ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_mixer_without_parameters_will_do(kind):
    (entry,) = zoo_algorithms()
    assert trains_with_a_sum(entry, kind)


@pytest.mark.parametrize(("temperature", "expected"), [(0.2, 1.0), (1000.0, 0.69)])
def test_with_a_low_temperature_the_next_best_actions_count_and_with_a_high_one_the_datas_mean(temperature, expected):
    (entry,) = zoo_algorithms()
    assert two_step_score(entry, target_temperature=temperature) == pytest.approx(expected, abs=0.01)
