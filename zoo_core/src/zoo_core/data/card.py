"""The card of a dataset: what it holds, where it comes from, and the hashes that its arrays must have."""

from __future__ import annotations

import hashlib
import json
import operator
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zoo_core.data.layout import ArrayRecord
from zoo_core.errors import DatasetCorrupt, DatasetError, ZooError
from zoo_core.team import TeamSpec

FORMAT = 1
"""Version of the card and of the arrays' layout."""

CARD_FILE = "card.json"


@dataclass(frozen=True, slots=True)
class Card:
    """What is known about a dataset without reading its arrays.

    Attributes:
        name: how it is called, e.g. `mpe-cn/expert`.
        team: who acted.
        transitions, episodes: N and M.
        arrays: type, shape and SHA-256 of every array.
        returns: `mean`, `std`, `min`, `max` of the undiscounted team return per episode.
        lengths: `min` and `max` steps of an episode.
        source: where it comes from: `kind` (`built`, `collected`, `imported`) and what is needed to make it again.
        convention: whose physics, rewards and observations these are.
        notes: what its recipe or importer recorded: noise, checkpoints, what was found and assumed.
        repairs: what was clipped or mended, one sentence each.
        versions: of Python and the packages that wrote it.
    """

    name: str
    team: TeamSpec
    transitions: int
    episodes: int
    arrays: Mapping[str, ArrayRecord]
    returns: Mapping[str, float]
    lengths: Mapping[str, int]
    source: Mapping[str, Any]
    convention: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Content hash: a function of the arrays alone, so equal data has equal hashes whatever its name."""
        content = {name: [r.dtype, list(r.shape), r.sha256] for name, r in self.arrays.items()}
        return _digest(content)

    @property
    def nbytes(self) -> int:
        return sum(record.nbytes for record in self.arrays.values())

    def as_json(self) -> dict[str, Any]:
        """JSON-ready, with the content hash and, last, the card's own hash over everything else."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "name": self.name,
            "team": self.team.as_json(),
            "transitions": self.transitions,
            "episodes": self.episodes,
            "returns": dict(self.returns),
            "lengths": dict(self.lengths),
            "source": dict(self.source),
            "convention": self.convention,
            "notes": dict(self.notes),
            "repairs": list(self.repairs),
            "versions": dict(self.versions),
            "arrays": {
                name: {"dtype": r.dtype, "shape": list(r.shape), "sha256": r.sha256} for name, r in self.arrays.items()
            },
            "hash": self.hash,
        }
        return {**content, "card_sha256": _digest(content)}

    def text(self) -> str:
        """The content of `card.json`."""
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> Card:
        """Read what `as_json` wrote. `where` names the file in errors.

        Raises:
            DatasetError: the card is of a format that this version does not know.
            DatasetCorrupt: the card is incomplete or does not match its own hash.
        """
        if not isinstance(data, dict) or "format" not in data:
            raise DatasetCorrupt(f"{where}: not the card of a dataset (no `format`)")
        if data["format"] != FORMAT:
            raise DatasetError(
                f"{where}: card format {data['format']!r}; this version of zoo-core reads {FORMAT}. "
                "Upgrade zoo-core, or build or import the dataset again"
            )
        content = {key: value for key, value in data.items() if key != "card_sha256"}
        if data.get("card_sha256") != _digest(content):
            raise DatasetCorrupt(f"{where}: the card was changed after it was written (its own hash does not match)")
        try:
            arrays = {
                name: ArrayRecord(r["dtype"], tuple(r["shape"]), r["sha256"]) for name, r in data["arrays"].items()
            }
            return cls(
                name=data["name"],
                team=TeamSpec.from_json(data["team"]),
                transitions=operator.index(data["transitions"]),
                episodes=operator.index(data["episodes"]),
                arrays=arrays,
                returns=data["returns"],
                lengths=data["lengths"],
                source=data["source"],
                convention=data["convention"],
                notes=data["notes"],
                repairs=tuple(data["repairs"]),
                versions=data["versions"],
            )
        except (KeyError, TypeError, ValueError, AttributeError, ZooError) as error:
            raise DatasetCorrupt(f"{where}: the card is incomplete: {error!r}") from error


def read_card(folder: Path) -> Card:
    """The card of the dataset in `folder`.

    Raises:
        DatasetError: no dataset there, or a card format of another version.
        DatasetCorrupt: a card that cannot be read.
    """
    path = folder / CARD_FILE
    try:
        text = path.read_bytes().decode("utf-8")
        data = json.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(f"no dataset at {folder}: it has no {CARD_FILE}") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DatasetCorrupt(f"{path}: not readable as JSON ({error}); build or import the dataset again") from error
    return Card.from_json(data, str(path))


def current_versions() -> dict[str, str]:
    """Versions that can change the bits of a rollout."""
    found = {"python": platform.python_version()}
    for package in ("zoo-core", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
