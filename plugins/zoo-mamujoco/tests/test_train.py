"""The trainer: its equations against naive versions, and that it is a function of its seed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from zoo_core import UsageError, generator
from zoo_mamujoco import ship as shipping
from zoo_mamujoco.files import write_whole
from zoo_mamujoco.plugin import ENVS
from zoo_mamujoco.policies import policies_of
from zoo_mamujoco.train import (
    SETTINGS,
    Learner,
    RunningMoments,
    Settings,
    Training,
    advantages,
    forward,
    main,
    perceptrons,
    train,
)

MAKE = {entry.name: entry.load() for entry in ENVS}
TINY = Settings(transitions=256, copies=4, horizon=32, epochs=2, minibatch=64, snapshots=2)


def test_every_environment_has_settings():
    assert set(SETTINGS) == set(MAKE)


def test_advantages_are_the_discounted_sums_of_temporal_differences():
    draw = np.random.default_rng(0)
    reward, value, last = draw.normal(size=(6, 2)), draw.normal(size=(6, 2)), draw.normal(size=2)
    ended = np.zeros((6, 2), dtype=bool)
    ended[3, 0] = ended[5, 1] = True
    found = advantages(reward, value, last, ended, 0.9, 0.8)
    following = np.concatenate([value[1:], last[None]])
    for copy in range(2):
        for t in range(6):
            total, weight = 0.0, 1.0
            for k in range(t, 6):
                beyond = 0.0 if ended[k, copy] else 0.9 * following[k, copy]
                total += weight * (reward[k, copy] + beyond - value[k, copy])
                if ended[k, copy]:
                    break
                weight *= 0.9 * 0.8
            assert found[t, copy] == pytest.approx(total)


def test_running_moments_are_those_of_all_rows():
    rows = np.random.default_rng(1).normal(3.0, 2.0, size=(500, 3))
    moments = RunningMoments(3)
    for part in np.split(rows, [7, 60, 61]):
        moments.see(part)
    assert moments.mean == pytest.approx(rows.mean(0), abs=1e-4)
    assert moments.sd == pytest.approx(rows.std(0), abs=1e-4)


def test_perceptrons_are_separate_and_begin_orthogonal():
    layers = perceptrons(3, (5, 8, 2), 0.5, generator(0, "test"))
    x = torch.randn(3, 10, 5, generator=generator(1, "test"))
    apart = [torch.tanh(x[i] @ layers[0][0][i] + layers[0][1][i]) @ layers[1][0][i] + layers[1][1][i] for i in range(3)]
    assert torch.allclose(forward(layers, x), torch.cat(apart, dim=-1), atol=1e-6)
    first, second = layers[0][0].detach(), layers[1][0].detach()
    assert torch.allclose(first @ first.mT, 2.0 * torch.eye(5).expand(3, 5, 5), atol=1e-5)
    assert torch.allclose(second.mT @ second, 0.25 * torch.eye(2).expand(3, 2, 2), atol=1e-5)


def learner(**settings):
    return Learner(np.arange(4)[None], 4, 2, replace(TINY, hidden=(8,), **settings), seed=0)


def test_the_loss_is_the_clipped_objective_and_the_values_squared_error():
    made, draw = learner(), generator(2, "test")
    obs, before, advantage, target = (torch.randn(n, generator=draw) for n in ((20, 4), (20,), (20,), (20,)))
    action, _ = made.act(obs)
    loss = made.loss(obs, action, before, advantage, target)
    mean, log_sd = forward(made.policy, obs[None]).detach(), made.log_sd.detach()
    sd, action = log_sd.exp(), action.detach()
    normalised = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    total = 0.0
    for i in range(20):
        density = sum(
            float(-0.5 * ((action[i, j] - mean[i, j]) / sd[j]) ** 2 - log_sd[j]) for j in range(action.shape[1])
        )
        ratio = np.exp(density - float(before[i]))
        a = float(normalised[i])
        total -= min(ratio * a, float(np.clip(ratio, 0.8, 1.2)) * a) / 20
        total += 0.5 * float(made.value(obs[i : i + 1]) - target[i]) ** 2 / 20
    assert float(loss) == pytest.approx(total, rel=1e-4)


def test_an_update_makes_rewarded_actions_likelier():
    made = learner(epochs=5)
    obs = torch.randn(256, 4, generator=generator(3, "test"))
    action, before = made.act(obs)
    made.update(
        [obs, action, before, action[:, 0], torch.zeros(256)], 3e-3
    )  # the more of the first dimension the better
    shift = forward(made.policy, obs[None]).mean(0)
    assert shift[0] > 0.05
    assert abs(shift[1]) < shift[0] / 2


@pytest.mark.parametrize("name", ["mamujoco-hopper-3x1", "mamujoco-halfcheetah-2x3"])
def test_a_kept_policy_acts_on_raw_observations_as_the_learner_on_normalised_ones(name):
    training = Training(MAKE[name](TINY.copies), TINY, seed=0)
    training.iterate(1e-3)
    tensors = training.policy()
    stacked = {key: tensor[None] for key, tensor in tensors.items()} | {"sees": training.minds}
    (policy,) = policies_of(stacked)
    full = training.env.full_observation()
    with torch.no_grad():
        mean = forward(training.learner.policy, training._normalised(full)[:, training.minds].transpose(0, 1))
    assert policy.mean(full) == pytest.approx(np.clip(mean.numpy(), -1, 1), abs=1e-5)
    assert policy.sd == pytest.approx(training.learner.log_sd.detach().exp().numpy())
    before = tensors["log_sd"].copy()
    training.iterate(1e-2)
    assert np.array_equal(tensors["log_sd"], before)  # what is kept does not follow the learner
    assert not np.array_equal(training.policy()["log_sd"], before)


def test_where_agents_see_their_own_joints_each_has_a_network_of_its_own():
    training = Training(MAKE["mamujoco-halfcheetah-2x3"](2), replace(TINY, copies=2), seed=0)
    view = training.env.reset([0, 1])
    assert training.learner.policy[0][0].shape == (2, 6, 64)
    assert np.array_equal(training.env.full_observation()[:, training.minds], view.obs)


def test_a_run_is_a_function_of_its_seed(tmp_path):
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        train("mamujoco-hopper-3x1", TINY, seed, tmp_path / name, lambda _line: None)
    one, again, other = ((tmp_path / n / "snapshots.safetensors").read_bytes() for n in ("one", "again", "other"))
    assert one == again
    assert one != other
    history = json.loads((tmp_path / "one" / "history.json").read_text())["history"]
    assert [entry["transitions"] for entry in history] == [0, 128, 256]


def test_a_run_is_made_into_the_files_that_ship(tmp_path, capsys):
    train("mamujoco-hopper-3x1", TINY, 0, tmp_path / "run", lambda _line: None)
    shipping.main(
        [str(tmp_path / "run"), "--medium", "130", "--expert", "999", "--out", str(tmp_path), "--episodes", "1"]
    )
    assert "mamujoco-hopper-3x1-expert: 256 transitions" in capsys.readouterr().out
    made = json.loads((tmp_path / "mamujoco-hopper-3x1-medium.json").read_text())
    assert (made["transitions"], made["algorithm"], made["return_episodes"]) == (128, "PPO", 1)
    content = (tmp_path / "mamujoco-hopper-3x1-medium.safetensors").read_bytes()
    assert b'return_episodes\\": 1' in content
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(UsageError, match=r"zoo_mamujoco\.train"):
        shipping.main([str(tmp_path / "none"), "--medium", "1", "--expert", "2"])


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "snapshots.safetensors"
    write_whole(path, b"before")

    def full(_descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"after")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"before"


@pytest.mark.parametrize(("medium", "kept"), [(0, [0]), (3, [0, 1, 2, 3]), (15, list(range(16))), (33, None)])
def test_a_replay_ends_with_the_medium_snapshot_at_equal_intervals(medium, kept):
    found = shipping.replayed(medium)
    assert found[-1] == medium
    assert len(found) <= shipping.MOST
    assert len(set(np.diff(found).tolist())) <= 1
    assert kept is None or found == kept


def test_the_command_refuses_an_environment_without_settings(capsys):
    with pytest.raises(SystemExit):
        main(["--env", "mamujoco-walker-2x3", "--out", "x"])
    assert "mamujoco-ant-2x4" in capsys.readouterr().err
