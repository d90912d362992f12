"""Finding and building what a task names, and what is said where that cannot be done."""

import sys

import pytest

from zoo_core import SettingError, UsageError
from zoo_pettingzoo.build import Maker
from zoo_pettingzoo.env import PettingZooEnv
from zoo_pettingzoo.task import parse

SPREAD = "mpe2.simple_spread_v3"


def refusal(task, error=UsageError):
    with pytest.raises(error) as refused:
        PettingZooEnv(1, task=task)
    return str(refused.value)


def test_keywords_reach_the_environment():
    env = PettingZooEnv(1, task=f"{SPREAD},N=4,max_cycles=7,continuous_actions=true")
    assert (env.team.n, env.team.episode_limit, env.team.action_kind) == (4, 7, "continuous")


def test_an_unknown_keyword_is_refused_with_those_there_are():
    assert "the environment takes no 'n'. Did you mean 'N'? It takes N, local_ratio, max_cycles" in refusal(
        f"{SPREAD},n=4", SettingError
    )
    assert "takes no 'max_cycle'. Did you mean 'max_cycles'" in refusal(
        "pettingzoo_fakes:Rescue,max_cycle=4", SettingError
    )
    assert "leave render_mode out" in refusal(f"{SPREAD},render_mode=human", SettingError)


def test_a_keyword_of_the_wrong_value_is_the_environments_own_complaint():
    assert f"pettingzoo:{SPREAD},N=x cannot be built: TypeError" in refusal(f"{SPREAD},N=x")
    assert "cannot be built: RuntimeError: no such luck" in refusal("pettingzoo_fakes:broken")
    assert "missing 1 required" in (lacking := refusal("pettingzoo_fakes:demanding,size=3"))
    assert "It takes size, colour; the zoo itself reads max_steps" in lacking


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("mpe2.simple_spred_v3", "mpe2 has no 'simple_spred_v3'. Did you mean 'simple_spread_v3'"),
        ("mpe.simple_spread_v3", "there is no module 'mpe'. Did you mean 'mpe2'?"),
        ("mpe2", "the module mpe2 has no parallel_env. Name what builds the environment, as pettingzoo:mpe2:FUNCTION"),
        ("pettingzoo_fakes:Resque", "pettingzoo_fakes has no 'Resque'. Did you mean 'Rescue'"),
        ("pettingzoo_fakes:NOT_CALLABLE", "is no function or class that builds an environment"),
        ("no_such_module_at_all:make", "there is no module 'no_such_module_at_all'. Install the package it belongs to"),
        ("pettingzoo_fakes:several_choices", "acts in MultiDiscrete([2 3]): several choices at a time"),
        ("pettingzoo_fakes:two_parts", "acts in Tuple(Discrete(2), Discrete(2)): several parts"),
        ("pettingzoo_fakes:mixed", "mixes discrete and continuous agents"),
        ("pettingzoo_fakes:unbounded", "which has no bounds"),
        ("pettingzoo_fakes:growing_observations", "which has no fixed number of values"),
        ("pettingzoo_fakes:nobody", "has no possible_agents"),
        ("pettingzoo_fakes:Turns", "acts in turns (an AEC environment that does not declare is_parallelizable)"),
        ("pettingzoo_fakes:Alone", "built a Alone, which is no PettingZoo parallel environment"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(task, message):
    assert message in refusal(task)


def test_a_package_that_is_not_installed_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "mpe2"]:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not there
    assert "needs mpe2, which is not installed: pip install 'mpe2'" in refusal(SPREAD)
    (tmp_path / "wants_a_library.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "needs the package 'no_such_library', which is not installed" in refusal("wants_a_library:make")


def test_a_users_own_module_is_found_in_the_working_directory(tmp_path, monkeypatch):
    source = "from pettingzoo_fakes import Levers\n\ndef make_env(size=3):\n    return Levers(horizon=size)\n"
    (tmp_path / "my_own_games.py").write_text(source)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    env = PettingZooEnv(1, task="my_own_games:make_env,size=5")
    assert env.team.episode_limit == 5
    assert env.maker.module == "my_own_games"
    assert sys.path[-1] == str(tmp_path)  # behind everything else: it hides nothing
    (tmp_path / "my_broken_games.py").write_text("1 / 0\n")
    assert "importing my_broken_games raised ZeroDivisionError" in refusal("my_broken_games:make")


def test_an_environment_that_may_act_at_once_is_made_parallel():
    from mpe2 import simple_spread_v3

    maker = Maker(parse(SPREAD))
    maker.make = simple_spread_v3.env  # the AEC form, which declares is_parallelizable
    assert sorted(maker.build().reset(seed=0)[0]) == ["agent_0", "agent_1", "agent_2"]


def test_an_unknown_episode_limit_is_asked_for():
    message = refusal("pettingzoo_fakes:Levers,careless=true", SettingError)
    assert "add max_steps, for example pettingzoo:pettingzoo_fakes:Levers,careless=true,max_steps=100" in message
    assert "max_steps must be a whole number of steps" in refusal("pettingzoo_fakes:Levers,max_steps=few", SettingError)


def test_a_limit_is_found_in_what_an_environment_wraps():
    class Inner:
        max_episode_steps = 40

    class Wrapper:
        env = Inner()

    class Specified:
        spec = Inner()

    maker = Maker(parse("pettingzoo_fakes:Levers"))
    assert (maker.limit(Wrapper()), maker.limit(Specified())) == (40, 40)


def test_drawing_is_asked_for_only_where_it_is_offered():
    assert Maker(parse("pettingzoo_fakes:Rescue")).build().render_mode == "rgb_array"
    assert not hasattr(Maker(parse("pettingzoo_fakes:Levers")).build(), "render_mode")
