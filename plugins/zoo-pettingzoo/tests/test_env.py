"""Episodes: who is there, what is seen, earned and masked, how they end, and where their randomness comes from."""

import random

import numpy as np
import pettingzoo_fakes
import pytest

from zoo_core import PluginError, UsageError
from zoo_pettingzoo.env import PettingZooEnv

LEFT, STAY, RIGHT, RESCUE = range(4)


def rescue(copies=1, **options):
    return PettingZooEnv(copies, task=",".join(["pettingzoo_fakes:Rescue", *(f"{k}={v}" for k, v in options.items())]))


def cells(env, copy=0):
    return [env.copies[copy].env.cell[agent] for agent in env.agents]


def seed_with(env, wanted):
    """The first seed whose episode starts in these cells."""
    for seed in range(2000):
        env.reset([seed] * env.num_envs)
        if cells(env) == wanted:
            return seed
    raise AssertionError(f"no seed starts in {wanted}")


def test_the_team_is_all_possible_agents_padded_to_the_largest():
    team = rescue().team
    assert (team.agents, team.obs_sizes, team.action_sizes) == (("a0", "a1", "a2"), (2, 2, 3), (3, 3, 4))
    assert (team.state_kind, team.state_size, team.episode_limit, team.reward) == ("stored", 4, 6, "per_agent")


def test_a_dead_agent_earns_nothing_sees_its_end_and_then_zeros_and_may_only_take_action_0():
    env = rescue()
    seed_with(env, [1, 3, 3])
    dying = env.step([[LEFT, STAY, STAY]])
    assert dying.obs[0].tolist() == [[0, 1, 0], [3, 1, 0], [3, 1, 7]]
    assert dying.action_mask[0].tolist()[0] == [True, False, False, False]
    assert not dying.terminated[0]
    later = env.step([[LEFT, STAY, STAY]])
    assert later.reward.tolist() == [[0, 3, 3]]
    assert later.obs[0].tolist() == [[0, 0, 0], [3, 2, 0], [3, 2, 7]]
    assert later.state.tolist() == [[0, 3, 3, 2]]


def test_an_episode_terminates_when_the_last_agent_is_gone():
    env = rescue()
    seed_with(env, [1, 1, 2])
    steps = [env.step([[LEFT, LEFT, LEFT]]), env.step([[LEFT, LEFT, LEFT]])]
    assert [(bool(s.terminated[0]), bool(s.truncated[0])) for s in steps] == [(False, False), (True, False)]


def test_an_episode_that_was_cut_is_truncated_even_if_agents_died_before():
    env = rescue(max_cycles=3)
    seed_with(env, [1, 3, 3])
    for action in (LEFT, STAY, STAY):
        step = env.step([[action, STAY, STAY]])
    assert (bool(step.terminated[0]), bool(step.truncated[0])) == (False, True)


def test_a_task_solved_on_its_last_step_is_terminated_and_not_truncated():
    env = rescue(max_cycles=2)
    seed_with(env, [3, 3, 3])
    env.step([[STAY, STAY, STAY]])
    step = env.step([[STAY, STAY, RESCUE]])
    assert (bool(step.terminated[0]), bool(step.truncated[0])) == (True, False)


def test_max_steps_cuts_before_the_environment_does():
    env = rescue(max_steps=2)
    assert env.team.episode_limit == 2
    env.reset([0])
    assert not env.step([[STAY, STAY, STAY]]).truncated[0]
    assert env.step([[STAY, STAY, STAY]]).truncated[0]


@pytest.mark.parametrize("masks", ["info", "obs"])
def test_masks_are_those_of_the_environment_and_padding_is_unavailable(masks):
    env = rescue(masks=masks)
    seed_with(env, [4, 2, 2])
    view = env.step([[STAY, STAY, STAY]])
    assert view.action_mask[0].tolist() == [
        [False, True, True, False],
        [True, True, True, False],
        [True, True, True, True],
    ]
    assert rescue(masks="none").reset([0]).action_mask is None


def test_copies_go_on_alone_and_an_ended_one_stays_as_it_is():
    env = rescue(2)
    env.reset([0, 1])
    rescued = env.step([[STAY, STAY, RESCUE], [STAY, STAY, STAY]])
    assert rescued.terminated.tolist() == [True, False]
    after = env.step([[STAY] * 3] * 2)
    assert after.terminated.tolist() == [True, False]
    assert not after.reward[0].any()
    assert np.array_equal(after.obs[0], rescued.obs[0])
    again = env.reset([5], copies=[0])
    assert not again.terminated.any()
    assert np.array_equal(again.obs[1], after.obs[1])


def test_actions_reach_the_environment_in_its_own_bounds_and_rewards_are_each_agents_own():
    env = PettingZooEnv(1, task="pettingzoo_fakes:Levers")
    env.reset([0])
    step = env.step(np.array([[[-1.0, -1.0], [1.0, 0.0]]]))
    assert step.reward.tolist() == [[0.0 - 200.0, 1.0 + 200.0]]
    assert (env.team.action_low, env.team.action_high) == (-1.0, 1.0)
    assert (env.team.state_kind, env.team.state_size) == ("concat_obs", 8)


def test_an_environment_that_keeps_its_agents_ends_all_the_same():
    env = PettingZooEnv(1, task="pettingzoo_fakes:Levers")
    env.reset([0])
    for _ in range(6):
        step = env.step(np.zeros((1, 2, 2)))
    assert (bool(step.terminated[0]), bool(step.truncated[0])) == (False, True)
    assert env.step(np.zeros((1, 2, 2))).reward.tolist() == [[0, 0]]


def test_a_careless_environment_is_seeded_all_the_same_and_leaves_the_global_generators_alone():
    env = PettingZooEnv(2, task="pettingzoo_fakes:Levers,careless=true,max_steps=6")
    assert env.isolated
    assert not PettingZooEnv(1, task="pettingzoo_fakes:Levers").isolated
    before = random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    seen = []
    for _ in range(2):
        shown = [env.reset([7, 8]), env.step(np.zeros((2, 2, 2))), env.step(np.zeros((2, 2, 2)))]
        seen.append(np.stack([view.obs for view in shown]))
        random.random(), np.random.random()  # noqa: NPY002 - others' draws must not matter
    assert np.array_equal(*seen)
    assert not np.array_equal(seen[0][:, 0], seen[0][:, 1])
    assert not np.array_equal(seen[0][1], seen[0][2])
    random.setstate(before[0])
    PettingZooEnv(1, task="pettingzoo_fakes:Levers,careless=true,max_steps=6").reset([1])
    assert random.getstate() == before[0]


def test_pictures_are_the_environments_own_and_one_without_says_so():
    env = rescue(2)
    env.reset([0, 1])
    picture = env.render(1)
    assert picture.shape == (8, 40, 3)
    assert {int(x) // 8 for x in np.argwhere(picture[0, :, 0])[:, 0]} == set(cells(env, 1))
    with pytest.raises(UsageError, match="pettingzoo:pettingzoo_fakes:Levers cannot be drawn"):
        PettingZooEnv(1, task="pettingzoo_fakes:Levers").render()


def test_what_the_environments_own_code_raises_is_named(monkeypatch):
    with pytest.raises(PluginError, match="pettingzoo_fakes:breaks_later: step raised ZeroDivisionError"):
        PettingZooEnv(1, task="pettingzoo_fakes:breaks_later")
    env = rescue()
    env.reset([0])
    monkeypatch.setattr(pettingzoo_fakes.Rescue, "_seen", lambda self, agents: 1 / 0)
    with pytest.raises(PluginError, match=r"pettingzoo_fakes:Rescue: step 0 raised ZeroDivisionError"):
        env.step([[STAY, STAY, STAY]])
    with pytest.raises(PluginError, match=r"reset\(seed=3\) raised ZeroDivisionError"):
        env.reset([3])


def test_nothing_reaches_standard_output(capsys, monkeypatch):
    monkeypatch.setattr(pettingzoo_fakes.Levers, "state", lambda self: print("chatter"), raising=False)
    PettingZooEnv(1, task="pettingzoo_fakes:Levers").reset([0])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "chatter" in captured.err
