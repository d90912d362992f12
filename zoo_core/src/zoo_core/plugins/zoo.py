"""The zoo as found: what healthy plugins offer, and one row per plugin, healthy or not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, overload

from zoo_core.entries import AlgorithmEntry, DatasetEntry, Entry, EnvEntry, MixerEntry
from zoo_core.errors import AmbiguousName, UnknownName

E = TypeVar("E", bound=Entry, covariant=True)

OPTIONS = {"algorithm": "--algo", "env": "--env", "dataset": "--dataset", "mixer": "--mixer"}
"""The command-line option that takes a name of each kind."""


@dataclass(frozen=True, slots=True)
class Offer(Generic[E]):
    """An entry and the distribution that offers it."""

    entry: E
    distribution: str
    version: str

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def qualified_name(self) -> str:
        """`distribution:name`, which is never ambiguous."""
        return f"{self.distribution}:{self.entry.name}"


@dataclass(frozen=True, slots=True)
class PluginRow:
    """One installed plugin.

    Attributes:
        distribution, version: as its metadata names it.
        state: `ok`; `broken`, with the reason; or `off`, by `ZOO_PLUGINS` or `ZOO_PLUGINS_OFF`.
        reason: why it is not `ok`; empty otherwise.
        provides: names by kind (`algorithm`, `env`, `dataset`, `mixer`).
        import_seconds: what importing its hook module took when it was probed.
        heavy: what its hook module imports of torch, numpy and the like, though it should not.
        core_range: the zoo-core versions it works with, by its own metadata, such as `>=0.1,<0.2`.
        source: where it was installed from; see `zoo_core.plugins.source`.
    """

    distribution: str
    version: str
    state: Literal["ok", "broken", "off"]
    reason: str = ""
    provides: dict[str, tuple[str, ...]] = field(default_factory=dict)
    import_seconds: float = 0.0
    heavy: tuple[str, ...] = ()
    core_range: str = ""
    source: str = ""

    @property
    def healthy(self) -> bool:
        return self.state == "ok"

    def as_json(self) -> dict[str, Any]:
        return {
            "distribution": self.distribution,
            "version": self.version,
            "state": self.state,
            "reason": self.reason,
            "provides": {kind: list(names) for kind, names in self.provides.items()},
            "import_seconds": self.import_seconds,
            "heavy": list(self.heavy),
            "core_range": self.core_range,
            "source": self.source,
        }


@dataclass(frozen=True)
class Zoo:
    """Everything installed. Offers are sorted by name, then distribution; plugins by distribution."""

    algorithms: tuple[Offer[AlgorithmEntry], ...] = ()
    envs: tuple[Offer[EnvEntry], ...] = ()
    datasets: tuple[Offer[DatasetEntry], ...] = ()
    mixers: tuple[Offer[MixerEntry], ...] = ()
    plugins: tuple[PluginRow, ...] = ()

    @classmethod
    def assemble(cls, offers: Iterable[Offer[Any]], plugins: Iterable[PluginRow]) -> Zoo:
        """Sort offers into their kinds."""
        by_kind: dict[str, list[Offer[Any]]] = {kind: [] for kind in OPTIONS}
        for offer in sorted(offers, key=lambda o: (o.name, o.distribution)):
            by_kind[offer.entry.KIND].append(offer)
        return cls(
            algorithms=tuple(by_kind["algorithm"]),
            envs=tuple(by_kind["env"]),
            datasets=tuple(by_kind["dataset"]),
            mixers=tuple(by_kind["mixer"]),
            plugins=tuple(sorted(plugins, key=lambda row: row.distribution)),
        )

    def offers(self, kind: str) -> tuple[Offer[Any], ...]:
        """All offers of one kind: `algorithm`, `env`, `dataset` or `mixer`."""
        by_kind: dict[str, tuple[Offer[Any], ...]] = {
            "algorithm": self.algorithms,
            "env": self.envs,
            "dataset": self.datasets,
            "mixer": self.mixers,
        }
        return by_kind[kind]

    def shared_names(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(kind, name) → distributions, of every name that more than one of them offers."""
        owners: dict[tuple[str, str], list[str]] = {}
        for kind in OPTIONS:
            for offer in self.offers(kind):
                owners.setdefault((kind, offer.name), []).append(offer.distribution)
        return {key: tuple(found) for key, found in owners.items() if len(found) > 1}

    @overload
    def find(self, kind: Literal["algorithm"], name: str) -> AlgorithmEntry: ...
    @overload
    def find(self, kind: Literal["env"], name: str) -> EnvEntry: ...
    @overload
    def find(self, kind: Literal["dataset"], name: str) -> DatasetEntry: ...
    @overload
    def find(self, kind: Literal["mixer"], name: str) -> MixerEntry: ...
    def find(self, kind: str, name: str) -> Any:
        """The entry called `name`, or `distribution:name`; a member of a family of environments as `family:task`.

        Raises `UnknownName` or `AmbiguousName`, and what `EnvEntry.resolve` raises.
        """
        return self.find_offer(kind, name).entry

    def find_offer(self, kind: str, name: str) -> Offer[Any]:
        """Like `find`, with the distribution and version that offer it."""
        offers = self.offers(kind)
        exact = [o for o in offers if o.name == name] or [o for o in offers if o.qualified_name == name]
        matches, task = (exact, "") if exact else self._families(kind, name)
        if not matches:
            raise UnknownName(kind, name, self._known(kind, name), self._absent_hint())
        if len(matches) > 1:
            owners = " and ".join(f"{o.distribution} {o.version}" for o in matches)
            suffix = f":{task}" if task else ""
            choices = " or ".join(f"{OPTIONS[kind]} {o.qualified_name}{suffix}" for o in matches)
            raise AmbiguousName(f"{kind} {name!r} is offered by {owners}. Choose one: {choices}")
        return _member(matches[0], task)

    def matching(self, name: str) -> tuple[Offer[Any], ...]:
        """The offers of every kind called `name` or `distribution:name`; none is an error here.

        A family of environments is itself, and its members are resolved, with the errors of `EnvEntry.resolve`.
        """
        found = [o for kind in OPTIONS for o in self.offers(kind) if name in (o.name, o.qualified_name)]
        families, task = ([], "") if found else self._families("env", name)
        return (*found, *(_member(offer, task) for offer in families))

    def _families(self, kind: str, name: str) -> tuple[list[Offer[EnvEntry]], str]:
        """The families of environments that `name` is a member of, as `family:task`, and the task."""
        families = [o for o in self.envs if o.entry.resolver] if kind == "env" else []
        for prefix in ("name", "qualified_name"):
            found = [o for o in families if name.startswith(f"{getattr(o, prefix)}:")]
            if found:
                return found, name.removeprefix(f"{getattr(found[0], prefix)}:")
        return [], ""

    def _known(self, kind: str, name: str) -> list[str]:
        """What could have been meant: qualified names if a distribution was given, plain ones otherwise."""
        offers = self.offers(kind)
        distribution, _, rest = name.partition(":")
        families = {o.name: o for o in offers if getattr(o.entry, "resolver", "")}
        if rest and (near := difflib.get_close_matches(distribution, families, n=1)):
            return [f"{near[0]}:{rest}"]
        return [o.qualified_name for o in offers if o.distribution == distribution] or [o.entry.label for o in offers]

    def _absent_hint(self) -> str:
        """An unknown name may belong to a plugin that cannot be loaded, or that the user has switched off."""
        hints = []
        for state, title in (("broken", "Broken"), ("off", "Switched off")):
            names = [row.distribution for row in self.plugins if row.state == state]
            hints += [f"{title} plugins: {', '.join(names)}"] if names else []
        return f"{'; '.join(hints)} (`zoo list plugins` says why)." if hints else ""


def _member(offer: Offer[Any], task: str) -> Offer[Any]:
    """The offer itself, or where it is a family the member called `family:task`. No task is an error."""
    if not getattr(offer.entry, "resolver", ""):
        return offer
    return Offer(offer.entry.resolve(task), offer.distribution, offer.version)
