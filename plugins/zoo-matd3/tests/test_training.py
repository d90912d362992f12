"""The online loop learns, repeats itself bit for bit, and records exactly what it did."""

import dataclasses

import numpy as np
import pytest
import torch

from zoo_core import Step, TeamSpec, UsageError, uniforms
from zoo_core.testing import GAMES
from zoo_matd3.algorithm import MATD3, Config
from zoo_matd3.training import Recorder, train

Tracking = next(game for game in GAMES if game.name == "test-tracking").load()

SMALL = Config(
    hidden=32, lr=3e-3, tau=0.05, batch_size=64, reward_scale=1.0, gamma=0.5, action_penalty=1e-3,
    copies=32, transitions=12_000, warmup=1600, capacity=50_000, evaluate_every=4000, evaluation_episodes=200,
)  # fmt: skip
SHORT = dataclasses.replace(SMALL, transitions=2400, evaluate_every=1200)


class Apart:
    """Two agents of unequal size, each with an aim and a reward of its own.

    `wide` sees two numbers and should act as their mean; `narrow` sees one number x and has two actions, both of which
    should be −0.8 x. Each is paid 1 − its mean squared error a step. Episodes last 2 to 5 steps, as their seed says,
    and are terminated if that is even, truncated if it is odd: copies end at different times.
    """

    team = TeamSpec(
        env="test-apart",
        agents=("wide", "narrow"),
        obs_sizes=(2, 1),
        action_sizes=(1, 2),
        episode_limit=5,
        reward="per_agent",
    )

    def __init__(self, num_envs):
        self.num_envs = num_envs
        self.seeds, self.clock = np.zeros(num_envs, dtype=np.int64), np.zeros(num_envs, dtype=np.int64)

    def reset(self, seeds, copies=None):
        chosen = np.arange(self.num_envs) if copies is None else np.asarray(copies)
        self.seeds[chosen], self.clock[chosen] = seeds, 0
        return self._show(np.zeros((self.num_envs, 2)))

    def step(self, action):
        live = self.clock < self._length()
        seen = self._observe()
        wide = (action[:, 0, 0] - seen[:, 0].mean(-1)) ** 2
        narrow = ((action[:, 1] + 0.8 * seen[:, 1, :1]) ** 2).mean(-1)
        self.clock += live
        return self._show((1.0 - np.stack([wide, narrow], axis=-1)) * live[:, None])

    def _length(self):
        return 2 + self.seeds % 4

    def _observe(self):
        seen = 2.0 * uniforms(self.seeds * 10 + self.clock, "seen", (2, 2)) - 1.0
        seen[:, 1, 1] = 0.0
        return seen

    def _show(self, reward):
        ended, even = self.clock >= self._length(), self._length() % 2 == 0
        return Step(self._observe(), reward, ended & even, ended & ~even)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def finish(make_env, config, seed=0, **options):
    """The evaluations of a run and its learner."""
    log = list(train(make_env, config, seed, **options))
    return [evaluation for evaluation, _ in log], log[-1][1]


def weights(learner):
    return torch.cat([p.detach().flatten() for p in learner.parameters()])


def test_it_learns_a_game_of_two_to_nearly_the_best_return():
    log, _ = finish(Tracking, SMALL)
    assert log[-1].return_mean > 3.8  # best 4, uniform actions 0.72


def test_ascending_the_actors_loss_unlearns_the_game(monkeypatch):
    loss = MATD3.actor_loss
    monkeypatch.setattr(MATD3, "actor_loss", lambda self, batch: -loss(self, batch))
    log, _ = finish(Tracking, SMALL)
    assert log[-1].return_mean < 0.72


def test_equal_seeds_give_equal_weights_bit_for_bit_and_evaluation_disturbs_nothing():
    _, one = finish(Tracking, SHORT, seed=1)
    _, again = finish(Tracking, dataclasses.replace(SHORT, evaluate_every=400), seed=1)
    _, other = finish(Tracking, SHORT, seed=2)
    assert torch.equal(weights(one), weights(again))
    assert not torch.equal(weights(one), weights(other))


def test_the_global_generators_are_untouched():
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    np.random.seed(0)  # noqa: NPY002 the generator nobody may use
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    finish(Tracking, SHORT)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_it_counts_transitions_and_updates():
    log, learner = finish(Tracking, dataclasses.replace(SHORT, updates_per_step=0.5))
    assert [e.transitions for e in log] == [1216, 2400]
    assert learner.updates == log[-1].updates == (2400 - 1600) // 32 // 2
    assert log[0].updates == 0


def test_a_record_rebuilds_every_transition_the_learner_saw(monkeypatch):
    seen = []

    class Spy(Tracking):
        def step(self, action):
            before = self.observe()
            view = super().step(action)
            if self.num_envs == SHORT.copies:
                seen.append((before, np.array(action), view.reward, view.obs))
            return view

    recorder = Recorder()
    finish(Spy, dataclasses.replace(SHORT, transitions=2432), recorder=recorder)
    seeds, actions = recorder.arrays()
    assert actions.shape == (608, 4, 2, 1)
    assert actions.dtype == np.float16
    assert len(set(seeds.tolist())) == 608
    env = Tracking(608)
    view = env.reset(seeds)
    for t in range(4):
        obs, view = view.obs, env.step(actions[:, t].astype(np.float32))
        rebuilt = (obs, actions[:, t].astype(np.float32), view.reward, view.obs)
        for field, part in enumerate(rebuilt):
            assert np.array_equal(part, np.concatenate([step[field] for step in seen[t::4]]))


def test_a_record_leaves_out_episodes_that_the_run_cut_off():
    recorder = Recorder()
    finish(Tracking, dataclasses.replace(SHORT, transitions=32 * 6), recorder=recorder)
    seeds, actions = recorder.arrays()
    assert (len(seeds), actions.shape[:2]) == (32, (32, 4))


def test_recording_episodes_of_unequal_length_is_refused():
    with pytest.raises(UsageError, match="one length"):
        finish(Apart, SHORT, recorder=Recorder())


def test_unequal_agents_with_rewards_of_their_own_learn_side_by_side():
    log, _ = finish(Apart, SMALL)
    wide, narrow = (total / 3.5 for total in log[-1].agent_returns)  # an episode has 3.5 steps on average
    assert wide > 0.97  # acting 0 would give 1 − 1/6
    assert narrow > 0.97  # acting 0 would give 1 − 0.64/3
