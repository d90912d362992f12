"""Reading the formats that others publish: one module each, behind one small protocol.

A format is a module with a function `read(source, options) -> Reading`. To add one, write the module and name it in
`IMPORTERS`; writing, validation, hashing, the card and the command line are common to all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo_core.data.build import Progress
from zoo_core.data.dataset import Dataset
from zoo_core.data.folders import locked, staged
from zoo_core.data.writer import EpisodeWriter
from zoo_core.errors import UnknownName
from zoo_core.team import TeamSpec


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a user may tell an importer.

    Attributes:
        env: the environment the data is from; its team and episode length then hold.
        infer_team: take the team from the files instead, although `env` is not installed.
        agents: how many of the files' agents learn, where the team is inferred.
        episode_length: steps after which the source cut its episodes.
        timeouts_are_terminal: an episode cut at that length counts as terminated, not truncated.
        action_bound: bounds (−b, b) for a source that states none.
        tolerance: largest difference allowed between a stored next observation and the following row.
    """

    env: str = ""
    infer_team: bool = False
    agents: int | None = None
    episode_length: int | None = None
    timeouts_are_terminal: bool = False
    action_bound: float | None = None
    tolerance: float = 1e-3


@dataclass(slots=True)
class Reading:
    """A source being read.

    Attributes:
        team: who acted.
        groups: keyword arguments of `EpisodeWriter.add`, group after group.
        total: transitions there will be, for the progress display; 0 if unknown.
        source: what the card says about where it comes from.
        convention: whose environment it is.
        notes: what was found and what was assumed, for the card; complete when `groups` is exhausted.
        repairs: what was clipped or mended, likewise.
    """

    team: TeamSpec
    groups: Iterator[dict[str, Any]]
    total: int
    source: Mapping[str, Any]
    convention: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)


IMPORTERS: Mapping[str, tuple[str, str]] = {
    "npy": ("zoo_core.data.importers.npy_folder", "a folder of obs_0.npy, acs_0.npy, … as OMAR and CFCQL publish"),
    "minari": ("zoo_core.data.importers.minari", "a local Minari dataset, by its id"),
}
"""Name of each format: its module and what it reads."""


def read_source(format_name: str, source: str, options: ImportOptions) -> Reading:
    """Start reading `source`. Raises `UnknownName` for an unknown format, `DatasetError` for an unreadable source."""
    if format_name not in IMPORTERS:
        raise UnknownName("dataset format", format_name, IMPORTERS)
    read: Callable[[str, ImportOptions], Reading] = importlib.import_module(IMPORTERS[format_name][0]).read
    return read(source, options)


def import_dataset(
    format_name: str,
    source: str,
    name: str,
    options: ImportOptions | None = None,
    *,
    replace: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Import `source` under `name`, by which `open_dataset` and `--dataset` find it.

    Raises:
        UsageError: the name is taken by a built-in dataset, or cannot be one.
        DatasetError: the source is incomplete or malformed, or the name exists and `replace` is false.
    """
    from zoo_core.data.catalogue import named_folder

    folder = named_folder(name)
    reading = read_source(format_name, source, options or ImportOptions())
    with locked(folder):
        write_reading(reading, folder, name, replace=replace, progress=progress)
    return Dataset.open(folder)


def write_reading(
    reading: Reading, folder: Path, name: str, *, replace: bool = False, progress: Progress | None = None
) -> None:
    """Write what is read into `folder`, whose lock the caller holds."""
    with staged(folder, replace=replace) as staging:
        writer = EpisodeWriter(staging, reading.team)
        try:
            for group in reading.groups:
                writer.add(**group)
                if progress:
                    progress(writer.transitions, max(reading.total, writer.transitions))
            writer.notes |= reading.notes
            writer.repairs += reading.repairs
            writer.finish(name, reading.source, reading.convention)
        finally:
            writer.close()


def installed_team(options: ImportOptions) -> tuple[TeamSpec | None, str]:
    """Team and convention of the environment that `options.env` names; `(None, "")` if the team is to be inferred.

    Raises:
        UnknownName: no installed environment has this name and `infer_team` is not set.
    """
    from zoo_core.plugins import load_zoo

    if options.infer_team or not options.env:
        return None, ""
    try:
        entry = load_zoo().find("env", options.env)
    except UnknownName as error:
        hint = "To import for an environment that is not installed, add --infer-team."
        raise UnknownName("env", options.env, error.known, hint) from None
    team: TeamSpec = entry.load()(1).team
    return team, entry.convention
