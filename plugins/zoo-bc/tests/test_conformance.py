"""BC keeps the contract of an algorithm, and clones through the real learner."""

import dataclasses

import pytest

from zoo_bc.plugin import ENTRIES
from zoo_core.testing import GAMES, game_dataset, learning_claims, score, tiny_config, tiny_learner

zoo_plugin = "zoo_bc.plugin"

(BC,) = ENTRIES


def test_bc_keeps_the_contract(zoo_claim):
    zoo_claim()


@pytest.mark.parametrize("game", GAMES, ids=lambda g: g.name)
def test_a_clone_of_the_solution_reaches_the_best_return(game):
    data = game_dataset(game, solved=1.0)
    learner = tiny_learner(BC, data, tiny_config(BC, data.team.action_kind, iterations=300, lr=0.01))
    while not learner.finished:
        learner.step()
    assert score(learner.algorithm(), game) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("claim", learning_claims(dataclasses.replace(BC, imitates=False)), ids=str)
def test_imitating_mixed_data_solves_no_game(claim):
    """So that what solves them does more than imitate."""
    with pytest.raises(AssertionError, match="of the way from random to optimal"):
        claim()
