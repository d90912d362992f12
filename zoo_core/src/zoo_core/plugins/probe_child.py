"""The probe's child process: imports one plugin's hook modules, calls its hooks, checks and reports what they offer.

It speaks JSON lines on what was its standard output when it started; from then on the plugin's own prints go to
standard error. The last line is the finding; those before it say what is being tried, so that the parent can say where
a plugin hung or ended the process.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

HEAVY = ("torch", "numpy", "gymnasium", "pettingzoo", "matplotlib")
"""What no hook module may import: it is read whenever plugins are listed."""

NAME = re.compile(r"[a-z0-9][a-z0-9._:/-]*")
FACTORY = re.compile(r"\w+(\.\w+)*:\w+")


class Fault(Exception):
    """Something the plugin's author has to mend."""


def main(modules: Sequence[str], seconds: float) -> None:
    """Probe the hook modules and end the process, at the latest a little after the deadline."""
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds) + 5)  # nobody else ends a plugin that hangs if the parent is killed
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    say(finding(modules, lambda stage: say({"stage": stage})))
    os._exit(0)  # threads and exit handlers of the plugin have no say any more


def finding(modules: Sequence[str], trying: Callable[[str], None]) -> dict[str, Any]:
    """What the plugin offers, or why it cannot be used."""
    from zoo_core import hookspecs  # before the clock starts

    entries: list[dict[str, Any]] = []
    seconds, stage = 0.0, ""
    try:
        for name in modules:
            trying(stage := f"importing {name}")
            started = time.perf_counter()
            module = importlib.import_module(name)
            seconds += time.perf_counter() - started
            for hook, function, expected in _hooks(module, hookspecs):
                trying(stage := f"calling {hook}()")
                entries += [_checked(hook, entry, expected) for entry in _sequence(hook, function(), expected)]
        trying(stage := "checking its entries")
        _require_unique(entries)
    except Fault as fault:
        return {"ok": False, "reason": str(fault), "files": _files(modules)}
    except BaseException as error:
        reason = f"{stage} raised {type(error).__name__}: {_one_line(str(error))}{_place(error, modules)}"
        return {"ok": False, "reason": reason, "files": _files(modules)}
    return {
        "ok": True,
        "entries": entries,
        "import_seconds": round(seconds, 4),
        "heavy": [name for name in HEAVY if name in sys.modules],
        "files": _files(modules),
    }


def _hooks(module: ModuleType, hookspecs: ModuleType) -> Iterator[tuple[str, Callable[[], Any], type[Any]]]:
    """The hooks a module implements: name, function and the type of entry it must return. pluggy checks signatures."""
    import pluggy

    from zoo_core.entries import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry
    from zoo_core.errors import did_you_mean

    kinds = {
        "zoo_envs": EnvEntry,
        "zoo_datasets": DatasetEntry,
        "zoo_mixers": MixerEntry,
        "zoo_algorithms": AlgorithmEntry,
    }
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module)
    except pluggy.PluginValidationError as error:
        raise Fault(f"{module.__name__} has a hook of the wrong signature: {_one_line(str(error))}") from error
    implemented = [caller.name for caller in manager.get_hookcallers(module) or ()]
    for name in implemented:
        if name not in kinds:
            raise Fault(f"{module.__name__} implements {name}, which is no hook.{did_you_mean(name, kinds)}")
    if not implemented:
        raise Fault(f"{module.__name__} implements no hook: decorate {' or '.join(kinds)} with @hookimpl")
    for name in sorted(implemented):
        for implementation in getattr(manager.hook, name).get_hookimpls():
            yield name, implementation.function, kinds[name]


def _sequence(hook: str, returned: Any, expected: type[Any]) -> Sequence[Any]:
    if not isinstance(returned, list | tuple):
        raise Fault(f"{hook}() must return a list or tuple of {expected.__name__}, not {type(returned).__name__}")
    return returned


def _checked(hook: str, entry: Any, expected: type[Any]) -> dict[str, Any]:
    """The entry as JSON, if it is what its kind promises."""
    if type(entry) is not expected:
        raise Fault(f"{hook}() must return {expected.__name__} entries, not {type(entry).__name__}")
    data: dict[str, Any] = entry.as_json()
    if not isinstance(entry.name, str) or not NAME.fullmatch(entry.name):
        raise Fault(f"{hook}(): {entry.name!r} is no valid name: use a-z, 0-9 and . _ : / - and start with a-z or 0-9")
    for complaint in _complaints(entry, data):
        raise Fault(f"{hook}(): {entry.KIND} {entry.name!r}: {complaint}")
    try:
        return dict(json.loads(json.dumps(data)))
    except (TypeError, ValueError) as error:
        raise Fault(f"{hook}(): {entry.KIND} {entry.name!r} is not plain data: {error}") from error


def _complaints(entry: Any, data: dict[str, Any]) -> Iterator[str]:
    """What an entry of the right type still has wrong."""
    from zoo_core.entries import CONTINUOUS, DATA_NEEDS, DISCRETE, MIXER_TRAITS, ReferenceScores, Source

    for key in ("summary", "factory"):
        if not isinstance(data[key], str) or not data[key].strip():
            yield f"{key} must be a text"
    if not FACTORY.fullmatch(str(entry.factory)):
        yield f'factory must be "module:attribute", not {entry.factory!r}'
    if not isinstance(entry.source, Source):
        yield f"source must be a Source, not {type(entry.source).__name__}"
    if not isinstance(getattr(entry, "reference", None), ReferenceScores | None):
        yield "reference must be a ReferenceScores or None"
    if entry.KIND == "env":
        yield from _family_complaints(entry)
    if entry.KIND == "dataset" and entry.name != f"{entry.env}/{entry.quality}":
        yield f"a dataset is called env/quality: {entry.env}/{entry.quality}"
    vocabulary = {
        "actions": {CONTINUOUS, DISCRETE},
        "gives": {CONTINUOUS, DISCRETE, "action_mask"},
        "needs": DATA_NEEDS,
        "traits": MIXER_TRAITS,
        "mixer": MIXER_TRAITS,
    }
    for key, words in vocabulary.items():
        given = data.get(key)
        if given is None:
            continue
        if not isinstance(given, tuple):
            yield f"{key} must be a tuple of words, not {given!r}"
        elif unknown := [word for word in given if word not in words]:
            yield f"{key} holds {unknown[0]!r}; it may hold {', '.join(sorted(words))}"


def _family_complaints(entry: Any) -> Iterator[str]:
    """What is wrong with the options of an environment, or with a family of environments."""
    if not isinstance(entry.options, dict) or not all(isinstance(key, str) for key in entry.options):
        yield f"options must map names to JSON values, not be {entry.options!r}"
    if not isinstance(entry.modules, tuple):
        yield f"modules must be a tuple of names, not {entry.modules!r}"
    if entry.resolver and not FACTORY.fullmatch(str(entry.resolver)):
        yield f'resolver must be "module:function", not {entry.resolver!r}'
    if entry.resolver and ":" in entry.name:
        yield "the name of a family ends where its tasks begin: it may hold no colon"
    if entry.resolver and not entry.example:
        yield "a family needs an example: a task to show and to test it with"


def _require_unique(entries: list[dict[str, Any]]) -> None:
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        key = (entry["kind"], entry["name"])
        if key in seen:
            raise Fault(f"it offers the {key[0]} {key[1]!r} twice")
        seen.add(key)


def _files(modules: Sequence[str]) -> list[str]:
    """Source files of the plugin's own package that the probe imported: the finding holds while they are unchanged."""
    packages = {name.partition(".")[0] for name in modules}
    own = (module for name, module in list(sys.modules.items()) if name.partition(".")[0] in packages)
    paths = (getattr(module, "__file__", None) for module in own)
    return sorted({os.path.abspath(path) for path in paths if path})


def _place(error: BaseException, modules: Sequence[str]) -> str:
    """` (package/file.py:line)`: the last line of the plugin's own package that the error passed through."""
    packages = {name.partition(".")[0] for name in modules}
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parts = frame.filename.removesuffix(".py").split(os.sep)
        if packages & set(parts[-4:]):
            return f" ({'/'.join(frame.filename.split(os.sep)[-2:])}:{frame.lineno})"
    return ""


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:297] + "..."
