"""Names of tasks: four of their own, and a family for every other partition and convention."""

from __future__ import annotations

import pytest

from zoo_core import UsageError
from zoo_mamujoco.plugin import ENVS, OTHERS
from zoo_mamujoco.tasks import TASKS, Task


def test_the_tasks_of_published_data_have_names_of_their_own():
    assert [entry.name for entry in ENVS] == [Task(*pair).name for pair in TASKS]
    for entry in ENVS:
        assert set(entry.options) == {"robot", "partition"}


@pytest.mark.parametrize(
    ("text", "name", "sizes"),
    [
        ("hopper-3x1,obs=local", "mamujoco:hopper-3x1,obs=local,obsk=1", (8, 9, 8)),
        ("Ant-4x2", "mamujoco:ant-4x2,obs=omiga", (115,) * 4),
        ("ant-2x4,contacts=true", "mamujoco:ant-2x4,obs=omiga,contacts=true", (113, 113)),
        ("HalfCheetah-2x3,obs=omiga", "mamujoco:halfcheetah-2x3,obs=omiga", (19, 19)),
        ("halfcheetah-6x1, obs=local, obsk=0", "mamujoco:halfcheetah-6x1,obs=local,obsk=0", (7,) * 6),
    ],
)
def test_a_task_is_resolved_to_the_environment_it_says(text, name, sizes):
    entry = OTHERS.resolve(text)
    assert entry.name == name
    assert OTHERS.resolve(name.removeprefix("mamujoco:")) == entry
    team = entry.load()(1).team
    assert (team.env, team.n, team.obs_sizes) == (name, entry.agents, sizes)
    assert team.reference == entry.reference


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hopper", "write mamujoco:ROBOT-PARTITION"),
        ("hopper-3x1", "is the environment mamujoco-hopper-3x1"),
        ("hopper-3x1,obs=omiga", "is the environment mamujoco-hopper-3x1"),
        ("hoper-3x1", "no robot is called 'hoper'"),
        ("ant-3x3", r"no partition '3x3'; there are 2x4 \(2 agents\)"),
        ("ant-4x2,view=local", "'view' cannot be given; there are obs, obsk and contacts"),
        ("ant-4x2,obs=local,obs=omar", "cannot be given twice"),
        ("ant-4x2,obs=omar", "obs=omar is defined for HalfCheetah alone"),
        ("ant-4x2,obs=local,obsk=-1", "obsk is a whole number from 0"),
        ("walker-2x3", r"no robot is called 'walker'\. Known: Ant, HalfCheetah, Hopper\.$"),
        ("ant-4x2,obs=lokal", r"called 'lokal'\. Did you mean 'local'\?$"),
        ("ant-4x2,obsk=2", "nothing of obs=omiga: leave it out"),
        ("hopper-3x1,contacts=true", "Hopper's observation has no contact forces"),
        ("ant-4x2,contacts=1", "contacts true or false"),
    ],
)
def test_a_task_that_cannot_be_is_refused_with_what_can(text, message):
    with pytest.raises(UsageError, match=message):
        OTHERS.resolve(text)
