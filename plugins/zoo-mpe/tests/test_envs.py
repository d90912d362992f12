"""The environment contract: seeds, copies, ends of episodes, and what bad input gets."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_core import BatchedEnv, UsageError, uniforms
from zoo_mpe.envs import CooperativeNavigation, PredatorPrey, World
from zoo_mpe.policies import shipped

GAMES = {
    "mpe-cn": CooperativeNavigation,
    "mpe-pp": PredatorPrey,
    "mpe-pp fleeing prey": lambda copies: PredatorPrey(copies, prey="flee"),
    "mpe-pp random prey": lambda copies: PredatorPrey(copies, prey="random"),
    "mpe-pp all learn": lambda copies: PredatorPrey(copies, control="all"),
    "mpe-world": World,
    "mpe-world all learn": lambda copies: World(copies, control="all"),
}

SHIPPED = {env: (f"prey_0=network-{shipped(f'{env}-prey').sha256[:12]}",) for env in ("mpe-pp", "mpe-world")}


def play(env, seeds):
    """Whole episodes with actions that depend on each seed: observations and rewards of every step."""
    actions = 2.0 * uniforms(seeds, "test policy", (25, env.team.n, 2)) - 1.0
    views = [env.reset(seeds), *(env.step(actions[:, t]) for t in range(25))]
    return np.stack([v.obs for v in views]), np.stack([v.reward for v in views])


@pytest.mark.parametrize("name", GAMES)
def test_an_episode_does_not_depend_on_the_batch_it_runs_in(name):
    seeds = list(range(100, 133))
    together = play(GAMES[name](len(seeds)), seeds)
    for pick in ([7], [32, 0, 11]):
        alone = play(GAMES[name](len(pick)), [seeds[i] for i in pick])
        for whole, part in zip(together, alone, strict=True):
            np.testing.assert_array_equal(whole[:, pick], part)


@pytest.mark.parametrize("name", GAMES)
def test_shapes_and_types_follow_the_team(name):
    env = GAMES[name](5)
    assert isinstance(env, BatchedEnv)
    view = env.reset(range(5))
    team = env.team
    assert (view.obs.shape, view.obs.dtype) == ((5, team.n, team.obs_size), np.float64)
    assert view.reward.shape == (5, team.n)
    assert not view.reward.any()
    assert view.state is None
    assert view.action_mask is None
    assert team.state_size == sum(team.obs_sizes)


@pytest.mark.parametrize(
    ("name", "agents", "sizes", "scripted", "reward"),
    [
        ("mpe-cn", ("agent_0", "agent_1", "agent_2"), (18, 18, 18), (), "per_agent"),
        ("mpe-pp", ("predator_0", "predator_1", "predator_2"), (16, 16, 16), SHIPPED["mpe-pp"], "shared"),
        ("mpe-pp fleeing prey", ("predator_0", "predator_1", "predator_2"), (16,) * 3, ("prey_0=flee",), "shared"),
        ("mpe-pp random prey", ("predator_0", "predator_1", "predator_2"), (16,) * 3, ("prey_0=random",), "shared"),
        ("mpe-world", ("predator_0", "predator_1", "predator_2"), (24, 24, 24), SHIPPED["mpe-world"], "shared"),
        ("mpe-pp all learn", ("predator_0", "predator_1", "predator_2", "prey_0"), (16, 16, 16, 14), (), "per_agent"),
        (
            "mpe-world all learn",
            ("predator_0", "predator_1", "predator_2", "prey_0"),
            (24,) * 3 + (22,),
            (),
            "per_agent",
        ),
    ],
)
def test_the_team_is_the_benchmarks(name, agents, sizes, scripted, reward):
    team = GAMES[name](1).team
    assert (team.agents, team.obs_sizes, team.scripted, team.reward) == (agents, sizes, scripted, reward)
    assert (team.action_sizes, team.episode_limit) == ((2,) * len(agents), 25)


@pytest.mark.parametrize(("make", "reach"), [(CooperativeNavigation, 1.0), (PredatorPrey, 0.9), (World, 0.9)])
def test_starts_have_the_benchmarks_distribution(make, reach):
    """Agents within ±1 and at rest, landmarks within ±`reach`, all coordinates uniform and independent."""
    env = make(4000)
    env.reset(range(4000))
    assert not env.world.velocity.any()
    for values, limit in ((env.world.position, 1.0), (env.world.landmarks, reach)):
        assert 0.99 * limit < np.abs(values).max() <= limit
        np.testing.assert_allclose(values.mean(axis=-1), 0.0, atol=0.04)
        np.testing.assert_allclose(values.var(axis=-1), limit**2 / 3, atol=0.02)
    coordinates = np.concatenate([env.world.position, env.world.landmarks]).reshape(-1, 4000)
    assert np.abs(np.corrcoef(coordinates) - np.eye(len(coordinates))).max() < 0.06


def test_a_uniform_random_policy_returns_what_the_benchmark_reports():
    """160.5 ± 1.5 over 20,000 episodes: the team return, the mean over agents summed over steps."""
    env, returns = CooperativeNavigation(1000), []
    for first in range(0, 20_000, 1000):
        _, reward = play(env, np.arange(first, first + 1000))
        returns.append(reward.mean(axis=-1).sum(axis=0))
    assert np.mean(returns) == pytest.approx(160.5, abs=1.5)


@pytest.mark.parametrize("name", ["mpe-pp random prey", "mpe-world"])
def test_the_team_shares_one_reward(name):
    _, reward = play(GAMES[name](64), range(64))
    assert np.abs(reward).max() > 0.0
    np.testing.assert_array_equal(reward, np.repeat(reward[..., :1], 3, axis=-1))


@pytest.mark.parametrize("name", GAMES)
def test_an_ended_copy_stands_still_and_pays_nothing_until_it_is_reset(name):
    env = GAMES[name](3)
    push = np.full((3, env.team.n, 2), 0.5)
    env.reset([1, 2, 3])
    for _ in range(10):
        env.step(push)
    env.reset([4], copies=[1])
    for _ in range(15):
        view = env.step(push)
    assert view.truncated.tolist() == [True, False, True]
    assert not view.terminated.any()
    last = view.obs
    later = env.step(push)
    assert not later.reward[[0, 2]].any()
    assert later.reward[1].any()
    np.testing.assert_array_equal(later.obs[[0, 2]], last[[0, 2]])
    assert (later.obs[1] != last[1]).any()
    assert later.truncated.tolist() == [True, False, True]


@pytest.mark.parametrize("name", GAMES)
def test_a_copy_reset_later_plays_the_same_episode(name):
    env, alone = GAMES[name](3), GAMES[name](1)
    expected_obs, expected_reward = play(alone, [77])
    actions = 2.0 * uniforms([77], "test policy", (25, env.team.n, 2)) - 1.0
    env.reset([1, 2, 3])
    for _ in range(7):
        env.step(np.zeros((3, env.team.n, 2)))
    view = env.reset([77], copies=[2])
    for t in range(26):
        np.testing.assert_array_equal(view.obs[2], expected_obs[t, 0])
        np.testing.assert_array_equal(view.reward[2], expected_reward[t, 0])
        if t < 25:
            view = env.step(np.repeat(actions[:, t], 3, axis=0))


def test_a_step_leaves_the_views_given_before_untouched():
    env = CooperativeNavigation(4)
    first = env.reset(range(4))
    kept = first.obs.copy()
    env.step(np.ones((4, 3, 2)))
    np.testing.assert_array_equal(first.obs, kept)


def test_set_state_puts_only_the_named_copies_there():
    env = CooperativeNavigation(3)
    before = env.reset([1, 2, 3]).obs
    place = np.arange(6.0).reshape(1, 3, 2)
    after = env.set_state(place, place / 10, -place, copies=[1]).obs
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    np.testing.assert_array_equal(after[1, :, 0:4], np.concatenate([place[0] / 10, place[0]], axis=-1))


@pytest.mark.parametrize("name", ["mpe-cn", "mpe-pp"])
def test_bad_input_is_one_clear_error(name):
    env = GAMES[name](2)
    good = np.zeros((2, 3, 2))
    with pytest.raises(UsageError, match="call reset first"):
        env.step(good)
    env.reset([0, 1])
    with pytest.raises(UsageError, match=r"\(2, 3, 2\), not \(2, 3, 5\)"):
        env.step(np.zeros((2, 3, 5)))
    bad = good.copy()
    bad[1, 2, 0] = np.nan
    with pytest.raises(UsageError, match=r"action\[1, 2, 0\] is nan"):
        env.step(bad)
    with pytest.raises(UsageError, match="one seed per copy"):
        env.reset([0, 1, 2])
    with pytest.raises(UsageError, match="from 0 to 1"):
        env.reset([0], copies=[2])
    with pytest.raises(UsageError, match="num_envs"):
        GAMES[name](0)


@pytest.mark.parametrize("make", [PredatorPrey, World])
def test_unknown_options_are_refused_with_what_can_be_said_instead(make):
    with pytest.raises(UsageError, match=r"neither 'trained', nor a rule \('random', 'flee'\), nor a file"):
        make(1, prey="clever")
    with pytest.raises(UsageError, match=r"'team'.*'all'"):
        make(1, control="prey")
