"""`python -m zoo_matd3` on the particle world, through the zoo's own discovery."""

import json
from dataclasses import asdict
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors import safe_open

from zoo_core import load_zoo
from zoo_matd3 import command_line, recipes
from zoo_matd3.algorithm import Config
from zoo_matd3.command_line import main

pytest.importorskip("zoo_mpe")

SHORT = {
    "transitions": 1000, "warmup": 500, "copies": 10, "hidden": 16, "batch_size": 32, "capacity": 1000,
    "evaluate_every": 500, "evaluation_episodes": 20,
}  # fmt: skip
PREDATORS = ["predator_0", "predator_1", "predator_2"]
SETTINGS = [argument for key, value in SHORT.items() for argument in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True, scope="module")
def only_these_plugins(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_PLUGINS", "zoo-mpe,zoo-matd3")
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def train(out, *arguments):
    return main(["train", "--env", "mpe-cn", "--out", str(out), *SETTINGS, *arguments])


def about(path):
    with safe_open(path, "numpy") as file:
        return json.loads(file.metadata()["about"])


def test_the_zoo_offers_matd3_as_an_online_trainer():
    assert load_zoo().find("algorithm", "matd3").online.startswith("python -m zoo_matd3 train")


def test_training_leaves_the_policy_its_origin_and_the_evaluations(tmp_path):
    assert train(tmp_path, "--seed", "4") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mpe-cn-seed4.json", "mpe-cn-seed4.safetensors"]
    log = json.loads((tmp_path / "mpe-cn-seed4.json").read_text())
    assert [row["transitions"] for row in log["evaluations"]] == [500, 1000]
    origin = about(tmp_path / "mpe-cn-seed4.safetensors")
    assert origin["return_mean"] == log["evaluations"][-1]["return_mean"]
    assert (origin["seed"], origin["config"]["hidden"], origin["obs_sizes"]) == (4, 16, [18, 18, 18])


def test_equal_commands_write_equal_bytes(tmp_path):
    for folder in ("one", "again"):
        assert train(tmp_path / folder, "--record") == 0
    for name in ("mpe-cn-seed0.safetensors", "mpe-cn-seed0-replay.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_keep_saves_the_first_policy_that_reaches_a_return(tmp_path):
    assert train(tmp_path, "--keep", "-10000", "--keep", "100000") == 0
    assert about(tmp_path / "mpe-cn-seed0--10000.safetensors")["transitions"] == 500
    assert not (tmp_path / "mpe-cn-seed0-100000.safetensors").exists()


def test_a_prey_that_learned_beside_the_predators_can_be_frozen_into_their_game(tmp_path):
    arguments = ["train", "--env", "mpe-pp", "--env-option", "control=all", "--split", "--out", str(tmp_path)]
    assert main([*arguments, *SETTINGS]) == 0
    origin = about(tmp_path / "mpe-pp-seed0.safetensors")
    assert (origin["obs_sizes"], origin["env_options"]) == ([16, 16, 16, 14], {"control": "all"})

    find = load_zoo().find("env", "mpe-pp").load()
    together = find(5, control="all")
    name = together.team.agents[-1]
    chased = find(5, prey=str(tmp_path / f"mpe-pp-seed0-{name}.safetensors"))
    with safe_open(tmp_path / "mpe-pp-seed0.safetensors", "numpy") as file:
        layers = [(file.get_tensor(f"{i}.weight")[3], file.get_tensor(f"{i}.bias")[3]) for i in range(3)]
    view, shown = together.reset(range(5)), chased.reset(range(5))
    for _ in range(5):
        (w0, b0), (w1, b1), (w2, b2) = layers
        hidden = np.maximum(np.maximum(view.obs[:, 3] @ w0 + b0, 0) @ w1 + b1, 0)
        prey = np.tanh(hidden @ w2 + b2)
        predators = np.full((5, 3, 2), 0.3)
        view = together.step(np.concatenate([predators, prey[:, None]], axis=1))
        shown = chased.step(predators)
        assert shown.obs == pytest.approx(view.obs[:, :3], abs=1e-9)


def test_ship_carries_out_every_recipe_of_an_environment(tmp_path, monkeypatch):
    short = (recipes.Recipe("good", Config(**SHORT)), recipes.Recipe("poor", Config(**SHORT), seed=1, record=True))
    monkeypatch.setattr(command_line, "RECIPES", {"mpe-cn": short})
    assert main(["ship", "--env", "mpe-cn", "--out", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.glob("*.safetensors")}
    assert names == {f"mpe-cn-{name}.safetensors" for name in ("good", "poor", "poor-replay")}


SHIPPED = [(env, recipe) for env, of_env in recipes.RECIPES.items() for recipe in of_env]


@pytest.mark.parametrize(("env", "recipe"), SHIPPED, ids=lambda value: getattr(value, "name", value))
def test_what_ships_was_made_by_the_recipe_as_it_stands(env, recipe):
    folder = resources.files("zoo_mpe.policies")
    names = [recipe.name, f"{recipe.name}-replay"] if recipe.record else [recipe.name]
    for name in names:
        origin = about(folder / f"{env}-{name}.safetensors")
        assert origin["config"] == asdict(recipe.config)
        assert (origin["env"], origin["seed"]) == (env, recipe.seed)
        assert set(origin["env_options"]) == set(recipe.options) | set(recipe.files)
        assert recipe.config.transitions - origin["transitions"] < recipe.config.copies
        assert str(folder) not in json.dumps(origin)


def test_a_recipe_may_play_against_what_an_earlier_one_made(tmp_path, monkeypatch):
    prey = recipes.Recipe("prey", Config(**SHORT), options={"control": "all"}, agent="prey_0")
    pack = recipes.Recipe("pack", Config(**SHORT), files={"prey": "prey"})
    monkeypatch.setattr(command_line, "RECIPES", {"mpe-pp": (prey, pack)})
    assert main(["ship", "--env", "mpe-pp", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.glob("*.safetensors")} == {
        "mpe-pp-prey.safetensors",
        "mpe-pp-pack.safetensors",
    }
    assert about(tmp_path / "mpe-pp-prey.safetensors")["agent"] == "prey_0"
    origin = about(tmp_path / "mpe-pp-pack.safetensors")
    assert (origin["agents"], origin["env_options"]) == (PREDATORS, {"prey": "made by prey"})


def test_a_recipe_without_the_file_it_needs_is_refused_before_it_trains(tmp_path, monkeypatch, capsys):
    pack = recipes.Recipe("expert", Config(**SHORT), files={"prey": "prey"})
    monkeypatch.setattr(command_line, "RECIPES", {"mpe-pp": (pack,)})
    assert main(["ship", "--env", "mpe-pp", "--out", str(tmp_path), "--only", "expert"]) == 2
    assert "needs" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--env", "mpe-cnn", "--out", "x"], "Did you mean 'mpe-cn'"),
        (["train", "--env", "mpe-cn", "--out", "x", "--set", "exploraton=1"], "Did you mean 'exploration'"),
        (["train", "--env", "mpe-cn", "--out", "x", "--set", "copies=many"], "copies takes int"),
        (["train", "--env", "mpe-cn", "--out", "x", "--set", "transitions=5"], "less than one step of copies=256"),
        (["train", "--env", "mpe-pp", "--out", "x", "--env-option", "control"], "--env-option takes key=value"),
        (
            ["train", "--env", "mpe-pp", "--out", "x", "--env-option", "contrl=all"],
            "unexpected keyword argument 'contrl'",
        ),
        (["train", "--env", "mpe-cn", "--out", "/dev/null/x"], "cannot make this folder"),
        (["ship", "--env", "mpe-none", "--out", "x"], "recipes for mpe-cn"),
    ],
)
def test_a_bad_request_exits_2_with_its_reason(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_interrupt_exits_130(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "load_zoo", lambda: SimpleNamespace(find=interrupted))
    assert train(tmp_path) == 130
