"""The checks of `zoo doctor`: each looks at one thing and says how to mend what is wrong with it."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from zoo_cli.registry import install_hint
from zoo_core.paths import cache_home, data_home
from zoo_core.plugins import Zoo

SLOW_IMPORT = 0.2
"""Seconds a hook module may take to import before the doctor remarks on it."""
LITTLE_SPACE, TOO_LITTLE_SPACE = 5 << 30, 500 << 20
"""Bytes of free disk below which the doctor warns, and below which a dataset cannot be built."""


@dataclass(frozen=True)
class Check:
    """One line of the report. `bad` fails the doctor, `warn` does not; `mend` says what to do about either."""

    topic: str
    state: Literal["ok", "warn", "bad"]
    found: str
    mend: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def check_python() -> Iterator[Check]:
    version = sys.version.split()[0]
    good = sys.version_info >= (3, 11)
    yield Check(
        "python", "ok" if good else "bad", f"{version} at {sys.executable}", "" if good else "install 3.11 or later"
    )


def check_packages(zoo: Zoo) -> Iterator[Check]:
    """Every requirement of the core, the command line and each plugin is installed in a version that satisfies it."""
    shown: set[Check] = set()
    for owner in ("zoo-core", "zoo-cli", *(row.distribution for row in zoo.plugins if row.version)):
        for check in requirements(owner):
            if check not in shown:
                shown.add(check)
                yield check


def requirements(owner: str) -> Iterator[Check]:
    """One check for each package a distribution requires."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        lines = metadata.requires(owner) or []
    except metadata.PackageNotFoundError:
        yield Check(owner, "bad", "not installed", install_hint(owner, owner))
        return
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue  # discovery has already made that plugin a broken row
        optional = "extra ==" in str(requirement.marker or "")
        if not optional and requirement.marker and not requirement.marker.evaluate():
            continue
        version = _version(requirement.name)
        if version is not None and requirement.specifier.contains(version, prereleases=True):
            yield Check(requirement.name, "ok", version)
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        need = f"{owner} can use {wanted}" if optional else f"{owner} needs {wanted}"
        found = f"{version or 'not installed'}; {need}"
        mend = install_hint(requirement.name, wanted)
        if requirement.name == "zoo-core" and version is not None:  # the core at hand would only be installed again
            mend = f"install a version of {owner} that works with zoo-core {version}, or the zoo-core it wants"
        yield Check(requirement.name, "warn" if optional else "bad", found, mend)


def check_plugins(zoo: Zoo) -> Iterator[Check]:
    """Each plugin is healthy, cheap to import and can load what it offers; no two offer one name."""
    for row in zoo.plugins:
        if row.state == "broken":
            variable = row.reason.partition(" names it, but")[0]
            mend = f"mend it, or leave it out: ZOO_PLUGINS_OFF={row.distribution}"
            if variable in ("ZOO_PLUGINS", "ZOO_PLUGINS_OFF"):
                mend = f"correct {variable}, or install {row.distribution}"
            yield Check(row.distribution, "bad", row.reason, mend)
        elif row.state == "off":
            yield Check(row.distribution, "ok", f"off: {row.reason}")
        else:
            yield _healthy(zoo, row.distribution, row.import_seconds, row.heavy)
    for (kind, name), owners in zoo.shared_names().items():
        choices = " or ".join(f"{owner}:{name}" for owner in owners)
        yield Check(f"{kind} {name}", "warn", f"offered by {' and '.join(owners)}", f"say which: {choices}")


def _healthy(zoo: Zoo, distribution: str, seconds: float, heavy: tuple[str, ...]) -> Check:
    """A plugin that answered its probe; its factories are imported here, as training would."""
    cost = f"import {seconds * 1000:.0f} ms"
    for kind in ("algorithm", "env", "dataset", "mixer"):
        for offer in zoo.offers(kind):
            if offer.distribution != distribution:
                continue
            try:
                offer.entry.check_imports()
            except Exception as error:  # the plugin's own code may raise anything
                return _unloadable(distribution, error)
    if heavy:
        return Check(
            distribution,
            "warn",
            f"{cost}: its hook module imports {' and '.join(heavy)}",
            "import them in the modules its factories name instead",
        )
    if seconds > SLOW_IMPORT:
        return Check(distribution, "warn", cost, f"`{sys.executable} -X importtime -c 'import …'` shows where it goes")
    return Check(distribution, "ok", cost)


def _unloadable(distribution: str, error: Exception) -> Check:
    """A factory that cannot be imported: what the plugin requires and has not explains it, if anything does."""
    lacking = [c for c in requirements(distribution) if c.state == "bad" and c.topic != distribution]
    found = str(error).removesuffix(". `zoo doctor` says how to mend it") or type(error).__name__
    if not lacking:
        return Check(distribution, "bad", found, f"reinstall {distribution}")
    missing = "; ".join(f"{c.topic} is {c.found}" for c in lacking)
    return Check(distribution, "bad", f"{missing}. {found}", "; ".join(c.mend for c in lacking))


def check_torch() -> Iterator[Check]:
    """The device, the threads, and what `--compile` needs."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("torch", "bad", f"cannot be imported: {error}", "pip install torch")
        return
    device = "cpu"
    if torch.cuda.is_available():
        device = f"cuda ({torch.cuda.get_device_name()})"
    elif torch.backends.mps.is_available():
        device = "mps"
    yield Check("device", "ok", device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = (
        f"{torch.get_num_threads()} by default on {cores} cores; a run takes one, --jobs runs several side by side"
    )
    yield Check("threads", "ok", threads)
    compiler = next(
        (path for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++") if (path := shutil.which(name))), ""
    )
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    slower = "without it training runs eagerly, which is slower and otherwise the same"
    if not compiler:
        yield Check("compiler", "warn", f"no C++ compiler on PATH; {slower}", "install g++ or clang")
    elif not headers.is_file():
        yield Check(
            "compiler", "warn", f"{compiler}, but no {headers}; {slower}", "install Python's development headers"
        )
    else:
        yield Check("compiler", "ok", compiler)


def check_folders() -> Iterator[Check]:
    """The cache and the data folder can be written to and have room."""
    for topic, variable, folder in (("cache", "ZOO_CACHE", cache_home()), ("data", "ZOO_DATA", data_home())):
        existing = next((parent for parent in (folder, *folder.parents) if parent.exists()), Path("/"))
        elsewhere = f"set {variable} to a folder elsewhere"
        try:
            with tempfile.TemporaryFile(dir=existing):
                free = shutil.disk_usage(existing).free
        except OSError as error:
            yield Check(topic, "bad", f"{folder} cannot be written to: {error.strerror or error}", elsewhere)
            continue
        room = f"{folder}: {free / (1 << 30):.1f} GiB free"
        state: Literal["ok", "warn", "bad"] = "ok"
        if free < LITTLE_SPACE:
            state = "bad" if free < TOO_LITTLE_SPACE else "warn"
        yield Check(topic, state, room, "" if state == "ok" else f"make room, or {elsewhere}")


def all_checks(zoo: Zoo) -> Iterator[Check]:
    yield from check_python()
    yield from check_packages(zoo)
    yield from check_plugins(zoo)
    yield from check_torch()
    yield from check_folders()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
