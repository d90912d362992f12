"""What a plugin offers, as plain data.

Entries are frozen, serialise to JSON and import nothing heavy: `zoo list` reads them from a cache without importing
the plugin. The code behind an entry is named by a lazy `"module:attribute"` factory, imported on first use.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from zoo_core.errors import PluginError, UsageError, ZooError

CONTINUOUS, DISCRETE = "continuous", "discrete"
"""The two action kinds."""

DATA_NEEDS = frozenset(
    {
        "rows",  # independent transitions
        "windows",  # consecutive steps of one episode, length T
        "episodes",  # whole episodes
        "next_action",  # the logged next joint action a'
        "state",  # the environment's state (stored, per agent, or the learners' observations concatenated)
        "action_mask",  # which discrete actions are available
        "initial_obs",  # first observations of episodes
        "statistics",  # dataset statistics, for normalisation
    }
)
"""Every word an algorithm's `needs` may contain. Datasets give all but `action_mask`, which the environment decides."""

MIXER_TRAITS = frozenset({"linear", "monotone", "vector"})
"""Every word in a mixer's `traits`: gives `weights(state)`; increases in every value; has more than one output."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where something comes from. `code` names the official repository, where one exists."""

    paper: str
    url: str = ""
    equations: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceScores:
    """Returns that mean 0 and 100 on the normalised scale, and who says so."""

    random: float
    expert: float
    source: str

    def normalise(self, score: float) -> float:
        """100 · (score − random) / (expert − random)."""
        return 100.0 * (score - self.random) / (self.expert - self.random)


@dataclass(frozen=True, slots=True)
class Entry:
    """Common to the four kinds. `factory` is `"module:attribute"`."""

    KIND: ClassVar[str] = ""

    name: str
    summary: str
    factory: str
    source: Source

    @property
    def label(self) -> str:
        """The name as lists show it."""
        return self.name

    def load(self) -> Callable[..., Any]:
        """Import the factory. Raises `PluginError`, whatever goes wrong there."""
        return self._import("factory", self.factory)

    def check_imports(self) -> None:
        """Import what the entry names, to see that it can be. Raises `PluginError`."""
        self._import("factory", self.factory)

    def _import(self, role: str, named: str) -> Callable[..., Any]:
        """What `"module:attribute"` names."""
        module, _, attribute = named.partition(":")
        try:
            found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # the plugin's own code may raise anything
            raise PluginError(
                f"{self.KIND} {self.name!r}: cannot import its {role} {named!r}:"
                f" {type(error).__name__}: {error}. `zoo doctor` says how to mend it"
            ) from error
        return found

    def as_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary; `entry_from_json` reads it back equal."""
        return {"kind": self.KIND, **asdict(self)}


@dataclass(frozen=True, slots=True)
class EnvEntry(Entry):
    """An environment. Factory: `(num_envs: int, **options) -> zoo_core.envs.BatchedEnv`.

    `gives` holds the action kind and, where invalid actions exist, `action_mask`. `convention` says in one line whose
    physics, rewards and observations these are. `hints` are settings the environment asks of any algorithm. `options`,
    JSON values, are what `load()` binds to the factory. `modules` names top-level modules beside the plugin's own whose
    code decides what happens in an episode: a run records their versions and hashes.

    An entry with a `resolver`, `"module:function"`, stands for a **family**: any number of environments that cannot be
    listed, each named `name:task`. The function makes the entry of one, `(task: str) -> EnvEntry`, when somebody asks
    for it; `example` is a task that shows how they are named. A family itself cannot be loaded.
    """

    KIND: ClassVar[str] = "env"

    family: str = ""
    gives: tuple[str, ...] = (CONTINUOUS,)
    convention: str = ""
    agents: int = 0
    default_quality: str = ""
    reference: ReferenceScores | None = None
    hints: Mapping[str, Any] = field(default_factory=dict, hash=False)
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    modules: tuple[str, ...] = ()
    resolver: str = ""
    example: str = ""

    @property
    def label(self) -> str:
        """`name`, or `name:…` for a family."""
        return f"{self.name}:…" if self.resolver else self.name

    def load(self) -> Callable[..., Any]:
        """Import the factory and bind `options`. Raises `PluginError`, and `UsageError` for a family."""
        if self.resolver:
            example = f", for example {self.name}:{self.example}" if self.example else ""
            raise UsageError(f"{self.name} is a family of environments: name one as {self.name}:TASK{example}")
        factory = self._import("factory", self.factory)
        return functools.partial(factory, **self.options) if self.options else factory

    def check_imports(self) -> None:
        """Import the factory, and a family's resolver. Raises `PluginError`."""
        self._import("factory", self.factory)
        if self.resolver:
            self._import("resolver", self.resolver)

    def resolve(self, task: str) -> EnvEntry:
        """The member of this family called `name:task` (the resolver may spell the task in another way).

        Raises `UsageError` for a task that does not exist or cannot be used, `PluginError` if the resolver is at fault.
        """
        if not self.resolver:
            raise UsageError(f"{self.name} is one environment, not a family: it has no {self.name}:{task}")
        if not task:
            self.load()
        resolver = self._import("resolver", self.resolver)
        try:
            found = resolver(task)
        except ZooError:
            raise
        except Exception as error:  # the plugin's own code may raise anything
            raise PluginError(
                f"env {self.name}:{task}: {self.resolver} raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(found, EnvEntry) or found.resolver or not found.name.startswith(f"{self.name}:"):
            raise PluginError(
                f"{self.resolver} must return the EnvEntry of one environment, named {self.name}:…, not {found!r}"
            )
        return found


@dataclass(frozen=True, slots=True)
class DatasetEntry(Entry):
    """A dataset that can be built without a download. Factory: `(build: zoo_core.data.Build) -> None` fills it.

    Its name is `env/quality`. `version` rises whenever equal seeds would no longer give equal bits.
    """

    KIND: ClassVar[str] = "dataset"

    env: str = ""
    quality: str = ""
    transitions: int = 0
    published_return: float | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class MixerEntry(Entry):
    """A mixer. Factory: `(agents: int, state_size: int, **options) -> zoo_core.mixers.Mixer`."""

    KIND: ClassVar[str] = "mixer"

    traits: tuple[str, ...] = ()
    outputs: str = "1"
    """How many totals it gives: `"1"`, or `"n"` for one per agent."""


@dataclass(frozen=True, slots=True)
class AlgorithmEntry(Entry):
    """An algorithm. Factory: a `zoo_core.algorithms.Algorithm` subclass.

    `actions` lists the action kinds it handles, `needs` what it takes from the data (words of `DATA_NEEDS`),
    `mixer` the traits it requires of a mixer (None: it takes none), `default_mixer` the one it has unless another is
    asked for. `settings` is `"package:file.yaml"`.
    `table_column` says which column of which paper this name stands for.
    """

    KIND: ClassVar[str] = "algorithm"

    settings: str = ""
    actions: tuple[str, ...] = (CONTINUOUS,)
    needs: tuple[str, ...] = ("rows",)
    mixer: tuple[str, ...] | None = None
    default_mixer: str = "linear"
    table_column: str = ""
    centralised_acting: bool = False
    imitates: bool = False
    """True if it clones the policy of its data and so cannot find a better one: exempt from the learning claims."""
    online: str = ""
    """Non-empty for an online trainer: the command that runs it. Such an algorithm does not train on datasets."""


KINDS: dict[str, type[Entry]] = {kind.KIND: kind for kind in (EnvEntry, DatasetEntry, MixerEntry, AlgorithmEntry)}


def entry_from_json(data: Mapping[str, Any]) -> Entry:
    """The entry that `as_json` wrote, equal to the original."""
    values = dict(data)
    cls = KINDS[values.pop("kind")]
    values["source"] = Source(**values["source"])
    if values.get("reference"):
        values["reference"] = ReferenceScores(**values["reference"])
    for f in fields(cls):
        if isinstance(values.get(f.name), list):
            values[f.name] = tuple(values[f.name])
    return cls(**values)
