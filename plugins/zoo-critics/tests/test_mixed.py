"""What the family of mixed values has in common: rewards, ends of episodes, the mixer. Losses are tested elsewhere."""

import dataclasses

import pytest
import torch

from zoo_core import Clip, Phase, ZooError
from zoo_critics import AgentCritics, MixedConfig, ScaledMixedAlgorithm, reward_scale
from zoo_critics.testing_mixed import CONTINUOUS, DISCRETE, REWARD_STD, made, mixed, mixed_batch, statistics_of

B = 10


class Bare(ScaledMixedAlgorithm):
    Config = MixedConfig

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.critic = AgentCritics(team, self.sizes, config.share_weights)

    def phases(self) -> tuple[Phase, ...]:
        return ()


def test_rewards_are_divided_by_their_deviation_unless_it_is_zero_or_nobody_asks():
    statistics = statistics_of(CONTINUOUS)
    assert reward_scale(MixedConfig(), statistics) == 1 / REWARD_STD
    assert reward_scale(MixedConfig(scale_rewards=False), None) == 1.0
    assert reward_scale(MixedConfig(), dataclasses.replace(statistics, reward_std=0.0)) == 1.0


def test_without_statistics_it_says_what_to_do():
    with pytest.raises(ZooError, match="scale_rewards=false"):
        reward_scale(MixedConfig(), None)


@pytest.mark.parametrize("team", [CONTINUOUS, DISCRETE], ids=["continuous", "discrete"])
def test_a_truncated_step_bootstraps_unless_the_time_limit_counts_as_an_end(team):
    values = torch.randn(B, team.n, generator=torch.Generator().manual_seed(0))
    for timeouts in ("bootstrap", "terminal"):
        alg, batch = made(Bare, team, B, timeouts=timeouts, discount=0.9)
        found = alg.backup(batch, values, alg.mixer)
        for b in range(B):
            ends = batch.terminated[b] or (batch.truncated[b] and timeouts == "terminal")
            following = 0.0 if ends else 0.9 * mixed(alg.mixer, values[b], batch.next_state[b])
            torch.testing.assert_close(found[b], batch.reward[b].mean() / REWARD_STD + following)


def test_the_mixer_reads_the_states_of_a_batch():
    alg, batch = made(Bare, CONTINUOUS, B)
    values = alg.critic(batch.obs, batch.action)
    total = alg.total(values, batch)
    weight, bias = alg.credit(batch)
    for b in range(B):
        torch.testing.assert_close(total[b], mixed(alg.mixer, values[b], batch.state[b]))
    torch.testing.assert_close(total, (weight * values).sum(1) + bias)


def test_gradients_are_clipped_as_the_setting_says_or_not_at_all():
    assert made(Bare, CONTINUOUS, B)[0].clip() == Clip(1.0)
    assert made(Bare, CONTINUOUS, B, clip=0.5)[0].clip("module") == Clip(0.5, "module")
    assert made(Bare, CONTINUOUS, B, clip=None)[0].clip() is None


def test_exchanging_agents_exchanges_their_critics():
    alg, batch = made(Bare, CONTINUOUS, B)
    before = alg.critic(batch.obs, batch.action)
    alg.relabel((1, 2, 0))
    index = torch.tensor([1, 2, 0])
    torch.testing.assert_close(alg.critic(batch.obs[:, index], batch.action[:, index]), before[:, index])


def test_the_batches_of_these_tests_hold_every_kind_of_row():
    for team in (CONTINUOUS, DISCRETE):
        batch = mixed_batch(team, B)
        assert batch.terminated.any()
        assert batch.truncated.any()
        assert batch.has_next_action.any()
        assert batch.initial_state.shape == batch.state.shape == (B, team.state_size)
