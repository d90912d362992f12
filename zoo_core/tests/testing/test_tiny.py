"""Tiny datasets cover what real ones hold; tiny settings shrink what costs time and nothing else."""

from dataclasses import dataclass

import pytest
import torch

from zoo_core import AlgorithmConfig, Rows, TeamSpec, generator, setting
from zoo_core.data import Dataset
from zoo_core.testing import GAMES, game_dataset, tiny_dataset, tiny_settings, tiny_team

STATES = {
    "concat_obs": {},
    "stored": {"state_kind": "stored", "state_size": 5},
    "per_agent": {"state_kind": "per_agent", "state_size": 4},
}


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_a_tiny_dataset_has_both_endings_unequal_lengths_and_unequal_agents(kind):
    data = tiny_dataset(tiny_team(kind), masked=kind == "discrete")
    assert data.terminated.any()
    assert data.truncated.any()
    assert len(data.lengths.unique()) > 3
    assert not data.team.homogeneous
    assert (data.reward[:, 0] != data.reward[:, 1]).any()


@pytest.mark.parametrize("state", STATES)
def test_a_tiny_dataset_fits_any_team(state):
    team = TeamSpec(env="x", agents=("a", "b"), obs_sizes=(3, 2), action_sizes=(2, 2), **STATES[state])
    batch = tiny_dataset(team).sampler(Rows(8, next_action=True)).sample(generator(0, "rows"))
    wanted = {"concat_obs": (8, 5), "stored": (8, 5), "per_agent": (8, 2, 4)}[state]
    assert batch.state.shape == batch.next_state.shape == wanted
    assert (batch.reward[:, 0] == batch.reward[:, 1]).all()


def test_masks_always_allow_what_was_done_and_forbid_padding():
    data = tiny_dataset(tiny_team("discrete"), masked=True)
    batch = data.sampler(Rows(512)).sample(generator(0, "rows"))
    assert batch.action_mask.gather(-1, batch.action[..., None]).all()
    assert not batch.action_mask[:, 0, 3:].any()  # the first agent has three actions
    assert not batch.action_mask[:, 1].all()


def test_a_tiny_dataset_is_the_same_in_memory_and_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    team = tiny_team("continuous")
    written = tiny_dataset(team, folder=tmp_path / "data")
    assert Dataset.open(tmp_path / "data").hash == written.hash == tiny_dataset(team).hash
    assert tiny_dataset(team, seed=1).hash != written.hash


def test_a_games_data_holds_the_shares_asked_for():
    game = next(g for g in GAMES if g.name == "test-climbing")
    action = game_dataset(game, episodes=2000, solved=0.25, habitual=0.5).action
    for joint, share in (((0, 0), 0.25 + 0.25 / 9), ((2, 2), 0.5 + 0.25 / 9), ((0, 1), 0.25 / 9)):
        seen = (action == torch.tensor(joint)).all(1).float().mean()
        assert float(seen) == pytest.approx(share, abs=0.03)


def test_tiny_settings_shrink_widths_batches_iterations_and_steps_alone():
    @dataclass(frozen=True)
    class Config(AlgorithmConfig):
        hidden: int = setting(256, "")
        actor_hidden: tuple[int, ...] = setting((64, 64), "")
        bc_iterations: int = setting(50_000, "")
        pretrain_batch_size: int | None = setting(None, "")
        hidden_rate: float = setting(0.1, "")
        heads: int = setting(10, "")
        critic_steps: int = setting(5, "")
        steps: int = setting(1, "")
        warm_steps: int | None = setting(None, "")

    assert tiny_settings(Config) == {
        "iterations": 20,
        "batch_size": 32,
        "hidden": 16,
        "actor_hidden": [16, 16],
        "bc_iterations": 20,
        "critic_steps": 2,
    }
