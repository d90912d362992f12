"""What an imported file is held against: the size and the mean return that were published for its task and quality.

The core knows no dataset. What was published is what an installed plugin says of the dataset that it rebuilds.
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo_core.data.importers import ImportOptions, Reading
from zoo_core.data.writer import EpisodeWriter
from zoo_core.entries import DatasetEntry
from zoo_core.errors import UsageError, did_you_mean


def published_entry(reading: Reading, source: str, options: ImportOptions) -> DatasetEntry | None:
    """The built-in dataset of the same environment and quality, if a plugin offers one with a published return.

    The quality is the one the user names, else the one that the source's path names; the card's source then says which.

    Raises:
        UsageError: no dataset of the environment has the quality that the user named.
    """
    from zoo_core.plugins import load_zoo

    entries = {
        offer.entry.quality: offer.entry
        for offer in load_zoo().datasets
        if offer.entry.env == reading.team.env and offer.entry.published_return is not None
    }
    quality = options.quality
    if quality:
        reading.source["quality"] = f"{quality} (from --quality)"
    elif entries:
        quality, reading.source["quality"] = _quality_in(source, list(entries))
    if options.quality and entries and quality not in entries:
        raise UsageError(
            f"nothing was published for {reading.team.env} of quality {quality!r}.{did_you_mean(quality, entries)}"
        )
    return entries.get(quality)


def comparison(entry: DatasetEntry, writer: EpisodeWriter) -> str:
    """Published size and mean return beside those of the data in `writer`."""
    mean = writer.mean_return
    return (
        f"{entry.name} as published: {entry.transitions:,} transitions, mean return {entry.published_return:,.2f}; "
        f"here: {writer.transitions:,}, {mean:,.2f} (difference {mean - (entry.published_return or 0.0):+,.2f})"
    )


def _quality_in(source: str, qualities: list[str]) -> tuple[str, str]:
    """The quality that a path names, empty for none, and what the card says of it.

    The innermost part of the path that names a quality decides. There it stands as whole words; one inside another is
    not named (`medium` in `medium-replay`). A part that names two is ambiguous, and none is assumed.
    """
    for part in reversed(Path(source).parts):
        words = f"-{re.sub(r'[^a-z0-9]+', '-', part.lower())}-"
        found = []
        for quality in sorted(filter(None, qualities), key=len, reverse=True):
            if f"-{quality.lower()}-" in words:
                found.append(quality)
                words = words.replace(f"-{quality.lower()}-", "-/-")
        if len(found) == 1:
            return found[0], f"{found[0]} (from its path, {part!r}; --quality changes it)"
        if found:
            return "", f"not assumed: {part!r} in its path names {' and '.join(sorted(found))}; --quality says which"
    return "", f"not assumed: its path names none of {', '.join(sorted(qualities))}; --quality says which"
