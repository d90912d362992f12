"""What a plugin offers, as plain data.

Entries are frozen, serialise to JSON and import nothing heavy: `zoo list` reads them from a cache without importing
the plugin. The code behind an entry is named by a lazy `"module:attribute"` factory, imported on first use.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from zoo_core.errors import PluginError

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

    def load(self) -> Callable[..., Any]:
        """Import the factory. Raises `PluginError`, whatever goes wrong there."""
        module, _, attribute = self.factory.partition(":")
        try:
            found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # the plugin's own code may raise anything
            raise PluginError(
                f"{self.KIND} {self.name!r}: cannot import its factory {self.factory!r}:"
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
    physics, rewards and observations these are. `hints` are settings the environment asks of any algorithm.
    """

    KIND: ClassVar[str] = "env"

    family: str = ""
    gives: tuple[str, ...] = (CONTINUOUS,)
    convention: str = ""
    agents: int = 0
    default_quality: str = ""
    reference: ReferenceScores | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)


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
    `mixer` the traits it requires of a mixer (None: it takes none). `settings` is `"package:file.yaml"`.
    `table_column` says which column of which paper this name stands for.
    """

    KIND: ClassVar[str] = "algorithm"

    settings: str = ""
    actions: tuple[str, ...] = (CONTINUOUS,)
    needs: tuple[str, ...] = ("rows",)
    mixer: tuple[str, ...] | None = None
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
