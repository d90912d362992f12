"""An imported dataset does not say its quality; `--quality` says whose settings hold."""

import pytest

from zoo_core import UsageError, load_zoo
from zoo_core.testing import tiny_dataset
from zoo_core.training import TrainRequest, make_plan


@pytest.fixture
def imported(tmp_path):
    team = load_zoo().find("env", "mpe-cn").load()(1).team
    tiny_dataset(team, folder=tmp_path / "imported")
    return str(tmp_path / "imported")


def plan(dataset, quality="", notes=None):
    request = TrainRequest(algo="spacql", env="mpe-cn", dataset=dataset, quality=quality)
    return make_plan(request, load_zoo(), note=notes.append if notes is not None else None)


def test_quality_beside_a_dataset_takes_the_settings_of_that_quality(imported):
    assert plan(imported, "expert").config.alpha == 2.5
    assert plan(imported, "random").config.alpha == 0.5


def test_without_it_the_run_says_that_no_quality_is_known(imported):
    notes = []
    plan(imported, notes=notes)
    assert len(notes) == 1
    assert "does not say its quality" in notes[0]
    assert "expert" in notes[0]


def test_an_unknown_quality_is_refused_by_name(imported):
    with pytest.raises(UsageError, match=r"quality 'exprt'\. Did you mean 'expert'"):
        plan(imported, "exprt")
