"""`zoo data`: what each command prints, changes and exits with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from zoo_cli.commands.data import FORMATS
from zoo_cli.main import main
from zoo_core import DatasetEntry, EnvEntry, Source, Step, TeamSpec, uniforms
from zoo_core.data import EpisodeWriter, collect
from zoo_core.data.importers import IMPORTERS
from zoo_core.plugins import Offer, Zoo

TEAM = TeamSpec("walk", ("a", "b"), (2, 2), (1, 1), episode_limit=4)
ENV = EnvEntry("walk", "two walkers", f"{__name__}:Walk", Source("none"), convention="two on a line")
ENTRY = DatasetEntry("walk/random", "uniform actions", f"{__name__}:fill", Source("none"), env="walk", transitions=40)


class Walk:
    """Two walkers on a line, four steps."""

    team = TEAM

    def __init__(self, num_envs):
        self.num_envs = num_envs

    def reset(self, seeds, copies=None):
        self.t, self.x = 0, uniforms(seeds, "start", (2, 2))
        return self._show()

    def step(self, action):
        self.t, self.x = self.t + 1, self.x + action
        return self._show()

    def _show(self):
        never = np.zeros(self.num_envs, dtype=bool)
        return Step(self.x, self.x.sum(-1), never, never | (self.t == 4))


def fill(build):
    """The recipe of `ENTRY`."""
    seeds = build.seed * 1000 + np.arange(build.transitions // 4)
    for group in collect(build.env(8), lambda obs, mask, s, t: uniforms(s, f"a{t}", (2, 1)) * 2 - 1, seeds):
        build.add(**group)
    build.note("policy", "uniform")


@pytest.fixture(autouse=True)
def private_zoo(tmp_path, monkeypatch):
    for name, folder in (("ZOO_CACHE", "cache"), ("ZOO_DATA", "data"), ("MINARI_DATASETS_PATH", "minari")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    zoo = Zoo.assemble([Offer(ENTRY, "zoo-walk", "1"), Offer(ENV, "zoo-walk", "1")], [])
    monkeypatch.setattr("zoo_core.plugins.load_zoo", lambda: zoo)


@pytest.fixture
def run(capsys):
    """Run a command line in this process: its exit code, standard output and standard error."""

    def run_command(*words):
        code = main(["data", *map(str, words)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, captured.err

    return run_command


@pytest.fixture
def npy_folder(tmp_path):
    folder = tmp_path / "seed_0_data"
    folder.mkdir()
    obs = np.random.default_rng(0).normal(size=(3, 5, 2))
    for i in range(2):
        np.save(folder / f"obs_{i}.npy", obs[:, :-1].reshape(12, 2))
        np.save(folder / f"next_obs_{i}.npy", obs[:, 1:].reshape(12, 2))
        np.save(folder / f"acs_{i}.npy", np.full((12, 1), 0.5))
        np.save(folder / f"rews_{i}.npy", np.ones(12))
        np.save(folder / f"dones_{i}.npy", np.zeros(12))
    return folder


COMMANDS = ("list", "build", "collect", "import", "export", "inspect", "correlation", "verify", "path")


def test_the_formats_offered_are_those_that_can_be_read():
    assert tuple(IMPORTERS) == FORMATS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_commands_help_has_an_example(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"zoo data {command}" in out.split("Examples:")[1]


def test_the_group_lists_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(f"\n  {command} " in out for command in COMMANDS)


def test_build_prints_the_result_on_stdout_and_progress_on_stderr(run, tmp_path):
    code, out, err = run("build", "walk/random")
    assert code == 0
    assert "walk/random  40 transitions in 10 episodes" in out
    assert str(tmp_path / "data/walk/random/v1-seed0") in out
    assert "building walk/random: 40 of 40 transitions" in err


def test_building_again_changes_nothing_and_force_replaces(run, tmp_path):
    run("build", "walk/random")
    folder = tmp_path / "data/walk/random/v1-seed0"
    inode = folder.stat().st_ino
    assert run("build", "walk/random")[0] == 0
    assert folder.stat().st_ino == inode
    assert run("build", "walk/random", "--force")[0] == 0
    assert folder.stat().st_ino != inode


def test_equal_seeds_print_equal_hashes(run):
    hashes = [
        run("build", "walk/random", "--seed", seed, "--force")[1].split("hash ")[1].split()[0] for seed in (0, 0, 1)
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_list_shows_what_is_here_and_what_can_be_built(run):
    assert "zoo data build" in run("list")[1]
    assert json.loads(run("list", "--json")[1])["buildable"][0]["name"] == "walk/random"
    run("build", "walk/random")
    listed = json.loads(run("list", "--json")[1])
    assert listed["buildable"] == []
    assert (listed["stored"][0]["name"], listed["stored"][0]["transitions"]) == ("walk/random", 40)
    assert "walk/random" in run("list")[1]


def test_a_smaller_build_does_not_hide_that_the_published_size_is_missing(run):
    run("build", "walk/random", "--transitions", 8)
    listed = json.loads(run("list", "--json")[1])
    assert [row["transitions"] for row in listed["stored"]] == [8]
    assert [row["transitions"] for row in listed["buildable"]] == [40]


def test_what_is_listed_can_be_typed_be_it_of_another_size(run, tmp_path):
    run("build", "walk/random")
    run("build", "walk/random", "--transitions", 8)
    listed = {row["transitions"]: row["dataset"] for row in json.loads(run("list", "--json")[1])["stored"]}
    assert listed == {40: "walk/random", 8: str(tmp_path / "data/walk/random/v1-seed0-n8")}
    assert listed[8] in run("list")[1]
    for transitions, typed in listed.items():
        assert f"{transitions} transitions in" in run("inspect", typed)[1]


def test_list_survives_a_damaged_card(run, tmp_path):
    run("build", "walk/random")
    (tmp_path / "data/walk/random/v1-seed0/card.json").write_text("{")
    code, out, _ = run("list")
    assert code == 0
    assert "unreadable" in out


def test_collect_keeps_what_a_random_policy_does_and_every_other_command_knows_it(run, tmp_path):
    code, out, err = run("collect", "--env", "walk", "--name", "mine/uniform", "--episodes", 7)
    assert code == 0
    assert "mine/uniform  28 transitions in 7 episodes" in out
    assert "collecting mine/uniform: 7 of 7 episodes" in err
    assert run("path", "mine/uniform")[1].strip() == str(tmp_path / "data/imported/mine/uniform")
    assert "mine/uniform  collected" in run("list")[1]
    shown = run("inspect", "mine/uniform")[1]
    assert "source: policy" in shown
    assert "independent uniform actions in [-1, 1]" in shown
    assert "ok       mine/uniform" in run("verify", "mine/uniform")[1]


def test_collecting_equal_seeds_prints_equal_hashes_and_never_overwrites_unasked(run):
    asked = ("collect", "--env", "walk", "--name", "mine", "--transitions", 30)
    first = run(*asked)[1].split("hash ")[1].split()[0]
    code, out, err = run(*asked, "--seed", 1)
    assert (code, out) == (1, "")
    assert "exists already; nothing was overwritten (--force replaces it)" in err
    assert first in run(*asked, "--force")[1]
    assert first not in run(*asked, "--force", "--seed", 1)[1]


def test_correlation_of_independent_walkers_is_about_zero_and_kept_for_inspect(run, monkeypatch):
    from zoo_core.data import correlation

    monkeypatch.setattr(correlation, "UPDATES", 20)
    run("build", "walk/random", "--transitions", "2000")
    folder = str(next(Path(os.environ["ZOO_DATA"]).glob("walk/random/*n2000")))
    code, out, _ = run("correlation", folder, "--json")
    found = json.loads(out)["walk/random"]
    assert code == 0
    assert abs(found["gain"]) < 0.01
    shown = run("correlation", folder)[1]
    assert "walk/random" in shown
    assert f"{found['gain']:.4f} ± {found['half_width']:.4f}" in shown
    assert json.loads(run("inspect", folder, "--json")[1])["action_correlation"] == found
    assert f"{found['gain']:.4f} ± {found['half_width']:.4f} nats per agent" in run("inspect", folder)[1]


def test_inspect_of_a_handful_of_episodes_says_that_correlation_was_not_measured(run):
    run("build", "walk/random")
    assert "not measured" in run("inspect", "walk/random")[1]
    assert json.loads(run("inspect", "walk/random", "--json")[1])["action_correlation"] is None


def test_inspect_shows_the_card_and_a_histogram_of_all_episodes(run):
    run("build", "walk/random")
    code, out, _ = run("inspect", "walk/random")
    assert code == 0
    for text in ("40 transitions in 10 episodes", "two on a line", "uniform", "4 an episode", "Return: mean", "█"):
        assert text in out
    card = json.loads(run("inspect", "walk/random", "--json")[1])
    assert sum(card["return_histogram"]["counts"]) == card["episodes"] == 10
    edges = card["return_histogram"]["edges"]
    assert (edges[0], edges[-1]) == pytest.approx((card["returns"]["min"], card["returns"]["max"]))


def test_verify_passes_whole_datasets_and_fails_damaged_ones(run, tmp_path):
    run("build", "walk/random")
    code, out, _ = run("verify")
    assert (code, out.split()[:2]) == (0, ["ok", "walk/random"])
    path = tmp_path / "data/walk/random/v1-seed0/reward.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    for words in (["verify"], ["verify", "walk/random"]):
        code, out, _ = run(*words)
        assert code == 1
        assert "damaged" in out
        assert "reward" in out
    code, out, _ = run("verify", "--json")
    assert code == 1
    assert [row["ok"] for row in json.loads(out)] == [False]


def test_path_prints_the_folder_and_nothing_else(run, tmp_path):
    run("build", "walk/random")
    assert run("path", "walk/random")[1] == f"{tmp_path / 'data/walk/random/v1-seed0'}\n"
    assert run("path")[1] == f"{tmp_path / 'data'}\n"


def test_import_says_what_was_found_and_assumed_and_refuses_to_overwrite(run, npy_folder):
    words = ("import", npy_folder, "--env", "walk", "--name", "theirs/walk")
    code, out, _ = run(*words)
    assert code == 0
    assert "0 of 3 episodes have a done" in out
    assert "--timeouts-are-terminal" in out
    assert "largest difference" in out
    code, _, err = run(*words)
    assert code == 1
    assert "--force" in err
    assert run(*words, "--force", "--timeouts-are-terminal")[0] == 0
    assert "all episodes terminated" in run("inspect", "theirs/walk")[1]


def test_help_of_import_names_every_format_and_shows_one_of_each(run):
    help_text = run("import", "--help")[1]
    for name in FORMATS:
        assert f"\n  {name} " in help_text
    examples = help_text.split("Examples:")[1]
    assert all(word in examples for word in ("seed_0_data", ".hdf5", ".npz", "expert-v0"))


def test_a_robots_file_is_imported_by_its_content_alone_with_progress(run, tmp_path):
    path = tmp_path / "walk.data"
    arrays = {"o": np.arange(60.0).reshape(15, 2, 2), "a": np.full((15, 2, 1), 2.0), "r": np.ones((15, 1))}
    arrays |= {"s": arrays["o"], "d": (np.arange(15) % 5 == 4)[:, None]}
    with h5py.File(path, "w") as file:
        for key, values in arrays.items():
            file[key] = values
    code, out, err = run("import", path, "--env", "walk", "--name", "theirs/walk")
    assert code == 0
    assert "importing theirs/walk: 12 of 12 transitions" in err
    for text in (
        "15 rows: 12 steps and 3 terminal rows",
        "3 of 3 episodes have a done at the time limit",
        "3 time limits stored as terminals relabelled as truncated",
        "24 of 24 action values clipped to [-1, 1]; the largest lay 1 outside",
        "12 transitions in 3 episodes, return 4.0 ± 0.0",
    ):
        assert text in out
    shown = run("inspect", "theirs/walk")[1]
    assert "source: sha256" in shown
    assert "all episodes were truncated" in shown
    code, _, err = run("import", path, "--format", "comadice", "--env", "walk", "--name", "other")
    assert code == 1
    assert "no .npz archive" in err


@pytest.mark.parametrize(("name", "expected"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_import_stopped_in_its_midst_leaves_nothing(npy_folder, tmp_path, monkeypatch, name, expected):
    add = EpisodeWriter.add

    def add_and_stop(self, **arrays):
        add(self, **arrays)
        os.kill(os.getpid(), getattr(signal, name))

    monkeypatch.setattr(EpisodeWriter, "add", add_and_stop)
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    before = signal.getsignal(signal.SIGTERM)
    try:
        code = main(["data", "import", str(npy_folder), "--env", "walk", "--name", "a/b"])
    except SystemExit as stopped:
        code = stopped.code
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert code == expected
    assert signal.getsignal(signal.SIGTERM) == before
    assert not (tmp_path / "data").exists()


def test_export_and_import_keep_the_hash(run):
    pytest.importorskip("minari")
    run("build", "walk/random")
    code, out, err = run("export", "walk/random", "--to", "minari")
    assert (code, out.split()[0]) == (0, "minari:walk/random-v0")
    assert "10 of 10 episodes" in err
    assert run("export", "walk/random", "--to", "minari")[0] == 1
    assert run("export", "walk/random", "--to", "minari", "--force", "--episodes", 4)[0] == 0
    assert run("export", "walk/random", "--to", "minari", "--force")[0] == 0
    assert run("import", "walk/random-v0", "--name", "back")[0] == 0
    cards = [json.loads(run("inspect", name, "--json")[1]) for name in ("walk/random", "back", "minari:walk/random-v0")]
    assert len({card["hash"] for card in cards}) == 1


@pytest.mark.parametrize(
    ("words", "code", "word"),
    [
        (["build", "walk/randm"], 2, "Did you mean 'walk/random'"),
        (["inspect", "walk/random"], 1, "zoo data build walk/random"),
        (["inspect", "./nowhere"], 1, "no dataset at"),
        (["verify", "walk/randm"], 2, "Did you mean"),
        (["import", "x", "--format", "npz", "--name", "y"], 2, "npy"),
        (["import", "x", "--format", "comadise", "--name", "y"], 2, "Did you mean 'comadice'"),
        (["import", "/nowhere", "--name", "y"], 1, "no file or folder /nowhere"),
        (["import", "/nowhere", "--format", "npy", "--name", "y"], 1, "no folder"),
        (["import", "/nowhere", "--format", "omiga", "--name", "y"], 1, "no file"),
        (["import", __file__, "--name", "y"], 1, "no HDF5 file, no .npz archive and no folder of .npy files"),
        (["import", "/nowhere", "--name", "walk/random"], 2, "built-in"),
        (["import", "/nowhere"], 2, "--name"),
        (["import", "/nowhere", "--name", "y", "--action-scale", "0"], 2, "--action-scale"),
        (["import", "/nowhere", "--name", "y", "--tolerance", "-1"], 2, "--tolerance"),
        (["export", "walk/random", "--to", "csv"], 2, "minari"),
        (["build", "walk/random", "--transitions", "0"], 2, "--transitions"),
        (["build"], 2, "NAME"),
        (["collect", "--env", "walk"], 2, "--name"),
        (["collect", "--name", "x"], 2, "zoo list envs"),
        (["collect", "--env", "wlak", "--name", "x"], 2, "Did you mean 'walk'"),
        (["collect", "--env", "walk", "--name", "walk/random"], 2, "built-in"),
        (["collect", "--env", "walk", "--name", "x", "--policy", "rnadom"], 2, "Did you mean 'random'"),
        (["collect", "--env", "walk", "--name", "x", "--policy", str(Path(__file__).parent)], 1, "no run at"),
        (["collect", "--env", "walk", "--name", "x", "--episodes", "1", "--transitions", "1"], 2, "not both"),
    ],
)
def test_mistakes_are_one_message_with_the_right_exit_code(run, words, code, word):
    found, out, err = run(*words)
    assert found == code
    assert word in err
    assert out == ""


def test_the_installed_command_imports_and_inspects(npy_folder, monkeypatch):
    monkeypatch.setenv("ZOO_PLUGINS", "zoo-mixers")  # probing all of them is no part of what is tested
    command = [str(Path(sys.executable).with_name("zoo")), "data"]
    name = ["--name", "theirs"]
    guess = ["--env", "line", "--infer-team", "--episode-length", "4"]
    subprocess.run([*command, "import", str(npy_folder), *name, *guess], check=True, capture_output=True)
    shown = subprocess.run([*command, "inspect", "theirs", "--json"], check=True, capture_output=True, text=True)
    assert json.loads(shown.stdout)["episodes"] == 3
