"""SHA-256 of a source's files, taken while they are being read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

_PIECE = 1 << 20


class SourceHashes:
    """Hashes files step by step, as far as a fraction says.

    Reading and hashing go through the files together, so that a progress display covers both and what was just read is
    still in the system's cache.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._total = sum(path.stat().st_size for path in files)
        self._done = 0
        self._digests: dict[str, str] = {}
        self._pieces = self._read(files)

    def advance(self, fraction: float) -> None:
        """Hash on until `fraction` of all bytes are done."""
        while self._done < fraction * self._total and next(self._pieces, None) is not None:
            pass

    def finish(self) -> dict[str, str]:
        """Hash the rest; the name of each file and its SHA-256."""
        for _ in self._pieces:
            pass
        return self._digests

    def _read(self, files: Sequence[Path]) -> Iterator[int]:
        for path in files:
            sha = hashlib.sha256()
            with path.open("rb") as file:
                while piece := file.read(_PIECE):
                    sha.update(piece)
                    self._done += len(piece)
                    yield self._done
            self._digests[path.name] = sha.hexdigest()
