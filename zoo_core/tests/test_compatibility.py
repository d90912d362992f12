"""Declared capabilities alone decide what goes together, and a refusal names what would."""

import pytest

from zoo_core import AlgorithmEntry, EnvEntry, MixerEntry, Source
from zoo_core.compatibility import missing, require_mixer, require_pair
from zoo_core.entries import DATA_NEEDS
from zoo_core.errors import IncompatiblePair

NONE = Source("none")
FIELD = EnvEntry("field", "", "x:y", NONE, gives=("continuous",))
BOARD = EnvEntry("board", "", "x:y", NONE, gives=("discrete",))
BATTLE = EnvEntry("battle", "", "x:y", NONE, gives=("discrete", "action_mask"))
ENVS = (FIELD, BOARD, BATTLE)


def algorithm(name: str = "algo", **fields) -> AlgorithmEntry:
    return AlgorithmEntry(name, "", "x:y", NONE, **fields)


def test_action_kinds_must_meet():
    assert missing(algorithm(actions=("continuous", "discrete")), BOARD) == []
    assert missing(algorithm(actions=("continuous",)), BOARD) == ["board has discrete actions; algo handles continuous"]


def test_an_action_mask_comes_from_the_environment_and_all_else_from_the_data():
    needy = algorithm(actions=("discrete",), needs=tuple(DATA_NEEDS))
    assert missing(needy, BATTLE) == []
    assert missing(needy, BOARD) == ["algo needs action_mask, which board does not give"]


def test_a_need_that_nobody_gives_is_missing():
    assert missing(algorithm(needs=("rows", "telepathy")), FIELD) == ["algo needs telepathy, which field does not give"]


def test_a_refusal_names_the_pairs_that_work():
    duelist = algorithm("duelist", actions=("discrete",), needs=("rows", "action_mask"))
    walker, trainer = algorithm("walker"), algorithm("trainer", online="python -m trainer")
    require_pair(duelist, BATTLE, [duelist], ENVS)
    with pytest.raises(IncompatiblePair) as refused:
        require_pair(duelist, FIELD, [duelist, walker, trainer], ENVS)
    assert str(refused.value).splitlines() == [
        "field has continuous actions; duelist handles discrete; duelist needs action_mask, which field does not give.",
        "duelist works with: battle.",
        "field works with: walker.",
    ]
    assert refused.value.exit_code == 2


def test_a_refusal_says_so_when_nothing_works():
    with pytest.raises(IncompatiblePair, match="no installed environment"):
        require_pair(algorithm(), BOARD, [], [BOARD])


def test_a_mixer_must_have_every_required_trait():
    monotone = MixerEntry("qmix", "", "x:y", NONE, traits=("monotone",))
    require_mixer(algorithm(mixer=("monotone",)), monotone)
    require_mixer(algorithm(mixer=()), monotone)
    with pytest.raises(IncompatiblePair, match="requires a mixer that is linear and monotone; qmix is not linear"):
        require_mixer(algorithm(mixer=("linear", "monotone")), monotone)
    with pytest.raises(IncompatiblePair, match="algo takes no mixer"):
        require_mixer(algorithm(), monotone)
