"""Reading the formats that others publish: one module each, behind one small protocol.

A format is a module with a function `read(source, options) -> Reading`. To add one, write the module, name it in
`IMPORTERS` and let `detection` know it by its content; writing, validation, hashing, the card and the command line are
common to all.
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
from zoo_core.entries import DatasetEntry
from zoo_core.errors import UnknownName
from zoo_core.team import TeamSpec


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a user may tell an importer.

    Attributes:
        env: the environment the data is from; its team and episode length then hold.
        infer_team: take the team from the files instead, although `env` is not installed.
        agents: how many of the files' agents learn, the first ones; an installed environment knows its own number,
            and then this merely allows the files to hold more.
        episode_length: steps after which the source cut its episodes.
        timeouts_are_terminal: an episode cut at that length counts as terminated, not truncated.
        action_bound: bounds (−b, b) for a source that states none.
        tolerance: largest difference allowed between a stored next observation and the following row.
        action_scale: what stored actions are multiplied by, for a source that kept them divided.
        quality: of the data, e.g. `expert`, to compare it with what was published; by default what its path says.
    """

    env: str = ""
    infer_team: bool = False
    agents: int | None = None
    episode_length: int | None = None
    timeouts_are_terminal: bool = False
    action_bound: float | None = None
    tolerance: float = 1e-3
    action_scale: float = 1.0
    quality: str = ""


@dataclass(slots=True)
class Reading:
    """A source being read.

    Attributes:
        team: who acted.
        groups: keyword arguments of `EpisodeWriter.add`, group after group.
        total: transitions there will be, for the progress display; 0 if unknown.
        source: what the card says about where it comes from; complete when `groups` is exhausted.
        convention: whose environment it is.
        notes: what was found and what was assumed, for the card; complete when `groups` is exhausted.
        repairs: what was clipped or mended, likewise.
        published: the built-in dataset that stands for the published one, to compare sizes and returns with.
    """

    team: TeamSpec
    groups: Iterator[dict[str, Any]]
    total: int
    source: dict[str, Any]
    convention: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    repairs: list[str] = field(default_factory=list)
    published: DatasetEntry | None = None


IMPORTERS: Mapping[str, tuple[str, str]] = {
    "npy": ("zoo_core.data.importers.npy_folder", "a folder of obs_0.npy, acs_0.npy, … as OMAR and CFCQL publish"),
    "omiga": ("zoo_core.data.importers.omiga", "an .hdf5 file of the arrays s, o, a, r, d as OMIGA publishes"),
    "comadice": ("zoo_core.data.importers.comadice", "an .npz file of obs, actions, actives, … as ComaDICE publishes"),
    "minari": ("zoo_core.data.importers.minari", "a local Minari dataset, by its id"),
}
"""Name of each format: its module and what it reads."""


def read_source(format_name: str, source: str, options: ImportOptions) -> Reading:
    """Start reading `source`; without a `format_name` its content tells.

    Raises:
        UnknownName: an unknown format.
        DatasetError: an unreadable source, or one of no known format.
    """
    if not format_name:
        from zoo_core.data.importers.detection import detect_format

        format_name = detect_format(source)
    if format_name not in IMPORTERS:
        raise UnknownName("dataset format", format_name, IMPORTERS)
    read: Callable[[str, ImportOptions], Reading] = importlib.import_module(IMPORTERS[format_name][0]).read
    return read(source, options)


def import_dataset(
    source: str,
    name: str,
    options: ImportOptions | None = None,
    *,
    format_name: str = "",
    replace: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Import `source` under `name`, by which `open_dataset` and `--dataset` find it.

    Args:
        source: a path, or the id of a local Minari dataset.
        format_name: a name in `IMPORTERS`; by default told from the content.
        replace: exchange a dataset of this name for the new one, once that is whole.

    Raises:
        UsageError: the name is taken by a built-in dataset, or cannot be one.
        DatasetError: the source is incomplete or malformed, or the name exists and `replace` is false. Nothing is then
            left behind.
    """
    from zoo_core.data.catalogue import named_folder
    from zoo_core.data.importers.published import published_entry

    folder = named_folder(name)
    options = options or ImportOptions()
    reading = read_source(format_name, source, options)
    reading.published = published_entry(reading, source, options)
    with locked(folder):
        write_reading(reading, folder, name, replace=replace, progress=progress)
    return Dataset.open(folder)


def write_reading(
    reading: Reading, folder: Path, name: str, *, replace: bool = False, progress: Progress | None = None
) -> None:
    """Write what is read into `folder`, whose lock the caller holds."""
    from zoo_core.data.importers.published import comparison

    with staged(folder, replace=replace) as staging:
        writer = EpisodeWriter(staging, reading.team)
        try:
            for group in reading.groups:
                writer.add(**group)
                if progress:
                    progress(writer.transitions, max(reading.total, writer.transitions))
            writer.notes |= reading.notes
            writer.repairs += reading.repairs
            if reading.published is not None:
                writer.notes["published"] = comparison(reading.published, writer)
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
