"""Every network of the family of mixed values has its gradient clipped as the setting `clip` says."""

import pytest
from torch import nn

from zoo_core import Update, load_zoo
from zoo_core.testing import tiny_config, tiny_dataset, tiny_team
from zoo_core.training import build_algorithm

ZOO = load_zoo()
MIXED = [
    o.entry
    for o in ZOO.algorithms
    if o.entry.mixer is not None and "clip" in o.entry.load().Config.__dataclass_fields__
]


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("entry", MIXED, ids=lambda entry: entry.name)
def test_every_update_of_networks_is_clipped_at_the_setting(entry, kind):
    if kind not in entry.actions:
        pytest.skip("not for such actions")
    team = tiny_team(kind)
    statistics = tiny_dataset(team, masked=team.discrete).statistics()
    config = tiny_config(entry, kind, clip=0.3)
    algorithm = build_algorithm(entry, team, config, 0, statistics=statistics, mixer=ZOO.find("mixer", "linear"))
    updates = [step for phase in algorithm.phases() for step in phase.steps if isinstance(step, Update)]
    of_networks = [step for step in updates if isinstance(getattr(algorithm, step.learns[0]), nn.Module)]
    assert len(of_networks) >= 2 or len(updates) == 1
    for step in of_networks:
        assert step.clip is not None, step.name
        assert step.clip.norm == 0.3, step.name
