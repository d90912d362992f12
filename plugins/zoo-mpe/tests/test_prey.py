"""The scripted prey: rules, frozen networks, and files that are not what they say."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from zoo_core import UsageError, uniforms
from zoo_mpe import policies
from zoo_mpe.envs import PredatorPrey, World
from zoo_mpe.policies import shipped
from zoo_mpe.prey_network import NetworkFileError, load_prey, save_prey

OBS = {PredatorPrey: 14, World: 22}


class BenchmarkPolicy(nn.Module):
    """The published prey's network: batch normalisation of the input, two hidden layers of 64, tanh."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.in_fn = nn.BatchNorm1d(inputs)
        self.fc1, self.fc2, self.fc3 = nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, 2)

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(self.in_fn(obs)))))))


def benchmark_policy(inputs: int) -> BenchmarkPolicy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(inputs)
        policy = BenchmarkPolicy(inputs)
        policy(2.0 * torch.randn(256, inputs) + 0.5)  # moves the running statistics away from 0 and 1
        return policy.eval()


def benchmark_file(path, policy, **settings):
    """A file of the layout in which the benchmark publishes its prey."""
    other = {"policy": benchmark_policy(16).state_dict(), "critic": {}, "target_policy": {}, "target_critic": {}}
    prey = {"policy": policy.state_dict(), "critic": {}, "target_policy": policy.state_dict(), "target_critic": {}}
    torch.save({"init_dict": {"lr": 0.01, **settings}, "agent_params": [other, other, other, prey]}, path)
    return path


class RunsCode:
    """An object whose unpickling would create a file."""

    def __init__(self, target) -> None:
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def play(env, seeds):
    env.reset(seeds)
    actions = 2.0 * uniforms(seeds, "test policy", (25, 3, 2)) - 1.0
    for t in range(25):
        view = env.step(actions[:, t])
    return view.obs


@pytest.mark.parametrize("make", [PredatorPrey, World])
def test_a_random_prey_draws_uniform_actions_from_the_episodes_seed(make):
    env = make(3000, prey="random")
    env.reset(range(3000))
    time = np.zeros(3000, dtype=np.intp)
    first = env.prey.act(env._obs[-1], time)
    assert np.abs(first).max() <= 1.0
    np.testing.assert_allclose(first.mean(axis=1), 0.0, atol=0.04)
    np.testing.assert_allclose(first.var(axis=1), 1 / 3, atol=0.03)
    assert np.abs(np.corrcoef(first.ravel(), env.prey.act(env._obs[-1], time + 1).ravel())[0, 1]) < 0.05
    env.reset(range(1, 3001))
    np.testing.assert_array_equal(env.prey.act(env._obs[-1], time)[:, :-1], first[:, 1:])


def chase(env):
    """Touches in 25 steps of three predators that run straight at the prey."""
    seen = env.team.obs_sizes[0] - (4 if env.team.env == "mpe-pp" else 6)
    view, touches = env.reset(range(env.num_envs)), 0
    for _ in range(25):
        view = env.step(np.clip(5.0 * view.obs[:, :, seen : seen + 2], -1.0, 1.0))
        touches += env.world.overlapping(3, slice(-3, None)).sum()
    return touches / env.num_envs


@pytest.mark.parametrize("make", [PredatorPrey, World])
def test_a_fleeing_prey_is_caught_less_often_than_a_random_one_and_stays_in_the_arena(make):
    random, flee = make(400, prey="random"), make(400, prey="flee")
    assert chase(random) > 4 * chase(flee) > 0.0
    assert np.abs(flee.world.position[3]).max() < 1.5


@pytest.mark.parametrize("make", [PredatorPrey, World])
def test_the_shipped_prey_is_the_default_and_named_by_its_bytes(make):
    env = make(4)
    name = f"{env.team.env}-prey"
    assert env.team.scripted == (f"prey_0=network-{shipped(name).sha256[:12]}",)
    assert make(1, prey="trained").team == env.team
    path = Path(policies.__file__).with_name(f"{name}.safetensors")
    np.testing.assert_array_equal(play(make(4, prey=path), range(4)), play(env, range(4)))


@pytest.mark.parametrize("make", [PredatorPrey, World])
def test_the_shipped_prey_is_caught_more_often_than_the_fleeing_rule_and_less_than_a_random_prey(make):
    fleeing, trained, random = (chase(make(400, prey=prey)) for prey in ("flee", "trained", "random"))
    assert fleeing < trained < random


@pytest.mark.parametrize("make", [PredatorPrey, World])
def test_the_published_file_acts_as_its_torch_network_does(make, tmp_path):
    policy = benchmark_policy(OBS[make])
    path = benchmark_file(tmp_path / "pretrained_adv_model.pt", policy, high=np.float32(1.0), scale=np.float64(2.0))
    obs = 4.0 * uniforms(range(300), "obs", (OBS[make],)) - 2.0
    with torch.no_grad():
        expected = policy.double()(torch.from_numpy(obs)).numpy()
    prey = load_prey(path, OBS[make])
    np.testing.assert_allclose(prey.act(obs.T.copy(), np.zeros(300, dtype=np.intp)).T, expected, atol=1e-6)
    env = make(6, prey=path)
    assert env.team.scripted == (f"prey_0={prey.name}",)
    together, alone = play(env, range(6)), play(make(1, prey=str(path)), [4])
    np.testing.assert_array_equal(together[4], alone[0])


def test_a_file_written_under_an_older_numpy_is_read(tmp_path):
    """Until NumPy 2 its numbers were pickled under the module name numpy.core."""
    path = benchmark_file(tmp_path / "new.pt", benchmark_policy(14), high=np.float32(1.0))
    old = tmp_path / "old.pt"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as copy:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("data.pkl"):
                data = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
                assert b"cnumpy.core.multiarray\n" in data
            copy.writestr(name, data)
    obs = uniforms(range(9), "obs", (14,)).T.copy()
    time = np.zeros(9, dtype=np.intp)
    np.testing.assert_array_equal(load_prey(old, 14).act(obs, time), load_prey(path, 14).act(obs, time))


def test_our_own_layout_is_written_and_read(tmp_path):
    rng = np.random.default_rng(0)
    layers = [(rng.normal(size=(8, 14)).astype("f4"), rng.normal(size=8).astype("f4"))]
    layers.append((rng.normal(size=(2, 8)).astype("f4"), rng.normal(size=2).astype("f4")))
    save_prey(tmp_path / "prey.safetensors", layers)
    obs = rng.normal(size=(14, 5))
    hidden = np.maximum(layers[0][0].astype("f8") @ obs + layers[0][1][:, None], 0.0)
    expected = np.tanh(layers[1][0].astype("f8") @ hidden + layers[1][1][:, None])
    prey = load_prey(tmp_path / "prey.safetensors", 14)
    np.testing.assert_allclose(prey.act(obs, np.zeros(5, dtype=np.intp)), expected, atol=1e-13)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("how", ["torch", "legacy torch", "bare pickle"])
def test_a_file_that_would_run_code_is_refused_and_runs_none(how, tmp_path):
    path, target = tmp_path / "prey.pt", tmp_path / "ran"
    content = {"agent_params": [{"policy": RunsCode(target)}]}
    if how == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(NetworkFileError, match="Nothing in it was run"):
        PredatorPrey(1, prey=path)
    assert not target.exists()
    pickle.loads(pickle.dumps(RunsCode(target))).close()
    assert target.exists()  # so the refusal, and nothing else, kept it away


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 half an archive"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_damaged_file_is_one_clear_error(content, suffix, tmp_path):
    path = tmp_path / f"prey{suffix}"
    path.write_bytes(content)
    with pytest.raises(NetworkFileError, match="prey file"):
        PredatorPrey(1, prey=path)


def test_the_prey_of_the_other_game_is_refused(tmp_path):
    path = benchmark_file(tmp_path / "prey.pt", benchmark_policy(22))
    World(1, prey=path)
    with pytest.raises(NetworkFileError, match="prey of the other game"):
        PredatorPrey(1, prey=path)


@pytest.mark.parametrize("content", [{}, {"agent_params": []}, {"agent_params": [{"policy": {}}]}, [1, 2], 3])
def test_a_torch_file_of_another_layout_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "prey.pt")
    with pytest.raises(NetworkFileError, match="expected agent_params"):
        PredatorPrey(1, prey=tmp_path / "prey.pt")


def tensors(**changes):
    good = {"layer0.weight": np.ones((4, 14), "f4"), "layer0.bias": np.ones(4, "f4")}
    good |= {"layer1.weight": np.ones((2, 4), "f4"), "layer1.bias": np.ones(2, "f4")}
    good |= {f"norm.{part}": np.ones(14, "f4") for part in ("mean", "variance", "weight", "bias")}
    return {name: values for name, values in (good | changes).items() if values is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer1.weight": np.ones((2, 5), "f4")}, "layer 1 has weight"),
        ({"layer0.bias": np.ones(3, "f4")}, "layer 0 has weight"),
        ({"layer1.weight": np.ones((3, 4), "f4"), "layer1.bias": np.ones(3, "f4")}, "gives 3 numbers"),
        ({"layer1.bias": None}, "unexpected tensors"),
        ({"norm.mean": None}, "unexpected tensors"),
        ({"norm.mean": np.ones(13, "f4")}, "norm"),
        ({"norm.variance": -np.ones(14, "f4")}, "variance ≥ 0"),
        ({"layer0.bias": np.full(4, np.nan, "f4")}, "layer0.bias is not finite"),
        ({"more": np.ones(1, "f4")}, "unexpected tensors"),
    ],
)
def test_a_network_of_wrong_shape_or_content_is_refused(changes, message, tmp_path):
    path = tmp_path / "prey.safetensors"
    save_file(tensors(), path)
    PredatorPrey(1, prey=path)
    save_file(tensors(**changes), path)
    with pytest.raises(NetworkFileError, match=message):
        PredatorPrey(1, prey=path)


def test_a_missing_file_names_the_rules(tmp_path):
    with pytest.raises(UsageError, match="'random', 'flee'"):
        World(1, prey=tmp_path / "absent.pt")
