"""Whether an algorithm learns: it must come within 10% of the known optimum of a small game."""

from __future__ import annotations

import functools
from typing import Any

from zoo_core.algorithms import Algorithm
from zoo_core.data import Dataset
from zoo_core.entries import CONTINUOUS, DISCRETE, AlgorithmEntry, EnvEntry
from zoo_core.evaluation import evaluate
from zoo_core.testing.checks import Check, Claim, NotApplicable, demand, run_claims
from zoo_core.testing.games import GAMES
from zoo_core.testing.kit import claim_about, package_of
from zoo_core.testing.tiny import game_dataset, play_out, tiny_config, tiny_learner, tiny_settings

ENOUGH = 0.9
SOLVED, HABITUAL = 0.25, 0.5
"""Shares of the data's episodes played to the solution and to the worse habit: imitation alone stays below `ENOUGH`."""

_GAME = {CONTINUOUS: "test-tracking", DISCRETE: "test-climbing"}


def learning_claims(entry: AlgorithmEntry, *, most: int = 400) -> list[Claim]:
    """One claim for each kind of action, declared or not; `most`: the iterations it may take.

    An entry that `imitates` is exempt: it cannot do better than its data.
    """
    return [claim_about(entry, learns_a_game, kind, most) for kind in _GAME]


def check_learning(entry: AlgorithmEntry, *, most: int = 400) -> list[Check]:
    """`learning_claims`, tested."""
    return run_claims(learning_claims(entry, most=most), package=package_of(entry))


def learns_a_game(entry: AlgorithmEntry, kind: str, most: int) -> None:
    if kind not in entry.actions:
        raise NotApplicable(f"it declares no {kind} actions")
    if entry.imitates:
        raise NotApplicable("it declares that it imitates its data, which holds too little optimal play")
    game = _game(_GAME[kind])
    best = 0.0
    # A phase with a budget of its own, such as a behaviour policy's, decides what the last one can learn.
    sized = tiny_settings(entry.load().Config)  # type: ignore[attr-defined]
    earlier: dict[str, Any] = {name: most for name in sized if name.endswith("_iterations")}
    config = tiny_config(entry, kind, iterations=most, batch_size=128, **earlier)
    learner = tiny_learner(entry, _data(game.name), config)
    while not learner.finished and best < ENOUGH:
        play_out(learner, min(20, learner.total - learner.iteration))
        best = max(best, score(learner.algorithm(), game))
    demand(
        best >= ENOUGH,
        f"{learner.iteration} iterations on {game.name} reach {best:.0%} of the way from random to optimal play, not "
        f"{ENOUGH:.0%}: compare each loss with its formula, its sign first",
    )


def score(algorithm: Algorithm, game: EnvEntry, *, episodes: int = 200) -> float:
    """The mean return on a game, as a share of the way from random (0) to optimal play (1)."""
    if game.reference is None:
        raise ValueError(f"{game.name} has no reference scores")
    return game.reference.normalise(float(evaluate(algorithm, game, episodes, first_seed=10**9).mean())) / 100.0


def _game(name: str) -> EnvEntry:
    return next(game for game in GAMES if game.name == name)


@functools.cache
def _data(name: str) -> Dataset:
    return game_dataset(_game(name), episodes=1024, solved=SOLVED, habitual=HABITUAL)
