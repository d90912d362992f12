"""Animations written picture by picture, so that a long one takes no more memory than a short one."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image, ImageChops

Picture = NDArray[np.uint8]
"""RGB, [H, W, 3]; all of one animation have one size."""

LEAST_DELAY = 2
"""Of a GIF's picture, in hundredths of a second: viewers show shorter ones for a tenth."""


@contextmanager
def animation(target: Path, fps: int) -> Iterator[Callable[[Picture], None]]:
    """Yields a function that appends a picture to `target`, a .gif or .mp4, which appears once it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.stem}.partial{target.suffix}")
    write = _gif if target.suffix == ".gif" else _mp4
    try:
        with write(partial, fps) as add:
            yield add
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _gif(path: Path, fps: int) -> Iterator[Callable[[Picture], None]]:
    with path.open("wb") as file:
        gif = Gif(file, fps)
        yield gif.add
        gif.close()


@contextmanager
def _mp4(path: Path, fps: int) -> Iterator[Callable[[Picture], None]]:
    """Pictures go to FFmpeg's standard input; odd sizes are scaled to even ones, which its encoder needs."""
    import imageio.v2 as imageio

    with imageio.get_writer(path, fps=fps, macro_block_size=2) as writer:
        yield writer.append_data


class Gif:
    """A GIF that repeats for ever. Each picture stores the rectangle in which it differs from the one before, in
    colours of its own; an equal one makes that before it last longer.

    Pillow encodes the rectangles. Its own animations would hold all pictures until the last one is known.
    """

    def __init__(self, file: BinaryIO, fps: int) -> None:
        self._file, self._fps = file, fps
        self._shown: Image.Image | None = None
        self._waiting: tuple[Image.Image, tuple[int, int]] | None = None
        self._pictures = self._since = 0

    def add(self, picture: Picture) -> None:
        image = Image.fromarray(picture)
        if self._shown is None:
            self._file.write(b"GIF89a" + struct.pack("<HHBBB", *image.size, 0x70, 0, 0))
            self._file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
            self._waiting = (image, (0, 0))
        elif image.size != self._shown.size:
            raise ValueError(f"a picture of size {image.size} after ones of {self._shown.size}")
        elif box := ImageChops.difference(image, self._shown).getbbox():
            self._flush()
            self._waiting = (image.crop(box), box[:2])
        self._shown = image
        self._pictures += 1

    def close(self) -> None:
        self._flush()
        self._file.write(b";")

    def _flush(self) -> None:
        """Write the picture that waits, now that it is known how long it lasts."""
        if self._waiting is None:
            return
        image, corner = self._waiting
        delay = max(LEAST_DELAY, self._hundredths(self._pictures) - self._hundredths(self._since))
        indexed = image.convert("P", palette=Image.Palette.ADAPTIVE)
        for part in GifImagePlugin.getdata(indexed, corner, duration=10 * delay, include_color_table=True):
            self._file.write(part)
        self._since, self._waiting = self._pictures, None

    def _hundredths(self, pictures: int) -> int:
        return round(100 * pictures / self._fps)
