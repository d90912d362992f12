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


class Place:
    """A folder with the four packages, and one that they are installed into."""

    def __init__(self, home: Path) -> None:
        self.home, self.site = home, home / "site"
        self.folders = [home / f"zoo-{name}" for name in KINDS.values()]

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONPATH": str(self.site),
            "ZOO_CACHE": str(self.home / "cache"),
            "ZOO_PLUGINS": ",".join([*(folder.name for folder in self.folders), "zoo-mpe", "zoo-bc"]),
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
    return place


def test_every_kind_is_listed_once_installed(place: Place) -> None:
    listed = json.loads(place.zoo("list", "--json"))
    for kind, name in OFFERED.items():
        assert name in [entry["name"] for entry in listed[kind]]
    rows = {row["distribution"]: row for row in listed["plugins"]}
    assert [(rows[folder.name]["state"], rows[folder.name]["heavy"]) for folder in place.folders] == [("ok", [])] * 4


def test_the_algorithm_trains_on_the_environment_and_its_dataset(place: Place) -> None:
    small = ["--set", "batch_size=16", "--set", "hidden=8", "--eval-episodes", "4", "--final-episodes", "4"]
    where = ["--algo", "made-algo", "--env", "made-world", "--iterations", "5"]
    (run,) = json.loads(place.zoo("train", *where, *small, "--json"))["runs"]
    assert run["final"]["iteration"] == 5
    assert (place.home / run["folder"] / "metrics.jsonl").is_file()


def test_the_dataset_is_built_to_the_size_asked_for(place: Place) -> None:
    said = place.zoo("data", "build", "mpe-cn/made-data", "--transitions", "512")
    assert said.startswith("mpe-cn/made-data  525 transitions in 21 episodes")  # the last of 25 steps each is whole
    place.zoo("data", "inspect", said.splitlines()[1])


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
