"""Claims about what an algorithm declares: all of it runs, and nothing else is used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from zoo_core.algorithms import Rows, WholeEpisodes, Windows
from zoo_core.batch import Batch
from zoo_core.compatibility import missing, require_mixer
from zoo_core.config import load_presets
from zoo_core.data import Dataset
from zoo_core.data.statistics import compute_statistics
from zoo_core.entries import (
    CONTINUOUS,
    DATA_NEEDS,
    DISCRETE,
    MIXER_TRAITS,
    AlgorithmEntry,
    EnvEntry,
    MixerEntry,
    Source,
)
from zoo_core.errors import IncompatiblePair
from zoo_core.mixers import Mixer
from zoo_core.seeding import generator
from zoo_core.team import TeamSpec
from zoo_core.testing.checks import Broken, NotApplicable, demand, place
from zoo_core.testing.kit import package_of
from zoo_core.testing.subjects import data, learner
from zoo_core.testing.tiny import PlainMixer, each_phase, play_out, random_obs, tiny_config, tiny_dataset
from zoo_core.training import Learner, build_algorithm

HIDDEN = {
    "next_action": ("next_action", "has_next_action"),
    "state": ("state", "next_state", "initial_state"),
    "action_mask": ("action_mask", "next_action_mask"),
    "initial_obs": ("initial_obs", "initial_state"),
}
"""The fields of a batch that a word of `needs` stands for."""

SHAPES: dict[type, str] = {Rows: "rows", Windows: "windows", WholeEpisodes: "episodes"}


# --- refusals ----------------------------------------------------------------------------------------------------


def what_is_not_declared_is_refused(entry: AlgorithmEntry) -> None:
    for kind in {CONTINUOUS, DISCRETE} - set(entry.actions):
        env = EnvEntry(f"a world of {kind} actions", "", "", Source(""), gives=(kind, "action_mask"))
        demand(missing(entry, env), f"declares no {kind} actions, yet an environment that has them is not refused")
    if "action_mask" in entry.needs:
        bare = EnvEntry("a world without masks", "", "", Source(""), gives=entry.actions)
        demand(missing(entry, bare), "declares the need action_mask, yet an environment without masks is not refused")
    for trait in entry.mixer or ():
        other = MixerEntry(f"not {trait}", "", "", Source(""), traits=tuple(MIXER_TRAITS - {trait}))
        demand(_refuses(entry, other), f"requires a mixer that is {trait}, yet one that is not is not refused")
    if entry.mixer is None:
        every = MixerEntry("any", "", "", Source(""), traits=tuple(MIXER_TRAITS))
        demand(_refuses(entry, every), "takes no mixer, yet one is not refused")


def _refuses(entry: AlgorithmEntry, mixer: MixerEntry) -> bool:
    try:
        require_mixer(entry, mixer)
    except IncompatiblePair:
        return True
    return False


# --- what is declared runs ---------------------------------------------------------------------------------------


def every_preset_runs(entry: AlgorithmEntry, kind: str) -> None:
    presets = load_presets(entry)
    if not presets:
        raise NotApplicable("it has no presets")
    dataset = tiny_dataset(_team(kind), masked=kind == DISCRETE)
    for preset in presets:
        _run(entry, dataset, f"preset {preset!r}", preset=preset)


def declared_capabilities_run(entry: AlgorithmEntry, kind: str) -> None:
    """Another number of agents, a stored state, and the least that a mixer of the required traits can do."""
    masked = kind == DISCRETE
    _run(entry, tiny_dataset(_team(kind), masked=masked), "two agents that are alike")
    if "state" in entry.needs:
        stored = _team(kind, state_kind="stored", state_size=5)
        _run(entry, tiny_dataset(stored, masked=masked), "a stored state [B, s]")


def a_state_for_each_agent_will_do(entry: AlgorithmEntry, kind: str) -> None:
    """Advice: some environments give every agent a state of its own."""
    if "state" not in entry.needs:
        raise NotApplicable("it needs no state")
    team = _team(kind, state_kind="per_agent", state_size=5)
    _run(entry, tiny_dataset(team, masked=kind == DISCRETE), "a state for each agent [B, n, s], which flatten(1) joins")


def _team(kind: str, **fields: Any) -> TeamSpec:
    """Two agents of equal sizes, their bounds ±1, a shared reward."""
    return TeamSpec("tiny-pair", ("a", "b"), (4, 4), (3, 3), action_kind=kind, episode_limit=6, **fields)


def _run(entry: AlgorithmEntry, dataset: Dataset, title: str, *, preset: str | None = None) -> None:
    """Train and act with all that data can give: what of it is declared is another claim. `title` says on what."""
    try:
        _use(entry, dataset, DATA_NEEDS, mixer=_least_mixer(entry), preset=preset)
    except Exception as error:  # the plugin's own code may raise anything
        raise Broken(
            f"with {title} it raised {_said(error, entry)}. Make that work, or declare what it cannot do without"
        ) from error


# --- nothing else is used ----------------------------------------------------------------------------------------


def data_needs_are_declared(entry: AlgorithmEntry, kind: str) -> None:
    dataset, mixer, declared = data(kind), _least_mixer(entry), tuple(entry.needs)
    try:
        _use(entry, dataset, declared, mixer=mixer)
    except Exception as error:  # the plugin's own code may raise anything
        absent = [word for word in (*HIDDEN, "statistics") if word not in declared]
        for words in ([word] for word in absent):
            if _works(entry, dataset, (*declared, *words), mixer):
                raise Broken(_undeclared(words, error, entry)) from error
        if absent and _works(entry, dataset, (*declared, *absent), mixer):
            raise Broken(_undeclared(absent, error, entry)) from error
        if mixer is None and _works(entry, dataset, (*declared, *absent), PlainMixer):
            raise Broken(
                f"without a mixer it raised {_said(error, entry)}: declare the traits it requires of one in the entry, "
                "mixer=(…), or mixer=() for any"
            ) from error
        raise
    for phase in learner(entry, kind).phases:
        asked = [SHAPES[type(phase.data)]]
        asked += [word for word in ("next_action", "initial_obs") if getattr(phase.data, word, False)]
        undeclared = [word for word in asked if word not in entry.needs]
        demand(
            not undeclared,
            f"phase {phase.name!r} asks the data for {' and '.join(undeclared)}: add {_quoted(undeclared)} to the "
            "entry's needs",
        )


def _undeclared(words: list[str], error: Exception, entry: AlgorithmEntry) -> str:
    return (
        f"it uses {' and '.join(words)} without declaring it; where the data does not give it, it raised "
        f"{_said(error, entry)}: add {_quoted(words)} to the entry's needs"
    )


def _quoted(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _said(error: Exception, entry: AlgorithmEntry) -> str:
    return f"{type(error).__name__}: {error}{place(error, package_of(entry))}"


# --- running with little -----------------------------------------------------------------------------------------


def _works(entry: AlgorithmEntry, dataset: Dataset, words: Collection[str], mixer: Callable[..., Mixer] | None) -> bool:
    try:
        _use(entry, dataset, words, mixer=mixer)
    except Exception:  # the plugin's own code may raise anything; that it fails is the answer
        return False
    return True


def _use(
    entry: AlgorithmEntry,
    dataset: Dataset,
    words: Collection[str],
    *,
    mixer: Callable[..., Mixer] | None,
    preset: str | None = None,
) -> None:
    """Train at both ends of every phase and act, given only the parts of the data that `words` stand for."""
    team = dataset.team
    statistics = compute_statistics(dataset) if "statistics" in words else None
    config = tiny_config(entry, team.action_kind, preset=preset)
    algorithm = build_algorithm(entry, team, config, 0, statistics=statistics, mixer=mixer)
    trained = Learner([algorithm], [0], lambda need: Restricted(dataset.sampler(need), words))
    for length in each_phase(trained):
        play_out(trained, min(2, length))
        if length > 2:
            trained.iteration += max(0, length - 4)
            play_out(trained, min(2, length - 2))
    policy = trained.algorithm()
    mask = None if dataset.action_mask is None or "action_mask" not in words else dataset.action_mask[:4]
    with torch.no_grad():
        policy.act(random_obs(team, 4), mask, policy.initial_memory(4), generator(0, "act"))


class Restricted:
    """A sampler whose batches lack what is not declared."""

    def __init__(self, sampler: Any, words: Collection[str]) -> None:
        self.sampler = sampler
        self.hidden = [name for word, names in HIDDEN.items() if word not in words for name in names]

    def sample(self, generator: torch.Generator) -> Batch:
        batch: Batch = dataclasses.replace(self.sampler.sample(generator), **dict.fromkeys(self.hidden))
        return batch


class CurvedMixer(Mixer):
    """A monotone mixer that is not linear, and so has no weights."""

    def __init__(self, agents: int, state_size: int, outputs: int = 1) -> None:
        super().__init__(agents, state_size, outputs)
        self.plain = PlainMixer(agents, state_size, outputs)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        total: Tensor = self.plain(values, state)
        return total + torch.tanh(total)


def _least_mixer(entry: AlgorithmEntry) -> Callable[..., Mixer] | None:
    """A mixer that can do no more than the entry requires; None if it takes none."""
    if entry.mixer is None:
        return None
    traits = entry.mixer

    def build(agents: int, state_size: int, outputs: int = 1) -> Mixer:
        if outputs != 1 and "vector" not in traits:
            raise ValueError(f"asked for a mixer of {outputs} outputs, but requires no mixer with the trait 'vector'")
        return (PlainMixer if "linear" in traits else CurvedMixer)(agents, state_size, outputs)

    return build
