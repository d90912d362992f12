"""Finding what a task names: a module with environments, or a function or class of the user's own."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo_core import UsageError, did_you_mean
from zoo_pettingzoo.generators import undisturbed
from zoo_pettingzoo.task import FAMILY, Task

PACKAGES = {
    "mpe2": "mpe2",
    "gymnasium_robotics": "gymnasium-robotics",
    "pettingzoo.atari": "pettingzoo[atari]",
    "pettingzoo.butterfly": "pettingzoo[butterfly]",
    "pettingzoo.classic": "pettingzoo[classic]",
    "pettingzoo.sisl": "pettingzoo[sisl]",
}
"""Modules with parallel environments and the requirement that brings them with all they need."""

HEADLESS = {"SDL_VIDEODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1", "MUJOCO_GL": "egl"}
"""Variables that let pygame and MuJoCo draw without a screen; what the user has set stays."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps what packages print off standard output, which belongs to the command, and their warnings to themselves."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        yield


def locate(task: Task) -> tuple[Callable[..., Any], Any]:
    """The callable a task names, and the module of environments it is the `parallel_env` (or `env`) of, else None.

    Raises `UsageError` with what to install or what was meant.
    """
    for name, value in HEADLESS.items():
        os.environ.setdefault(name, value)
    name, _, attribute = task.target.partition(":")
    found: Any = _import(task, name)
    for part in attribute.split(".") if attribute else ():
        if not hasattr(found, part):
            raise UsageError(f"{task.name}: {name} has no {part!r}.{did_you_mean(part, _public(found))}")
        found = getattr(found, part)
    if attribute or callable(found):
        if not callable(found):
            raise UsageError(f"{task.name}: {attribute} of {name} is no function or class that builds an environment")
        return found, None
    for maker in ("parallel_env", "env"):
        if callable(getattr(found, maker, None)):
            return getattr(found, maker), found
    names = [key for key in _public(found) if callable(getattr(found, key))]
    raise UsageError(
        f"{task.name}: the module {name} has no parallel_env."
        f" Name what builds the environment, as {FAMILY}:{name}:FUNCTION{_modules_of(found) or _listed(names)}"
    )


def _import(task: Task, name: str) -> Any:
    """The module called `name`, or the attribute of a package that is written like one."""
    top = name.partition(".")[0]
    here = os.getcwd()
    if importlib.util.find_spec(top) is None and any((Path(here) / part).exists() for part in (f"{top}.py", top)):
        sys.path.append(here)  # a user's own module; last, so that it hides nothing
        importlib.invalidate_caches()
    try:
        with quiet(), undisturbed():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not (name == missing or name.startswith(f"{missing}.")):
            raise UsageError(
                f"{task.name} needs the package {missing!r}, which is not installed{_install(name)}"
            ) from error
    except Exception as error:  # the module's own code may raise anything
        raise UsageError(f"{task.name}: importing {name} raised {type(error).__name__}: {error}") from error
    parent, _, last = name.rpartition(".")
    if not parent:
        raise UsageError(_absent(task, name))
    package = _import(task, parent)
    with quiet():
        if hasattr(package, last):
            return getattr(package, last)
    known = _submodules(package) or _public(package)
    raise UsageError(f"{task.name}: {parent} has no {last!r}.{did_you_mean(last, known)}")


def _absent(task: Task, name: str) -> str:
    known = next((package for package in PACKAGES if package.partition(".")[0] == name), None)
    if known:
        return f"{task.name} needs {name}, which is not installed{_install(known)}"
    near = difflib.get_close_matches(name, {package.partition(".")[0] for package in PACKAGES}, n=1, cutoff=0.75)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"{task.name}: there is no module {name!r}.{meant} Install the package it belongs to, or run the command in the"
        f" folder where {name}.py lies"
    )


def _install(module: str) -> str:
    requirement = next((r for package, r in PACKAGES.items() if module.startswith(package)), "")
    return f": pip install '{requirement}'" if requirement else ""


def _submodules(package: Any) -> list[str]:
    return [m.name for m in pkgutil.iter_modules(getattr(package, "__path__", ())) if not m.name.startswith("_")]


def _modules_of(package: Any) -> str:
    names = [name for name in _submodules(package) if "_v" in name]
    return f", or one of its modules: {', '.join(names)}" if names else ""


def _listed(names: list[str]) -> str:
    return f"; it has {', '.join(names[:12])}" if names else ""


def _public(owner: Any) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_")]
