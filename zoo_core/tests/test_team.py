"""A TeamSpec refuses what makes no sense, and derives what follows from it."""

import json

import pytest

from zoo_core import ReferenceScores, TeamSpec, ZooError

GOOD = {"env": "arena", "agents": ("a", "b"), "obs_sizes": (3, 5), "action_sizes": (2, 1)}


def test_sizes_follow_from_the_agents():
    team = TeamSpec(**GOOD)
    assert (team.n, team.obs_size, team.action_size, team.joint_action_size) == (2, 5, 2, 4)
    assert team.state_size == 8  # unpadded observations, concatenated
    assert not team.homogeneous
    assert not team.discrete
    assert TeamSpec(**GOOD | {"obs_sizes": (3, 3), "action_sizes": (2, 2)}).homogeneous


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"obs_sizes": (3,)}, "one length"),
        ({"agents": (), "obs_sizes": (), "action_sizes": ()}, "at least 1"),
        ({"agents": ("a", "a")}, "names of their own"),
        ({"obs_sizes": (3, 0)}, "positive"),
        ({"action_sizes": (2, -1)}, "positive"),
        ({"action_kind": "hybrid"}, "action_kind must be 'continuous' or 'discrete'"),
        ({"state_size": 7}, "concat_obs state has size 8, not 7"),
        ({"state_kind": "stored"}, "needs a state_size"),
        ({"state_kind": "per_agent"}, "needs a state_size"),
        ({"state_kind": "telepathic", "state_size": 3}, "state_kind must be"),
        ({"action_low": 1.0, "action_high": 1.0}, "action_low must lie below action_high"),
    ],
)
def test_a_team_that_makes_no_sense_is_refused_by_name(wrong, message):
    with pytest.raises(ZooError, match=f"team of 'arena'.*{message}"):
        TeamSpec(**GOOD | wrong)


def test_a_team_survives_json():
    team = TeamSpec(
        **GOOD, state_kind="stored", state_size=4, scripted=("prey",), reference=ReferenceScores(1.0, 2.0, "measured")
    )
    assert TeamSpec.from_json(json.loads(json.dumps(team.as_json()))) == team
    plain = TeamSpec(**GOOD)
    assert TeamSpec.from_json(json.loads(json.dumps(plain.as_json()))) == plain
