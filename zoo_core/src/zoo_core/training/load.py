"""Opening a run again, to score or show its policy. The dataset is not needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zoo_core.algorithms import Algorithm
from zoo_core.entries import EnvEntry
from zoo_core.errors import PluginError, RunError
from zoo_core.team import TeamSpec
from zoo_core.training import checkpoints
from zoo_core.training.construct import build_algorithm, statistics_from_json
from zoo_core.training.folder import RunFolder

if TYPE_CHECKING:
    from zoo_core.plugins import Zoo


_ANOTHER = "Install the versions that its manifest.json names, or train it anew with --again"


@dataclass(frozen=True)
class TrainedPolicy:
    """The policy of a run as its newest whole checkpoint holds it."""

    folder: RunFolder
    algorithm: Algorithm
    env: EnvEntry
    iteration: int

    @property
    def config(self) -> dict[str, Any]:
        return self.folder.config


def find_runs(path: Path) -> list[RunFolder]:
    """The run at `path`, or all runs below it, sorted. Raises `RunError` if there is none."""
    found = [RunFolder(config.parent) for config in sorted(path.rglob("config.json"))]
    if not found:
        raise RunError(f"no run at {path}: give a folder such as runs/mpe-cn/expert/bc/seed0-1a2b3c4d")
    return found


def load_policy(path: Path, zoo: Zoo, warn: Callable[[str], None]) -> TrainedPolicy:
    """Rebuild a run's algorithm with its trained weights, in evaluation mode.

    Raises:
        RunError: no run there, or no checkpoint yet.
        CheckpointCorrupt: no checkpoint is whole.
        PluginError: the installed plugin no longer has the run's settings or networks.
    """
    folder = RunFolder(path)
    config = folder.config
    # By qualified name: another plugin may offer the plain one too by now. Older runs recorded the plain name alone.
    name = {"algorithm": config["algorithm"], "env": config["env"], "mixer": config["mixer"]} | config.get(
        "offered", {}
    )
    entry, env = zoo.find("algorithm", name["algorithm"]), zoo.find("env", name["env"])
    mixer = zoo.find("mixer", name["mixer"]) if name["mixer"] else None
    found = checkpoints.load(folder.checkpoints, warn)
    if found is None:
        raise RunError(f"{path} has no checkpoint yet: train it further first")
    values = {name: _value(item["value"]) for name, item in config["settings"].items()}
    try:
        settings = entry.load().Config(**values)  # type: ignore[attr-defined]
    except TypeError as error:
        raise PluginError(f"{path}: {entry.name} no longer takes this run's settings: {error}. {_ANOTHER}") from error
    team = TeamSpec.from_json(config["team"])
    statistics = statistics_from_json(config["statistics"])
    algorithm = build_algorithm(entry, team, settings, config["seed"], statistics=statistics, mixer=mixer)
    own = dict([*algorithm.named_parameters(), *algorithm.named_buffers()])
    stored = {name.removeprefix("model/"): t for name, t in found.tensors.items() if name.startswith("model/")}
    if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in stored.items()}:
        raise PluginError(f"{path}: {entry.name} no longer has the networks this run was trained with. {_ANOTHER}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(stored[name])
    return TrainedPolicy(folder, algorithm.eval(), env, found.iteration)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
