"""Claims about what an entry names as its factory, without which no other claim about its code says anything."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from typing import Any

from zoo_core.algorithms import Algorithm
from zoo_core.entries import AlgorithmEntry, DatasetEntry, Entry, EnvEntry, MixerEntry
from zoo_core.errors import PluginError
from zoo_core.mixers import Mixer
from zoo_core.team import TeamSpec
from zoo_core.testing.checks import Claim, NotApplicable, demand
from zoo_core.testing.settings import hook_modules, the_hook_module_is_light


def factory_claims(entry: Entry) -> list[Claim]:
    """The claims with which those of every kind begin."""
    tests = [the_factory_can_be_imported]
    if hook_modules(entry):
        tests.append(the_hook_module_is_light)
    if not isinstance(entry, DatasetEntry):  # a recipe is any function: it_builds runs it
        tests.append(the_factory_fits_its_kind)
    return [Claim(test.__name__, functools.partial(test, entry)) for test in tests]


def the_factory_can_be_imported(entry: Entry) -> None:
    demand(callable(entry.load()), f"the factory {entry.factory!r} cannot be called")


def the_factory_fits_its_kind(entry: Entry) -> None:
    """An algorithm's is a class with a `Config`; an environment's and a mixer's build one."""
    try:
        usable = callable(entry.load())
    except PluginError:
        usable = False
    if not usable:
        raise NotApplicable("there is nothing to call: see the_factory_can_be_imported")
    if isinstance(entry, AlgorithmEntry):
        _require_algorithm(entry)
    elif isinstance(entry, EnvEntry):
        _require_env(entry)
    elif isinstance(entry, MixerEntry):
        mixer = entry.load()(2, 3)
        demand(isinstance(mixer, Mixer), f"{entry.factory} must build a zoo_core.Mixer, not {_kind(mixer)}")


def fits(entry: Entry) -> bool:
    """Whether `the_factory_fits_its_kind` holds."""
    try:
        the_factory_fits_its_kind(entry)
    except (Exception, SystemExit):  # the plugin's own code may raise anything
        return False
    return True


def _require_algorithm(entry: AlgorithmEntry) -> None:
    made: Any = entry.load()
    sound = isinstance(made, type) and (entry.online or issubclass(made, Algorithm))  # the core trains no online one
    demand(sound, f"{entry.factory} is no algorithm: make it a subclass of zoo_core.Algorithm")
    config: Any = getattr(made, "Config", None)
    settings = (
        "Config = …, a class of settings that extends zoo_core.AlgorithmConfig, decorated @dataclass(frozen=True)"
    )
    demand(config is not None, f"{entry.factory} has no Config: set {settings}")
    bare = dataclasses.is_dataclass(config) and "__dataclass_fields__" not in vars(config)  # only its base is one
    demand(
        isinstance(config, type)
        and dataclasses.is_dataclass(config)
        and not (bare and inspect.get_annotations(config)),
        f"the Config of {entry.factory} is no dataclass: set {settings}",
    )


def _require_env(entry: EnvEntry) -> None:
    """All of a `BatchedEnv` but `render`: that frames can be drawn is advice."""
    env: Any = entry.load()(1)
    absent = [name for name in ("team", "num_envs", "reset", "step") if not hasattr(env, name)]
    demand(
        not absent,
        f"{entry.factory} must build a zoo_core.BatchedEnv, not {_kind(env)}, which has no {' and no '.join(absent)}",
    )
    demand(isinstance(env.team, TeamSpec), f"its team must be a zoo_core.TeamSpec, not {_kind(env.team)}")


def _kind(found: object) -> str:
    return f"something of type {type(found).__name__}"
