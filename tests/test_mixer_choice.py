"""Which mixer a run has: asked for, or the algorithm's default; recorded, part of the run's identity, or refused."""

import dataclasses
import json

import pytest
import torch

from zoo_core import MixerEntry, Source, UsageError, load_zoo
from zoo_core.compatibility import missing, require_mixer
from zoo_core.errors import IncompatiblePair, UnknownName
from zoo_core.plugins import Offer, Zoo
from zoo_core.testing import GAMES, game_dataset, tiny_config, tiny_dataset, tiny_learner
from zoo_core.training import RunFolder, TrainRequest, load_policy, train

INSTALLED = load_zoo()
MIXING = [o.entry for o in INSTALLED.algorithms if o.entry.mixer is not None]
MIXERS = [o.entry for o in INSTALLED.mixers]
GAME = next(game for game in GAMES if game.name == "test-tracking")
EARLIER = MixerEntry(
    "a-sum", "First by its name.", "zoo_mixers.mixers:VDN", Source("a test"), traits=("linear", "monotone")
)


def zoo(*without):
    """The installed algorithms and mixers with one more, which comes first, and the tracking game."""
    mixers = [o for o in INSTALLED.mixers if o.name not in without]
    others = [Offer(entry, "zoo-test", "") for entry in (GAME, EARLIER)]
    return Zoo.assemble([*INSTALLED.algorithms, *mixers, *others], ())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "tracking"
    game_dataset(GAME, episodes=32, folder=folder)
    return folder


@pytest.fixture
def run(data, tmp_path, monkeypatch):
    """Train OMIGA for two iterations; the one run's folder."""
    monkeypatch.setattr("zoo_core.training.run.draw_curve", lambda *args, **kwargs: "")
    torch.set_num_threads(1)

    def trained(*without, **given):
        small = {"hidden": 4, "batch_size": 8, "iterations": 2, **given.pop("settings", {})}
        request = TrainRequest(
            algo=given.pop("algo", "omiga"), dataset=str(data), settings=small, out=str(tmp_path), device="cpu",
            compile="off", eval_every=2, eval_episodes=2, final_episodes=2, **given,
        )  # fmt: skip
        return train(request, zoo=zoo(*without)).runs[0].folder

    return trained


def recorded(folder):
    config = json.loads((folder / "config.json").read_text())
    return config["mixer"], config["mixer_from"]


def test_an_algorithm_has_its_default_though_another_fits_and_comes_first(run):
    folder = run()
    assert recorded(folder) == ("linear", "the default of omiga")
    assert hasattr(load_policy(folder, zoo(), print).algorithm.mixer, "to_weights")


def test_without_its_default_it_has_the_first_that_fits(run):
    assert recorded(run("linear")) == ("a-sum", "the first installed that fits")


@pytest.mark.parametrize("given", [{"mixer": "vdn"}, {"settings": {"mixer": "vdn"}}], ids=["--mixer", "--set"])
def test_the_mixer_asked_for_is_recorded_and_makes_another_run(run, given):
    folder = run(**given)
    assert recorded(folder) == ("vdn", "--mixer")
    assert "mixer" not in RunFolder(folder).config["settings"]
    assert run() != folder
    assert not any(
        name.startswith("mixer.") for name, _ in load_policy(folder, zoo(), print).algorithm.named_parameters()
    )


def test_two_mixers_are_one_too_many(run):
    with pytest.raises(UsageError, match="name one mixer"):
        run(mixer="linear", settings={"mixer": "vdn"})
    with pytest.raises(UsageError, match="--set: mixer takes the name of one, not 3"):
        run(settings={"mixer": 3})


@pytest.mark.parametrize("algorithm", [a for a in MIXING if "linear" in a.mixer], ids=lambda a: a.name)
def test_qmix_is_refused_by_what_takes_local_weights_with_the_reason_and_what_to_take(algorithm):
    qmix = INSTALLED.find("mixer", "qmix")
    with pytest.raises(
        IncompatiblePair, match=r"qmix is not linear: it gives no weights(.|\n)*works with: linear"
    ) as refused:
        require_mixer(algorithm, qmix, MIXERS)
    assert refused.value.exit_code == 2


def test_a_config_file_may_name_the_mixer_and_the_command_line_counts_more(run, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("mixer: vdn\nhidden: 4\n")
    folder = run(config_file=str(file))
    assert recorded(folder) == ("vdn", "file mine.yaml")
    assert RunFolder(folder).manifest["changes"] == []
    assert recorded(run(config_file=str(file), settings={"mixer": "linear"})) == ("linear", "--mixer")
    assert run(mixer="vdn") == folder  # the same run, whoever says it


@pytest.mark.parametrize(
    ("algo", "line", "error", "message"),
    [
        ("omiga", "qmix", IncompatiblePair, r"qmix is not linear(.|\n)*The mixer is named in .*mine.yaml"),
        ("bc", "linear", IncompatiblePair, r"bc takes no mixer(.|\n)*The mixer is named in .*mine.yaml"),
        ("omiga", "vdm", UnknownName, r"no mixer is called 'vdm'. Did you mean 'vdn'(.|\n)*named in .*mine.yaml"),
        ("omiga", "3", UsageError, r"mine.yaml: mixer takes the name of one, not 3; see `zoo list mixers`"),
        ("omiga", "", UsageError, r"mine.yaml: mixer takes the name of one, not None"),
    ],
)
def test_a_mixer_of_a_config_file_is_refused_as_one_of_the_command_line(run, tmp_path, algo, line, error, message):
    file = tmp_path / "mine.yaml"
    file.write_text(f"mixer: {line}\n")
    with pytest.raises(error, match=message):
        run(algo=algo, config_file=str(file))
    assert list(tmp_path.iterdir()) == [file]


def test_the_refusal_comes_before_anything_is_written(run, tmp_path):
    with pytest.raises(IncompatiblePair, match="qmix is not linear"):
        run(mixer="qmix")
    with pytest.raises(IncompatiblePair, match="bc takes no mixer: leave --mixer out"):
        run(algo="bc", mixer="linear")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("algorithm", MIXING, ids=lambda a: a.name)
def test_a_default_mixer_is_one_that_the_algorithm_takes(algorithm):
    require_mixer(algorithm, INSTALLED.find("mixer", algorithm.default_mixer))


PAIRS = [(a, m) for a in MIXING for m in MIXERS if set(a.mixer) <= set(m.traits)]


@pytest.mark.parametrize(("algorithm", "mixer"), PAIRS, ids=[f"{a.name}-{m.name}" for a, m in PAIRS])
def test_an_algorithm_trains_with_every_mixer_that_fits(algorithm, mixer):
    games = [game for game in GAMES if not missing(algorithm, game)]
    kinds = {game.gives[0]: game for game in games}
    assert set(kinds) == set(algorithm.actions)
    for kind, game in kinds.items():
        dataset = tiny_dataset(game.load()(1).team, masked="action_mask" in game.gives)
        config = dataclasses.replace(tiny_config(algorithm, kind), iterations=3)
        learner = tiny_learner(algorithm, dataset, config, mixer=mixer.load())
        while not learner.finished:
            learner.step()
        learner.check_parameters()
