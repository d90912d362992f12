"""From what was asked for to everything a run needs, every name and setting resolved."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.algorithms import Statistics
from zoo_core.compatibility import require_mixer, require_pair
from zoo_core.config import MIXER, Resolved, qualities_with_settings, read_config_file, resolve
from zoo_core.data import Dataset, resolve_dataset
from zoo_core.entries import CONTINUOUS, DISCRETE, AlgorithmEntry, EnvEntry, MixerEntry, ReferenceScores
from zoo_core.errors import IncompatiblePair, UsageError, did_you_mean
from zoo_core.training.construct import statistics_to_json
from zoo_core.training.files import canonical_json
from zoo_core.training.folder import slug
from zoo_core.training.manifest import distributions_of

if TYPE_CHECKING:
    from zoo_core.plugins import Zoo


@dataclass(frozen=True)
class TrainRequest:
    """What a user asks for. Plain data: it crosses to worker processes as JSON.

    Attributes:
        algo, env: names, or `distribution:name`.
        quality: of the environment's built-in datasets; empty takes the environment's default. Beside `dataset`, the
            quality whose settings hold.
        dataset: instead of env and quality: a name, a folder or `minari:<id>`.
        preset, config_file, settings: see `zoo_core.config.resolve`.
        mixer: a mixer's name, for algorithms that take one; among `settings`, `mixer` means the same, and so does a
            line of the config file where neither says it.
        iterations: the budget; None takes the config's.
        seeds: one run each.
        jobs: how many runs side by side, each in a process of its own.
        device: `auto`, `cpu` or `cuda`.
        compile: `auto`, `on` or `off`.
        threads, precision: per run; None takes 1 and `high`, or on resume what the run had.
        out: the folder of all runs.
        again: start another run although there is one of these settings.
        allow_changed: go on although versions, plugins or modes are not those the run began with.
        eval_every: iterations between periodic evaluations; None takes a twentieth of all.
        checkpoint_every: iterations between checkpoints; None takes one a minute.
    """

    algo: str
    env: str = ""
    quality: str = ""
    dataset: str = ""
    preset: str | None = None
    config_file: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    mixer: str = ""
    iterations: int | None = None
    seeds: tuple[int, ...] = (0,)
    jobs: int = 1
    device: str = "auto"
    compile: str = "auto"
    threads: int | None = None
    precision: str | None = None
    out: str = "runs"
    again: bool = False
    allow_changed: bool = False
    eval_every: int | None = None
    eval_episodes: int = 100
    final_episodes: int = 1000
    checkpoint_every: int | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name in (
            "jobs",
            "eval_episodes",
            "final_episodes",
            "iterations",
            "threads",
            "eval_every",
            "checkpoint_every",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if MIXER in self.settings:
            named = _mixer_name(self.settings[MIXER], "--set")
            if self.mixer and self.mixer != named:
                raise UsageError(f"mixer={named!r} and --mixer {self.mixer!r}: name one mixer, see `zoo list mixers`")
            object.__setattr__(self, "mixer", named)
            object.__setattr__(self, "settings", {k: v for k, v in self.settings.items() if k != MIXER})
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise UsageError(f"seeds must be different and not negative, not {list(self.seeds)}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TrainRequest:
        return cls(**{**data, "seeds": tuple(data["seeds"])})


@dataclass(frozen=True)
class Plan:
    """A request with its names looked up, its data opened and its settings resolved.

    `packages`: the plugins involved and the packages an environment wraps, distribution → package. `offered`: the
    qualified name of each kind of entry. `mixer_origin`: who chose the mixer, as `config.json` says it; None without
    one.
    """

    request: TrainRequest
    algorithm: AlgorithmEntry
    env: EnvEntry
    mixer: MixerEntry | None
    resolved: Resolved
    dataset: Dataset
    packages: Mapping[str, str]
    offered: Mapping[str, str]
    mixer_origin: str | None = None

    @property
    def config(self) -> Any:
        return self.resolved.config

    @property
    def reference(self) -> ReferenceScores | None:
        return self.env.reference or self.dataset.team.reference

    @property
    def quality(self) -> str:
        """The part of the dataset's name after the environment's."""
        return self.dataset.name.removeprefix(f"{self.env.name}/")

    @property
    def parent(self) -> Path:
        """The folder of this algorithm's runs on this dataset."""
        return Path(self.request.out) / slug(self.env.name) / slug(self.quality) / slug(self.algorithm.name)

    def statistics(self) -> Statistics | None:
        """The dataset's, if the algorithm asks for them."""
        return self.dataset.statistics() if "statistics" in self.algorithm.needs else None

    def identity(self) -> dict[str, Any]:
        """All that changes a result, but for the seed and what the manifest compares (versions, modes)."""
        content = {
            "algorithm": self.algorithm.name,
            "env": self.env.name,
            "dataset": self.dataset.hash,
            "mixer": self.mixer.name if self.mixer else None,
            "settings": {name: getattr(self.config, name) for name in self.resolved.origins},
            "evaluation": [self.request.eval_every, self.request.eval_episodes, self.request.final_episodes],
        }
        return dict(json.loads(canonical_json(content)))  # as it reads back from config.json

    def as_json(self, seed: int) -> dict[str, Any]:
        """The content of `config.json`."""
        return {
            "format": 1,
            "algorithm": self.algorithm.name,
            "env": self.env.name,
            "dataset": {
                "name": self.dataset.name,
                "hash": self.dataset.hash,
                "transitions": self.dataset.num_transitions,
                "return": self.dataset.card.returns["mean"],
                "return_std": self.dataset.card.returns["std"],
                "episodes": self.dataset.card.episodes,
            },
            "mixer": self.mixer.name if self.mixer else None,
            "mixer_from": self.mixer_origin,
            "offered": dict(self.offered),
            "seed": seed,
            "team": self.dataset.team.as_json(),
            "statistics": statistics_to_json(self.statistics()),
            **self.resolved.as_json(),
            "evaluation": {
                "every": self.request.eval_every,
                "episodes": self.request.eval_episodes,
                "final_episodes": self.request.final_episodes,
            },
            "identity": self.identity(),
        }


def make_plan(
    request: TrainRequest,
    zoo: Zoo,
    *,
    building: Callable[[str, int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> Plan:
    """Resolve a request. What is impossible is refused before any data is built.

    `building(dataset, done, total)` hears of a missing dataset being built. Raises `UsageError`s, `DatasetError`s.
    """
    algorithm = zoo.find("algorithm", request.algo)
    if algorithm.online:
        raise UsageError(f"{algorithm.name} learns online, not from a dataset. It runs with: {algorithm.online}")
    dataset: Dataset | None = None
    if request.dataset:
        dataset = _open(request.dataset, building, note)
    elif not request.env:
        raise UsageError("say what to train on: --env NAME (see `zoo list envs`) or --dataset NAME")
    env = zoo.find("env", request.env or (dataset.team.env if dataset else ""))
    require_pair(algorithm, env, (o.entry for o in zoo.algorithms), (o.entry for o in zoo.envs))
    mixer, mixer_name, mixer_origin = _mixer(request, algorithm, zoo)
    kinds = [kind for kind in env.gives if kind in (CONTINUOUS, DISCRETE) and kind in algorithm.actions]
    name = "" if dataset else _dataset_name(request, env, zoo)
    resolved = resolve(
        algorithm,
        algorithm.load().Config,  # type: ignore[attr-defined]
        env=env,
        action_kind=kinds[0],
        quality=_settings_quality(request, algorithm, env, dataset, note) if dataset else name.partition("/")[2],
        preset=request.preset,
        file=Path(request.config_file) if request.config_file else None,
        overrides=_overrides(request),
    )
    if dataset is None:
        dataset = _open(name, building, note)
    _require_team(env, dataset)
    wanted = [("algorithm", request.algo), ("env", request.env or env.name)]
    wanted += [("mixer", mixer_name)] if mixer else []
    offers = {kind: zoo.find_offer(kind, wanted_name) for kind, wanted_name in wanted}
    packages = {o.distribution: o.entry.factory.partition(":")[0].partition(".")[0] for o in offers.values()}
    packages |= distributions_of(env.modules)
    offered = {kind: offer.qualified_name for kind, offer in offers.items()}
    return Plan(request, algorithm, env, mixer, resolved, dataset, packages, offered, mixer_origin)


def _overrides(request: TrainRequest) -> dict[str, Any]:
    if request.iterations is None:
        return dict(request.settings)
    return {**request.settings, "iterations": request.iterations}


def _dataset_name(request: TrainRequest, env: EnvEntry, zoo: Zoo) -> str:
    """The built-in dataset of this quality."""
    qualities = [o.entry.quality for o in zoo.datasets if o.entry.env == env.name]
    if not qualities:
        raise UsageError(
            f"no built-in dataset is of {env.name}: give --dataset FOLDER or --dataset minari:<id>, or make one with"
            f" `zoo data collect --env {env.name} --policy random --name NAME`"
        )
    quality = request.quality or env.default_quality or qualities[0]
    if quality not in qualities:
        raise UsageError(f"{env.name} has no dataset of quality {quality!r}.{did_you_mean(quality, qualities)}")
    return next(o.name for o in zoo.datasets if o.entry.env == env.name and o.entry.quality == quality)


def _settings_quality(
    request: TrainRequest,
    algorithm: AlgorithmEntry,
    env: EnvEntry,
    dataset: Dataset,
    note: Callable[[str], None] | None,
) -> str:
    """Whose settings a dataset given by name takes: the quality asked for, else the one its name says."""
    known = qualities_with_settings(algorithm, env.name)
    if request.quality and request.quality not in known:
        raise UsageError(
            f"{algorithm.name} has no settings for {env.name} data of quality {request.quality!r}."
            f"{did_you_mean(request.quality, known)}"
        )
    quality = request.quality or dataset.name.removeprefix(f"{env.name}/")
    if known and quality not in known and note is not None:
        note(
            f"{dataset.name} does not say its quality: {algorithm.name} runs with settings for any {env.name} data."
            f" --quality takes those of {', '.join(known)}"
        )
    return quality


def _open(name: str, building: Callable[[str, int, int], None] | None, note: Callable[[str], None] | None) -> Dataset:
    def progress(done: int, total: int) -> None:
        if building is not None:
            building(name, done, total)

    return resolve_dataset(name, progress=progress, waiting=note)


def _mixer(
    request: TrainRequest, algorithm: AlgorithmEntry, zoo: Zoo
) -> tuple[MixerEntry, str, str] | tuple[None, str, None]:
    """The mixer asked for; else, for an algorithm that takes one, its default or, that missing, the first that fits.

    With the name it was found by and who chose it.
    """
    name, origin = _mixer_asked_for(request)
    if name:
        try:
            mixer = zoo.find("mixer", name)
            require_mixer(algorithm, mixer, (o.entry for o in zoo.mixers))
        except UsageError as error:
            if not request.mixer:
                error.args = (f"{error}\nThe mixer is named in {request.config_file}",)
            raise
        return mixer, name, origin
    if algorithm.mixer is None:
        return None, "", None
    fitting = [o.entry for o in zoo.mixers if set(algorithm.mixer) <= set(o.entry.traits)]
    if not fitting:
        raise IncompatiblePair(
            f"{algorithm.name} requires a mixer that is {' and '.join(algorithm.mixer) or 'any'}, and none is"
            " installed: `zoo list mixers --available` says how to install one"
        )
    for mixer in fitting:
        if mixer.name == algorithm.default_mixer:
            return mixer, mixer.name, f"the default of {algorithm.name}"
    return fitting[0], fitting[0].name, "the first installed that fits"


def _mixer_asked_for(request: TrainRequest) -> tuple[str, str]:
    """Its name and who says it, both empty if nobody does. The command line counts more than the file."""
    if request.mixer:
        return request.mixer, "--mixer"
    file = Path(request.config_file)
    given = read_config_file(file) if request.config_file else {}
    if MIXER not in given:
        return "", ""
    return _mixer_name(given[MIXER], str(file)), f"file {file.name}"


def _mixer_name(given: Any, where: str) -> str:
    if not isinstance(given, str) or not given:
        raise UsageError(f"{where}: mixer takes the name of one, not {given!r}; see `zoo list mixers`")
    return given


def _require_team(env: EnvEntry, dataset: Dataset) -> None:
    """Raise `IncompatiblePair` unless the dataset's team is the environment's."""
    ours, theirs = env.load()(1).team, dataset.team
    for part in ("n", "obs_sizes", "action_sizes", "action_kind"):
        mine, other = getattr(ours, part), getattr(theirs, part)
        if mine != other:
            raise IncompatiblePair(
                f"dataset {dataset.name!r} was recorded by another team than {env.name}'s:"
                f" {part} is {other}, not {mine}. Its environment is {theirs.env!r}"
            )
