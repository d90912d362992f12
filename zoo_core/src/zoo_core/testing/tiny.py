"""Datasets, settings and learners small enough that a check takes a fraction of a second."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo_core.config import resolve
from zoo_core.data import Dataset, EpisodeWriter, collect
from zoo_core.data.layout import map_array
from zoo_core.data.statistics import compute_statistics
from zoo_core.entries import AlgorithmEntry, EnvEntry, Source
from zoo_core.mixers import Mixer
from zoo_core.seeding import uniforms
from zoo_core.team import TeamSpec
from zoo_core.testing.games import Game
from zoo_core.training import Learner, build_algorithm

SMALL = {"iterations": 20, "batch_size": 32, "hidden": 16}
"""What the kit makes of every whole-number setting called, or ending in, one of these words."""

FEW_STEPS = 2
"""What it makes of more `steps` than that, such as the updates or the denoising steps of one iteration."""


def tiny_settings(config_type: type) -> dict[str, Any]:
    """Overrides that make an algorithm tiny: `hidden`, `actor_hidden`, `batch_size`, `bc_iterations` and the like."""
    small: dict[str, Any] = {}
    for field in dataclasses.fields(config_type):
        for word, size in SMALL.items():
            if field.name == word or field.name.endswith(f"_{word}"):
                if isinstance(field.default, tuple):
                    small[field.name] = [size] * len(field.default)
                elif field.default is not None:
                    small[field.name] = size
        if field.name.split("_")[-1] == "steps" and type(field.default) is int and field.default > FEW_STEPS:
            small[field.name] = FEW_STEPS
    return small


class PlainMixer(Mixer):
    """A mixer with every trait, for algorithms that take one: w = |W s| and b = c·s."""

    def __init__(self, agents: int, state_size: int, outputs: int = 1) -> None:
        super().__init__(agents, state_size, outputs)
        self.w = nn.Linear(state_size, outputs * agents)
        self.b = nn.Linear(state_size, outputs)

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        return self.w(state).abs().unflatten(-1, (self.outputs, self.agents)), self.b(state)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        w, b = self.weights(state)
        return (w * values.unsqueeze(-2)).sum(-1) + b


# --- data --------------------------------------------------------------------------------------------------------


def tiny_team(action_kind: str) -> TeamSpec:
    """A team that leaves nothing equal: three agents of different sizes, bounds narrower than ±1."""
    sizes = {"continuous": (2, 1, 2), "discrete": (3, 5, 4)}[action_kind]
    return TeamSpec(
        env="tiny",
        agents=("a", "b", "c"),
        obs_sizes=(4, 3, 4),
        action_sizes=sizes,
        action_kind=action_kind,
        episode_limit=6,
        reward="per_agent",
        action_low=-0.5,
        action_high=1.0,
    )


def tiny_dataset(
    team: TeamSpec, *, masked: bool = False, episodes: int = 40, seed: int = 0, folder: Path | None = None
) -> Dataset:
    """Random episodes of 2 to 6 steps for any team, some terminated and some truncated.

    `masked` adds action masks to a discrete team. The dataset lives in memory, or on disk in `folder`.
    """
    steps = max(2, min(team.episode_limit or 6, 6))
    seeds = seed * 1_000_003 + np.arange(episodes)

    def draw(purpose: str, *shape: int) -> NDArray[np.float64]:
        return uniforms(seeds, purpose, shape)

    own_obs = np.arange(team.obs_size) < np.array(team.obs_sizes)[:, None]
    lengths = 2 + (draw("length") * (steps - 1)).astype(np.int64)
    last = np.arange(steps) == lengths[:, None] - 1
    terminated = last & (draw("terminated", 1) < 0.5)
    mask = _masks(team, draw("mask", steps + 1, team.n, team.action_size), masked)
    reward = 2.0 * draw("reward", steps, team.n) - 1.0
    stored = {"concat_obs": None, "stored": (team.state_size,), "per_agent": (team.n, team.state_size)}[team.state_kind]
    arrays = {
        "obs": (2.0 * draw("obs", steps + 1, team.n, team.obs_size) - 1.0) * own_obs,
        "action": _actions(team, draw("action", steps, team.n, team.action_size), mask[:, :-1]),
        "reward": reward if team.reward == "per_agent" else np.repeat(reward[..., :1], team.n, axis=-1),
        "terminated": terminated,
        "truncated": last & ~terminated,
        "lengths": lengths,
        "state": None if stored is None else draw("state", steps + 1, *stored),
        "action_mask": mask if masked else None,
    }
    return _write(team, [arrays], folder)


def game_dataset(
    env: EnvEntry,
    *,
    episodes: int = 512,
    solved: float = 0.5,
    habitual: float = 0.0,
    seed: int = 0,
    folder: Path | None = None,
) -> Dataset:
    """Episodes of one of the games: a share `solved` played to its solution, a share `habitual` to its habit, the rest
    at random."""
    game: Game = env.load()(min(episodes, 128))
    team = game.team

    def policy(obs: Any, mask: Any, seeds: NDArray[np.int64], t: int) -> NDArray[Any]:
        available = np.ones((len(seeds), team.n, team.action_size), dtype=bool) if mask is None else mask
        explore = _actions(team, uniforms(seeds, f"explore {t}", (team.n, team.action_size)), available)
        style = uniforms(seeds, "style", (1,) if team.discrete else (1, 1))
        return np.select([style < solved, style < solved + habitual], [game.solution(obs), game.habit(obs)], explore)

    return _write(team, collect(game, policy, seed * 1_000_003 + np.arange(episodes), copies=128), folder)


def _actions(team: TeamSpec, u: NDArray[np.float64], available: NDArray[np.bool_]) -> NDArray[Any]:
    """Uniform (available) actions from uniform numbers [..., n, a]."""
    if team.discrete:
        return np.asarray(np.where(available, u, -1.0).argmax(-1))
    own = np.arange(team.action_size) < np.array(team.action_sizes)[:, None]
    return (team.action_low + (team.action_high - team.action_low) * u) * own


def _masks(team: TeamSpec, u: NDArray[np.float64], masked: bool) -> NDArray[np.bool_]:
    """Available actions [..., n, A]: every own action, or about two thirds of them and always the first."""
    own = np.arange(team.action_size) < np.array(team.action_sizes)[:, None]
    mask = (u < 0.67) if masked else np.ones_like(u, dtype=bool)
    mask[..., 0] = True
    return np.asarray(mask & own)


def _write(team: TeamSpec, groups: Any, folder: Path | None) -> Dataset:
    with tempfile.TemporaryDirectory() as temporary:
        home = folder or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        writer = EpisodeWriter(home, team)
        for group in groups:
            writer.add(**group)
        card = writer.finish(f"{team.env}/tiny", {"kind": "a test dataset"})
        if folder is not None:
            return Dataset.open(folder)
        return Dataset(home, card, {name: map_array(home, name).clone() for name in card.arrays})


# --- learners ----------------------------------------------------------------------------------------------------


def tiny_config(
    entry: AlgorithmEntry, action_kind: str, *, env: EnvEntry | None = None, preset: str | None = None, **settings: Any
) -> Any:
    """A preset's settings (by default the first's) for this kind of action (in `env`), made small, then `settings`."""
    config_type = entry.load().Config  # type: ignore[attr-defined]
    env = env or EnvEntry("tiny", "", "", Source(""), gives=(action_kind,))
    overrides = tiny_settings(config_type) | settings
    return resolve(entry, config_type, env=env, action_kind=action_kind, preset=preset, overrides=overrides).config


def tiny_learner(
    entry: AlgorithmEntry,
    dataset: Dataset,
    config: Any,
    seeds: Sequence[int] = (0,),
    *,
    mixer: Callable[..., Mixer] = PlainMixer,
    undeclared: bool = False,
) -> Learner:
    """A learner of one seed or several side by side.

    Args:
        mixer: what an algorithm that takes a mixer is given.
        undeclared: give statistics even if the entry needs none.
    """
    statistics = compute_statistics(dataset) if undeclared or "statistics" in entry.needs else None
    given = None if entry.mixer is None else mixer
    algorithms = [
        build_algorithm(entry, dataset.team, config, seed, statistics=statistics, mixer=given) for seed in seeds
    ]
    return Learner(algorithms, seeds, dataset.sampler)


def weights(learner: Learner, index: int = 0) -> dict[str, Tensor]:
    """Parameters and buffers of one seed, by name."""
    return {
        name.removeprefix("model/"): value for name, value in learner.state(index).items() if name.startswith("model/")
    }


def play_out(learner: Learner, iterations: int) -> list[dict[str, Tensor]]:
    """So many iterations; their metrics."""
    return [learner.step() for _ in range(iterations)]


def each_phase(learner: Learner) -> Iterator[int]:
    """The length of every phase, the learner at its beginning: what was not played of the one before is passed over."""
    while not learner.finished:
        begun = learner.iteration
        _, _, length = learner.phase_at(begun)
        yield length
        learner.iteration = begun + length


def play_each_phase(learner: Learner, iterations: int) -> None:
    """So many iterations of every phase."""
    for length in each_phase(learner):
        play_out(learner, min(iterations, length))


def random_obs(team: TeamSpec, copies: int, seed: int = 0) -> Tensor:
    """[E, n, o] observations in [−1, 1), padded with zeros."""
    own = np.arange(team.obs_size) < np.array(team.obs_sizes)[:, None]
    u = uniforms(seed * 1_000_003 + np.arange(copies), "obs", (team.n, team.obs_size))
    return torch.from_numpy(((2.0 * u - 1.0) * own).astype(np.float32))
