"""What `zoo plugin new` writes installs, is listed, trains, passes its own tests and is found sound, without network.

All four kinds are installed by one call of pip into a folder of their own, and used there through the real command.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ZOO = Path(sys.executable).with_name("zoo")
KINDS = {"algorithm": "made-algo", "env": "made-world", "dataset": "made-data", "mixer": "made-mixer"}
OFFERED = {"algos": "made-algo", "envs": "made-world", "datasets": "mpe-cn/made-data", "mixers": "made-mixer"}

MIXING = '''
from dataclasses import dataclass

import torch
from zoo_core import Adam, Algorithm, AlgorithmConfig, Loss, Phase, Rows, Update, setting
from zoo_core.nn import StackedMLP


@dataclass(frozen=True)
class Config(AlgorithmConfig):
    iterations: int = setting(5, "Gradient steps.")
    batch_size: int = setting(16, "Rows.")


class Mixing(Algorithm):
    """The mixed value of the agents' own values fits the reward, and the actors ascend it."""

    Config = Config

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.actors = StackedMLP(team.n, team.obs_size, (8,), team.action_size)
        self.critics = StackedMLP(team.n, team.obs_size + team.action_size, (8,), 1)
        self.mixer = mixer(team.n, team.state_size)

    def phases(self):
        value = Update("value", self.value_loss, ("critics", "mixer"), Adam(1e-3))
        actor = Update("actor", self.actor_loss, ("actors",), Adam(1e-3))
        return (Phase("train", Rows(self.config.batch_size), (value, actor)),)

    def mixed(self, batch, action):
        own = self.critics(torch.cat((batch.obs, action), -1).transpose(0, 1))
        return self.mixer(own.squeeze(-1).T, batch.state).squeeze(-1)

    def value_loss(self, batch, noise):
        return Loss((self.mixed(batch, batch.action) - batch.team_reward).square().mean(), {})

    def actor_loss(self, batch, noise):
        return Loss(-self.mixed(batch, self.act(batch.obs, None, None, None)[0]).mean(), {})

    def act(self, obs, mask, memory, generator):
        return self.actors(obs.transpose(0, 1)).transpose(0, 1).tanh(), memory
'''
"""An algorithm that takes any monotone mixer."""
MIXING_HOOKS = """
from zoo_core import AlgorithmEntry, Source, hookimpl


@hookimpl
def zoo_algorithms():
    needs, mixer = ("rows", "state"), ("monotone",)
    return [AlgorithmEntry("mixing", "Mixes.", "mixing.algorithm:Mixing", Source("a test"), needs=needs, mixer=mixer)]
"""


class Place:
    """A folder with the four packages, and one that they are installed into."""

    def __init__(self, home: Path) -> None:
        self.home, self.site = home, home / "site"
        self.folders = [home / f"zoo-{name}" for name in KINDS.values()]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONPATH": str(self.site),
            "ZOO_CACHE": str(self.home / "cache"),
            "ZOO_PLUGINS": ",".join([*(folder.name for folder in self.folders), "zoo-mpe", "zoo-bc", "mixing"]),
            "OMP_NUM_THREADS": "1",
        }
        environment.pop("ZOO_DATA", None)
        words = list(map(str, command))
        return subprocess.run(words, cwd=self.home, env=environment, capture_output=True, text=True, check=False)

    def zoo(self, *words: str | Path) -> str:
        """What the command says; it must succeed."""
        done = self.run(ZOO, *words)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("made"))
    for kind, name in KINDS.items():
        place.zoo("plugin", "new", name, "--kind", kind, *(["--env", "mpe-cn"] if kind == "dataset" else []))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    done = place.run(*pip, "--target", place.site, *place.folders)
    assert done.returncode == 0, done.stderr
    install_mixing(place.site)
    return place


def install_mixing(site: Path) -> None:
    """Lay the algorithm that mixes beside the packages under test, as pip would."""
    files = {
        "mixing/__init__.py": "",
        "mixing/plugin.py": MIXING_HOOKS,
        "mixing/algorithm.py": MIXING,
        "mixing-1.0.dist-info/METADATA": "Name: mixing\nVersion: 1.0\nRequires-Dist: zoo-core>=0.1\n",
        "mixing-1.0.dist-info/entry_points.txt": "[zoo]\nmixing = mixing.plugin\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")


def test_every_kind_is_listed_once_installed(place: Place) -> None:
    listed = json.loads(place.zoo("list", "--json"))
    for kind, name in OFFERED.items():
        assert name in [entry["name"] for entry in listed[kind]]
    rows = {row["distribution"]: row for row in listed["plugins"]}
    assert [(rows[folder.name]["state"], rows[folder.name]["heavy"]) for folder in place.folders] == [("ok", [])] * 4


SHORT = ("--iterations", "5", "--set", "batch_size=16", "--eval-episodes", "4", "--final-episodes", "4")


def train(place: Place, *words: str | Path) -> dict:
    """A run of five iterations, as its JSON; it must have reached them and left a folder."""
    (run,) = json.loads(place.zoo("train", *words, *SHORT, "--json"))["runs"]
    assert run["final"]["iteration"] == 5
    assert (place.home / run["folder"] / "metrics.jsonl").is_file()
    return run


def test_the_algorithm_trains_on_the_environment_and_its_dataset(place: Place) -> None:
    train(place, "--algo", "made-algo", "--env", "made-world", "--set", "hidden=8")


def test_an_algorithm_that_takes_a_mixer_trains_with_the_mixer(place: Place) -> None:
    run = train(place, "--algo", "mixing", "--env", "made-world", "--mixer", "made-mixer")
    assert json.loads((place.home / run["folder"] / "config.json").read_text())["mixer"] == "made-mixer"


def test_the_dataset_is_built_to_the_size_asked_for_and_trained_on(place: Place) -> None:
    said = place.zoo("data", "build", "mpe-cn/made-data", "--transitions", "512")
    assert said.startswith("mpe-cn/made-data  525 transitions in 21 episodes")  # the last of 25 steps each is whole
    folder = said.splitlines()[1]
    place.zoo("data", "inspect", folder)
    train(place, "--algo", "bc", "--dataset", folder, "--set", "hidden=8")


def test_their_own_tests_pass(place: Place) -> None:
    pytest_options = ["-q", "-p", "no:cacheprovider", "-W", "error::UserWarning"]
    done = place.run(sys.executable, "-m", "pytest", *pytest_options, *place.folders)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("name", KINDS.values())
def test_each_is_found_sound(place: Place, name: str) -> None:
    found = json.loads(place.zoo("plugin", "check", f"zoo-{name}", "--json"))
    assert found["verdict"] == f"zoo-{name} is sound: every claim holds"
    assert {row["outcome"] for row in found["rows"]} <= {"pass", "skip"}
    assert len([row for row in found["rows"] if row["outcome"] == "pass"]) > 15
