"""BC keeps the contract of an algorithm, and clones through the real learner."""

import pytest
import torch

from zoo_bc.plugin import ENTRIES
from zoo_core.testing import GAMES, algorithm_claims, game_dataset, tiny_config, tiny_learner

(BC,) = ENTRIES


@pytest.mark.parametrize("claim", algorithm_claims(BC), ids=str)
def test_bc_keeps_the_contract(claim):
    claim()


@pytest.mark.parametrize("game", GAMES, ids=lambda g: g.name)
def test_a_clone_of_the_solution_reaches_the_best_return(game):
    data = game_dataset(game, solved=1.0)
    config = tiny_config(BC, data.team.action_kind, iterations=300, lr=0.01)
    learner = tiny_learner(BC, data, config)
    while not learner.finished:
        learner.step()
    policy, env = learner.algorithm(), game.load()(200)
    shown, total = env.reset(range(10_000, 10_200)), 0.0
    for _ in range(env.team.episode_limit):
        mask = None if shown.action_mask is None else torch.from_numpy(shown.action_mask)
        with torch.no_grad():
            action, _ = policy.act(torch.from_numpy(shown.obs).float(), mask, None, None)
        shown = env.step(action.numpy())
        total += shown.reward.mean()
    assert total == pytest.approx(env.best_return, rel=0.01)
