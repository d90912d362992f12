"""The entries of tasks, through the installed plugin."""

import json

import pytest

from zoo_core import load_zoo
from zoo_pettingzoo.plugin import FAMILY

SPREAD = "pettingzoo:mpe2.simple_spread_v3"


def test_the_installed_plugin_offers_the_family_and_resolves_its_members():
    entry = load_zoo().find("env", f"{SPREAD},continuous_actions=true")
    assert (entry.gives, entry.agents, entry.family) == (("continuous",), 3, "pettingzoo")
    assert load_zoo().find("env", f"zoo-pettingzoo:{SPREAD},continuous_actions=True") == entry
    assert json.loads(json.dumps(entry.as_json()))["options"] == {
        "task": "mpe2.simple_spread_v3,continuous_actions=true"
    }


def test_mpe2_says_that_it_is_another_game_than_the_benchmarks():
    assert "never compare with mpe-cn" in FAMILY.resolve("mpe2.simple_spread_v3").convention
    assert "mpe-cn" not in FAMILY.resolve("pettingzoo_fakes:Rescue").convention


def test_an_entry_names_the_packages_whose_code_it_is():
    assert FAMILY.resolve("mpe2.simple_spread_v3").modules == ("mpe2", "pettingzoo")
    own = FAMILY.resolve("pettingzoo_fakes:Rescue")
    assert own.modules == ("pettingzoo_fakes", "pettingzoo")
    assert "a module of the user's own" in own.convention


def test_the_summary_says_who_sees_and_does_how_much():
    assert FAMILY.resolve("mpe2.simple_speaker_listener_v4").summary == (
        "2 agents; observations: 3, 11; discrete actions: 3, 5; at most 25 steps."
    )
    assert "observations: 4 each; continuous action dim" in FAMILY.resolve("pettingzoo_fakes:Levers").summary


def test_masks_are_declared_where_there_are_some():
    gives = [FAMILY.resolve(f"pettingzoo_fakes:Rescue,masks={where}").gives for where in ("info", "obs", "none")]
    assert gives == [("discrete", "action_mask"), ("discrete", "action_mask"), ("discrete",)]


def test_scores_are_raw_unless_the_name_states_a_scale():
    assert "no reference scores, so scores are raw" in FAMILY.resolve("mpe2.simple_spread_v3").convention
    entry = FAMILY.resolve("mpe2.simple_spread_v3,random_score=-24,expert_score=-10")
    assert (entry.reference.random, entry.reference.expert) == (-24, -10)
    assert "raw" not in entry.convention
    assert entry.load()(1).team.reference == entry.reference


@pytest.mark.parametrize("task", ["mpe2.simple_tag_v3", "mpe2.simple_world_comm_v3,continuous_actions=true"])
def test_games_with_adversaries_are_one_team_of_all_agents(task):
    team = FAMILY.resolve(task).load()(1).team
    assert len(set(team.obs_sizes)) > 1
    assert any("adversary" in agent for agent in team.agents)
    assert any("agent" in agent for agent in team.agents)
