"""Trained policies: acting on observations, and scoring them again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zoo_core
from zoo_core.errors import RunError, UsageError
from zoo_core.evaluation import FINAL_FIRST_SEED

pytestmark = pytest.mark.usefixtures("toy_zoo")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
    return zoo_core.train(
        "toy", "toy-line", seeds=2, iterations=10, eval_episodes=5, final_episodes=8, compile="off", device="cpu",
        out=tmp_path / "runs", progress=False,
    )  # fmt: skip


def test_a_policy_acts_on_one_copy_and_on_many_alike(runs):
    policy = runs.policy(seed=1)
    obs = policy.make_env(copies=3).reset([7, 8, 9]).obs
    many = policy(obs)
    policy.reset()
    assert many.shape == (3, policy.team.n, policy.team.action_size)
    np.testing.assert_allclose(policy(obs[1]), many[1], rtol=1e-5, atol=1e-6)


def test_playing_an_episode_by_hand_gives_the_return_of_an_evaluation(runs):
    policy = runs.policy(seed=0)
    world = policy.make_env(copies=2)
    view, total = world.reset([FINAL_FIRST_SEED, FINAL_FIRST_SEED + 1]), np.zeros(2)
    for _ in range(world.team.episode_limit):
        view = world.step(policy(view.obs, view.action_mask))
        total += view.reward.mean(-1)
    np.testing.assert_allclose(total, policy.returns(2))


@pytest.mark.parametrize("shape", [(2,), (3, 1), (1, 2, 3), (2, 2, 2, 2)])
def test_observations_of_another_shape_are_refused(runs, shape):
    policy = runs.policy(0)
    with pytest.raises(UsageError, match=r"observations must be \[2, 2\] or \[copies, 2, 2\] \(2 agents\), not"):
        policy(np.zeros(shape))


def test_another_number_of_copies_needs_a_reset(runs):
    policy = runs.policy(0)
    policy(np.zeros((4, 2, 2)))
    with pytest.raises(UsageError, match=r"3 copies after 4: call reset\(\)"):
        policy(np.zeros((3, 2, 2)))
    policy.reset()
    assert policy(np.zeros((3, 2, 2))).shape == (3, 2, 1)


def test_evaluating_with_the_final_seeds_gives_the_final_score_again(runs):
    again = zoo_core.evaluate(runs, episodes=8)
    assert again.returns.shape == (2, 8)
    assert again.score == runs.score
    assert again.normalised == runs.normalised
    assert repr(again) == f"return {runs.score}, normalised {runs.normalised}"


def test_other_episodes_are_those_further_on(runs):
    assert zoo_core.evaluate(runs, episodes=4, seed_offset=4).returns.tolist() == (
        zoo_core.evaluate(runs, episodes=8).returns[:, 4:].tolist()
    )


def test_one_run_and_a_folder_can_be_evaluated(runs):
    one = zoo_core.evaluate(runs.run(1), episodes=8)
    assert (one.seeds, one.score.over) == ((1,), "8 episodes")
    assert zoo_core.evaluate(runs.folder, episodes=8).score == runs.score


def test_a_folder_of_several_configurations_is_refused(runs, tmp_path):
    zoo_core.train(
        "toy", "toy-line", iterations=5, eval_episodes=5, final_episodes=8, compile="off", device="cpu",
        out=tmp_path / "runs", progress=False,
    )  # fmt: skip
    with pytest.raises(
        UsageError, match=r"holds runs of 2 configurations \(toy on toy-line/random\): evaluate them one"
    ):
        zoo_core.evaluate(tmp_path / "runs")


def test_a_run_without_a_checkpoint_cannot_be_evaluated(runs):
    for file in (runs.run(0).folder / "checkpoints").iterdir():
        file.unlink()
    assert runs.run(0).iteration == 0
    with pytest.raises(RunError, match="has no checkpoint yet"):
        zoo_core.evaluate(runs.run(0), episodes=2)


def test_impossible_numbers_are_refused(runs):
    for given in ({"episodes": 0}, {"seed_offset": -1}):
        with pytest.raises(UsageError, match="episodes must be at least 1"):
            zoo_core.evaluate(runs, **given)


def test_evaluating_leaves_torchs_threads_as_they_were(runs):
    torch.set_num_threads(2)
    zoo_core.evaluate(runs, episodes=2)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
