"""Declared capabilities are true: every pair they allow trains and is scored, every other pair is refused.

The cells follow from the entries: each offline algorithm on one environment of each capability set and of each family,
the kit's games included, so that discrete actions, with masks and without, are always among them.
"""

import pytest

from zoo_core import EnvEntry, UsageError, load_zoo
from zoo_core.compatibility import missing, require_pair
from zoo_core.evaluation import evaluate
from zoo_core.testing import GAMES, tiny_config, tiny_dataset, tiny_learner

ZOO = load_zoo()
ALGORITHMS = [offer.entry for offer in ZOO.algorithms if not offer.entry.online]


def representatives() -> list[EnvEntry]:
    """The first environment of each family and of each set of capabilities; an open family by its example."""
    chosen: list[EnvEntry] = []
    for env in [e.resolve(e.example) if e.resolver else e for e in (o.entry for o in ZOO.envs)] + list(GAMES):
        families, sets = {e.family for e in chosen}, [set(e.gives) for e in chosen]
        if env.family not in families or set(env.gives) not in sets:
            chosen.append(env)
    return chosen


ENVS = representatives()
CELLS = [pytest.param(a, e, id=f"{a.name}-{e.name}") for a in ALGORITHMS for e in ENVS if not missing(a, e)]
REFUSED = [pytest.param(a, e, id=f"{a.name}-{e.name}") for a in ALGORITHMS for e in ENVS if missing(a, e)]


def test_the_matrix_covers_every_capability_and_every_algorithm():
    assert {word for env in ENVS for word in env.gives} >= {"continuous", "discrete", "action_mask"}
    assert {cell.values[0].name for cell in CELLS} == {algorithm.name for algorithm in ALGORITHMS}
    assert REFUSED


@pytest.mark.parametrize(("algorithm", "env"), CELLS)
def test_an_allowed_pair_trains_and_is_scored(algorithm, env):
    team = env.load()(1).team
    data = tiny_dataset(team, masked="action_mask" in env.gives)
    learner = tiny_learner(algorithm, data, tiny_config(algorithm, team.action_kind, env=env))
    while not learner.finished:
        learner.step()
    learner.check_parameters()
    assert evaluate(learner.algorithm(), env, episodes=2, first_seed=0).shape == (2,)


@pytest.mark.parametrize(("algorithm", "env"), REFUSED)
def test_any_other_pair_is_refused_with_what_is_missing_and_what_works(algorithm, env):
    with pytest.raises(UsageError) as refused:
        require_pair(algorithm, env, ALGORITHMS, ENVS)
    message = str(refused.value)
    assert missing(algorithm, env)[0] in message
    assert f"{algorithm.name} works with: " in message
    assert "bc" in message.partition(f"{env.name} works with: ")[2]
