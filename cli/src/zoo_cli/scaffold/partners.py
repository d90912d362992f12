"""What a new plugin is tried with: an environment or algorithm that is installed, and the commands to type."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from zoo_cli.registry import load_registry
from zoo_cli.scaffold.naming import Names
from zoo_core import __version__
from zoo_core.compatibility import missing
from zoo_core.entries import AlgorithmEntry, EnvEntry, Source
from zoo_core.errors import UsageError
from zoo_core.plugins import Offer, Zoo
from zoo_core.plugins.probe_child import NAME

NO_ENV, NO_ALGO = "ENV", "ALGO"
"""What stands in a command where nothing that is installed goes with the plugin."""

SUMMARIES = {
    "algorithm": "The algorithm {name} for the offline multi-agent RL zoo.",
    "env": "The environment {name} for the offline multi-agent RL zoo.",
    "dataset": "The dataset {env}/{name} for the offline multi-agent RL zoo.",
    "mixer": "The mixer {name} for the offline multi-agent RL zoo.",
}


@dataclass(frozen=True)
class Partners:
    """Names of an environment and an algorithm to try the plugin with, and the environment's own plugin."""

    env: str = NO_ENV
    algorithm: str = NO_ALGO
    requirement: str = ""
    """What a dataset's package requires besides the core: the plugin of its environment."""
    folders: tuple[str, ...] = ()
    """Where that plugin, and what it needs, lie in a checkout of the zoo; empty if they do not."""


def find_partners(kind: str, zoo: Zoo, env: str | None) -> Partners:
    """What is installed and goes with a new plugin of this kind.

    Raises `UsageError` if there is no environment for a dataset, and `UnknownName` for an `env` that is not there.
    """
    if kind == "dataset":
        offer = _dataset_env(zoo, env)
        if not NAME.fullmatch(offer.name):
            raise UsageError(
                f"a dataset is called ENV/NAME, and {offer.name!r} cannot stand in a name, which has only a-z, 0-9 and "
                ". _ : / - in it: take an environment without options"
            )
        known = next((known for known in load_registry() if known.distribution == offer.distribution), None)
        return Partners(
            env=offer.name,
            algorithm=_algorithm_for(zoo, offer.entry),
            requirement=f"{offer.distribution}>={offer.version}",
            folders=(*known.requires, known.path) if known and known.path else (),
        )
    if env is not None:
        raise UsageError("--env goes with --kind dataset alone: it names the environment that the data comes from")
    if kind == "env":
        task = EnvEntry("", "", "", Source(""), gives=("continuous",))  # what the template's environment gives
        return Partners(algorithm=_algorithm_for(zoo, task))
    known = _best_known(zoo)
    return Partners(env=known.name if known else NO_ENV)


def placeholders(kind: str, names: Names, partners: Partners) -> dict[str, str]:
    """What each placeholder of the templates stands for."""
    major, minor = __version__.split(".")[:2]
    requirements = [f"zoo-core>={major}.{minor},<{major}.{int(minor) + 1}", partners.requirement]
    folders = ("zoo_core", "cli", *partners.folders)
    return {
        "NAME": names.name,
        "DISTRIBUTION": names.distribution,
        "PACKAGE": names.package,
        "CLASS": names.class_name,
        "ENV": partners.env,
        "ALGO": partners.algorithm,
        "DESCRIPTION": SUMMARIES[kind].format(name=names.name, env=partners.env),
        "DEPENDENCIES": ", ".join(f'"{text}"' for text in requirements if text),
        "CI_PACKAGES": " ".join(f"-e ./zoo/{folder}" for folder in folders),
    }


def next_steps(kind: str, names: Names, partners: Partners, target: Path) -> list[str]:
    """The commands that install, list, try and prove the new package, as they can be pasted into this terminal."""
    folder = shlex.quote(str(target) if target.is_absolute() or str(target).startswith("..") else f"./{target}")
    budget = "--iterations 1000"
    trying = {
        "algorithm": [f"zoo train --algo {names.name} --env {partners.env} {budget}"],
        "env": [f"zoo train --algo {partners.algorithm} --env {names.name} {budget}"],
        "dataset": [
            f"zoo data build {partners.env}/{names.name}",
            f"zoo train --algo {partners.algorithm} --env {partners.env} --quality {names.name} {budget}",
        ],
        "mixer": [f"zoo info {names.name}"],
    }[kind]
    possible = [line for line in trying if not {NO_ENV, NO_ALGO} & set(line.split())]
    steps = [
        f"pip install --no-build-isolation -e {folder}",
        "zoo list",
        *possible,
        f"pytest {folder}",
        f"zoo plugin check {names.distribution}",
    ]
    return [_runnable(step) for step in steps]


def _dataset_env(zoo: Zoo, env: str | None) -> Offer[EnvEntry]:
    """The environment that was named, or one that is installed."""
    if env is not None:
        return zoo.find_offer("env", env)
    if not zoo.envs:
        raise UsageError(
            "a dataset comes from an environment, and none is installed: `zoo list envs --available` shows which could "
            "be, `zoo plugin new NAME --kind env` makes one, with a dataset"
        )
    return _best_known(zoo) or zoo.envs[0]


def _best_known(zoo: Zoo) -> Offer[EnvEntry] | None:
    """The environment with most datasets, among those that `zoo train` has a default one for."""
    data = [offer.entry for offer in zoo.datasets]
    ready = [o for o in zoo.envs if any(d.env == o.name and d.quality == o.entry.default_quality for d in data)]
    return max(ready, key=lambda offer: sum(d.env == offer.name for d in data), default=None)


def _algorithm_for(zoo: Zoo, env: EnvEntry) -> str:
    """An installed algorithm that trains on the environment: preferably one that clones, which is the quickest."""
    fitting = [o.entry for o in zoo.algorithms if _is_plain(o.entry) and not missing(o.entry, env)]
    return min(fitting, key=lambda entry: (not entry.imitates, entry.name)).name if fitting else NO_ALGO


def _is_plain(entry: AlgorithmEntry) -> bool:
    return entry.mixer is None and not entry.online


def _runnable(command: str) -> str:
    """A command whose program is found: by its full path where this environment is not the one on the shell's path."""
    program, _, rest = command.partition(" ")
    beside = Path(sys.executable).with_name(program)
    found = shutil.which(program)
    if not beside.exists() or (found and Path(found).parent == beside.parent):
        return command
    return f"{shlex.quote(str(beside))} {rest}"
