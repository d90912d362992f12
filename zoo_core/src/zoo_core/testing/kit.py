"""The kit for any entry: `claims(entry)` lists what it must hold to, `check(entry)` tests it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import pluggy

from zoo_core import hookspecs
from zoo_core.entries import AlgorithmEntry, DatasetEntry, Entry, EnvEntry, MixerEntry
from zoo_core.errors import PluginError
from zoo_core.testing.checks import Check, Claim, NotApplicable, Observer, run_claims


def claims(entry: Entry, *, envs: Sequence[EnvEntry] = ()) -> list[Claim]:
    """Every claim about an entry, of whichever of the four kinds, cheap ones first.

    `envs`: environments that a dataset may be built in although they are not installed (yet).
    """
    if isinstance(entry, AlgorithmEntry):
        from zoo_core.testing.algorithms import algorithm_claims

        return algorithm_claims(entry)
    if isinstance(entry, EnvEntry):
        from zoo_core.testing.envs import env_claims

        return env_claims(entry)
    if isinstance(entry, MixerEntry):
        from zoo_core.testing.mixers import mixer_claims

        return mixer_claims(entry)
    if isinstance(entry, DatasetEntry):
        from zoo_core.testing.datasets import dataset_claims

        return dataset_claims(entry, envs=envs)
    raise TypeError(f"{entry!r} is an entry of none of the four kinds")


def check(entry: Entry, observer: Observer | None = None, *, envs: Sequence[EnvEntry] = ()) -> list[Check]:
    """Test every claim about an entry. `observer` hears of each: its name before, its `Check` after."""
    return run_claims(claims(entry, envs=envs), observer, package_of(entry))


def claim_about(
    entry: Entry, test: Callable[..., None], *arguments: Any, name: str = "", required: bool = True
) -> Claim:
    """The claim `test(entry, *arguments)`, called `test[first argument]`.

    It is not applicable if the entry's factory cannot be imported, nor if it fails and the factory does not make what
    its kind does: one claim says so for all.
    """

    def guarded() -> None:
        from zoo_core.testing.factories import fits

        try:
            entry.load()
        except PluginError:
            raise NotApplicable("its factory cannot be imported: see the_factory_can_be_imported") from None
        try:
            test(entry, *arguments)
        except NotApplicable:
            raise
        except (Exception, SystemExit):  # the plugin's own code may raise anything
            if fits(entry):
                raise
            raise NotApplicable("its factory is at fault: see the_factory_fits_its_kind") from None

    return Claim(name or test.__name__ + (f"[{arguments[0]}]" if arguments else ""), guarded, required)


def package_of(entry: Entry) -> str:
    """The top-level package that an entry's factory lives in."""
    return entry.factory.partition(":")[0].partition(".")[0]


def offered(module: str) -> list[Entry]:
    """The entries a hook module offers, in the order of the hooks. Raises `PluginError` if it cannot be asked."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(importlib.import_module(module))
        hooks = (manager.hook.zoo_algorithms, manager.hook.zoo_envs, manager.hook.zoo_datasets, manager.hook.zoo_mixers)
        found = [entry for hook in hooks for entries in hook() for entry in entries]
    except Exception as error:  # the plugin's own code may raise anything
        raise PluginError(f"the hook module {module!r} cannot be used: {type(error).__name__}: {error}") from error
    if not found:
        raise PluginError(f"{module!r} offers nothing: implement one of the four hooks with @hookimpl there")
    return found
