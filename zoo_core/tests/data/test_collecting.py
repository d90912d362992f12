"""`collect_dataset`: what is rolled out, how much, what the card says, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from zoo_core import EnvEntry, Source, Step, TeamSpec, uniforms
from zoo_core.data import collect_dataset, open_dataset
from zoo_core.data.behaviour import trained_behaviour, uniform_actions, weights_hash
from zoo_core.data.rollouts import collect
from zoo_core.errors import DatasetError, UsageError
from zoo_core.plugins import Offer, Zoo

HERE = __name__
DISCRETE = TeamSpec("rooms", ("a", "b"), (1, 1), (3, 4), action_kind="discrete", episode_limit=6)


class Rooms:
    """Two agents; `a` has 3 actions, `b` 4, of which one a step is masked. Episodes last 2 to 6 steps."""

    team = DISCRETE

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs

    def reset(self, seeds: Any, copies: Any = None) -> Step:
        self.length = 2 + (uniforms(seeds, "length", (1,))[:, 0] * 5).astype(int)
        self.t = 0
        return self._show(np.zeros((self.num_envs, 2)))

    def step(self, action: Any) -> Step:
        running = self.t < self.length
        assert self._mask()[np.arange(self.num_envs)[:, None], [[0, 1]], action][running].all(), "a masked action"
        self.t += 1
        return self._show(running[:, None] * (action == 1.0))

    def _mask(self) -> Any:
        mask = np.ones((self.num_envs, 2, 4), dtype=bool)
        mask[:, 0, 3] = False
        mask[:, 1, self.t % 4] = False
        return mask

    def _show(self, reward: Any) -> Step:
        obs = np.full((self.num_envs, 2, 1), float(self.t))
        return Step(obs, reward, self.t >= self.length, np.zeros(self.num_envs, bool), action_mask=self._mask())


class Fixed(torch.nn.Module):
    """A policy that always acts the same; it counts how often it began to remember."""

    def __init__(self, team: TeamSpec, action: Any) -> None:
        super().__init__()
        self.team, self.begun = team, 0
        self.action = torch.nn.Parameter(torch.tensor(action, dtype=torch.float32), requires_grad=False)

    def initial_memory(self, num_envs: int) -> int:
        self.begun += 1
        return 0

    def act(self, obs: Any, mask: Any, memory: int, generator: Any) -> tuple[Any, int]:
        action = self.action.expand(len(obs), *self.action.shape)
        return (action.long() if self.team.discrete else action), memory + 1


class Trained:
    """As much of a `TrainedPolicy` as is looked at."""

    def __init__(self, algorithm: Fixed) -> None:
        self.algorithm, self.iteration = algorithm, 7
        self.folder = type("Folder", (), {"path": Path("runs/there")})()
        self.config = {"algorithm": "fixed", "dataset": {"name": "d"}, "seed": 3}


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EnvEntry("rooms", "two rooms", f"{HERE}:Rooms", Source("none"), convention="made up", hints={"copies": 8})
    zoo = Zoo.assemble([Offer(entry, "zoo-rooms", "1.0")], [])
    monkeypatch.setattr("zoo_core.plugins.load_zoo", lambda: zoo)


def test_equal_seeds_give_equal_bits_and_others_do_not(rooms: None) -> None:
    one, again, other = (collect_dataset(n, "rooms", transitions=50, seed=s) for n, s in (("a", 1), ("b", 1), ("c", 2)))
    assert one.hash == again.hash != other.hash


@pytest.mark.parametrize("transitions", [1, 7, 50, 100])
def test_there_are_enough_transitions_and_not_an_episode_too_many(rooms: None, transitions: int) -> None:
    data = collect_dataset("d", "rooms", transitions=transitions)
    assert transitions <= data.num_transitions < transitions + int(data.lengths[-1])


def test_episodes_can_be_counted_instead_and_the_first_ones_are_the_same(rooms: None) -> None:
    few, many = collect_dataset("few", "rooms", episodes=5), collect_dataset("many", "rooms", episodes=30)
    assert (few.num_episodes, many.num_episodes) == (5, 30)
    assert torch.equal(few.action, many.action[: few.num_transitions])


def test_random_actions_are_uniform_over_the_available_ones() -> None:
    mask = np.ones((4000, 2, 4), dtype=bool)
    mask[:, 1, 2] = False
    action = uniform_actions(DISCRETE, mask, np.arange(4000), "x")
    shares = [np.bincount(action[:, agent], minlength=4) / 4000 for agent in (0, 1)]
    np.testing.assert_allclose(shares[0], [1 / 3, 1 / 3, 1 / 3, 0], atol=0.03)
    np.testing.assert_allclose(shares[1], [1 / 3, 1 / 3, 0, 1 / 3], atol=0.03)


def test_random_vectors_are_uniform_within_the_teams_bounds() -> None:
    team = TeamSpec("t", ("a",), (1,), (2,), episode_limit=1, action_low=2.0, action_high=6.0)
    action = uniform_actions(team, None, np.arange(4000), "x")
    assert action.dtype == np.float32
    np.testing.assert_allclose([action.min(), action.mean(), action.max()], [2, 4, 6], atol=0.05)


def test_the_card_says_what_acted_where_and_how_much_was_asked_for(rooms: None) -> None:
    card = collect_dataset("rooms/uniform", "rooms", transitions=20, seed=4).card
    first = card.source["first_episode_seed"]
    assert card.source == {
        "kind": "collected",
        "env": "rooms",
        "plugin": "zoo-rooms 1.0",
        "policy": "random",
        "seed": 4,
        "first_episode_seed": first,
        "transitions": 20,
    }
    assert card.name == "rooms/uniform"
    assert card.convention == "made up"
    assert card.notes["behaviour"] == "independent uniform actions among those available"
    group = next(collect(Rooms(1), lambda o, m, s, t: uniform_actions(DISCRETE, m, s, f"random action {t}"), [first]))
    data = open_dataset("rooms/uniform")
    assert np.array_equal(group["action"][0], data.action[: int(data.lengths[0])].numpy())


def test_progress_is_told_in_what_was_asked_for_and_ends_at_it(rooms: None) -> None:
    told: list[tuple[int, int]] = []
    collect_dataset("a", "rooms", episodes=20, progress=lambda *p: told.append(p))
    assert told == [(8, 20), (16, 20), (20, 20)]
    told.clear()
    collect_dataset("b", "rooms", transitions=30, progress=lambda *p: told.append(p))
    assert told[-1] == (30, 30)


def test_an_existing_dataset_is_replaced_only_if_asked(rooms: None) -> None:
    before = collect_dataset("d", "rooms", episodes=3)
    with pytest.raises(DatasetError, match="exists already; nothing was overwritten"):
        collect_dataset("d", "rooms", episodes=4)
    assert open_dataset("d").hash == before.hash
    assert collect_dataset("d", "rooms", episodes=4, replace=True).num_episodes == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "minari:x"}, "cannot name a dataset"),
        ({"name": "../x"}, "cannot name a dataset"),
        ({"name": " "}, "cannot name a dataset"),
        ({"env": ""}, "say where to collect"),
        ({"transitions": 5, "episodes": 5}, "not both"),
        ({"transitions": 0}, "at least 1"),
        ({"seed": -1}, "not negative"),
        ({"noise": 0.1}, "noise is for the policy of a run"),
        ({"policy": "rnadom"}, "Did you mean 'random'"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(rooms: None, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        collect_dataset(**{"name": "d", "env": "rooms", **given})
    with pytest.raises((UsageError, DatasetError)):
        open_dataset("d")


def test_gaussian_noise_is_scaled_by_half_the_range_and_clipped() -> None:
    team = TeamSpec("t", ("a",), (1,), (1,), episode_limit=9, action_low=0.0, action_high=4.0)
    behaviour = trained_behaviour(Trained(Fixed(team, [[2.0]])), team, 0.25, centralised=False)  # type: ignore[arg-type]
    action = behaviour.act(np.zeros((20000, 1, 1)), None, np.arange(20000), 0)
    assert action.std() == pytest.approx(0.5, rel=0.03)
    assert 0.0 <= action.min() < action.max() <= 4.0
    assert behaviour.notes["behaviour"].endswith(
        "plus Gaussian noise, its deviation 0.25 of half the range of an action, clipped to the bounds"
    )
    edge = trained_behaviour(Trained(Fixed(team, [[4.0]])), team, 0.25, centralised=False)  # type: ignore[arg-type]
    assert edge.act(np.zeros((500, 1, 1)), None, np.arange(500), 0).max() == 4.0


def test_discrete_noise_is_the_probability_of_a_uniform_available_action() -> None:
    mask = np.ones((20000, 2, 4), dtype=bool)
    mask[:, 0, 3] = mask[:, 1, 0] = False
    behaviour = trained_behaviour(Trained(Fixed(DISCRETE, [2, 2])), DISCRETE, 0.3, centralised=True)  # type: ignore[arg-type]
    action = behaviour.act(np.zeros((20000, 2, 1)), mask, np.arange(20000), 0)
    assert (action == 2).mean() == pytest.approx(0.7 + 0.3 / 3, abs=0.01)
    assert np.take_along_axis(mask, action[..., None], -1).all()
    assert "factorised" not in behaviour.notes


@pytest.mark.parametrize("noise", [-0.1, 1.5])
def test_a_noise_that_is_no_probability_is_refused(noise: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        trained_behaviour(Trained(Fixed(DISCRETE, [0, 0])), DISCRETE, noise, centralised=False)  # type: ignore[arg-type]


def test_a_policys_memory_begins_with_every_group_of_episodes() -> None:
    fixed = Fixed(DISCRETE, [1, 1])
    act = trained_behaviour(Trained(fixed), DISCRETE, 0.0, centralised=False).act  # type: ignore[arg-type]
    for t in (0, 1, 2, 0, 1):
        act(np.zeros((3, 2, 1)), None, np.arange(3), t)
    assert fixed.begun == 2


def test_a_runs_policy_is_rolled_out_and_named_by_its_weights(toy_zoo: Any, tmp_path: Path) -> None:
    from zoo_core.training import TrainRequest, load_policy, train

    request = TrainRequest(
        "toy",
        "toy-line",
        out=str(tmp_path / "runs"),
        iterations=5,
        eval_every=5,
        eval_episodes=4,
        final_episodes=4,
        compile="off",
        device="cpu",
    )
    run = train(request).runs[0].folder
    data = collect_dataset("toy/cloned", policy=run, episodes=6, noise=0.1)
    source = data.card.source
    assert (source["env"], source["policy"], source["run"]) == ("toy-line", "run", str(run.resolve()))
    assert source["trained_on"]["hash"] == json.loads((run / "config.json").read_text())["dataset"]["hash"]
    policy = load_policy(run, toy_zoo, print)
    assert (source["algorithm"], source["iteration"], source["noise"]) == ("toy", policy.iteration, 0.1)
    assert source["weights_sha256"] == weights_hash(policy.algorithm)
    with torch.no_grad():
        next(policy.algorithm.parameters()).view(-1)[0] += 1
    assert source["weights_sha256"] != weights_hash(policy.algorithm)
    assert collect_dataset("again", policy=run, episodes=6, noise=0.1).hash == data.hash
    assert collect_dataset("silent", policy=run, episodes=6).hash != data.hash
    cloned = train(
        TrainRequest(
            "toy",
            dataset="toy/cloned",
            out=str(tmp_path / "runs"),
            iterations=3,
            final_episodes=2,
            compile="off",
            device="cpu",
        )
    )
    assert cloned.plan.env.name == "toy-line"
    with pytest.raises(UsageError, match="holds 2 runs: name one of them"):
        collect_dataset("both", policy=tmp_path / "runs")
