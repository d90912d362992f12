"""Animations: what is written is what was shown, for as long as it was shown, and memory does not grow with it."""

from __future__ import annotations

import gc
import io

import numpy as np
import pytest
from PIL import Image

from zoo_cli.animation import Gif, animation


def dots(count, size=(24, 40)):
    """A coloured dot that moves a pixel each time, on a grey ground."""
    for i in range(count):
        picture = np.full((*size, 3), 90, dtype=np.uint8)
        picture[i % size[0], (2 * i) % size[1]] = (200, 10 * (i % 20), 30)
        yield picture


def read(path):
    """Pictures [F, H, W, 3] of a GIF, and how long each lasts in milliseconds."""
    image = Image.open(path)
    pictures, lasting = [], []
    for index in range(image.n_frames):
        image.seek(index)
        pictures.append(np.asarray(image.convert("RGB")))
        lasting.append(image.info["duration"])
    return np.array(pictures), lasting, image.info.get("loop")


def test_a_gif_shows_every_picture_as_it_was_and_repeats(tmp_path):
    with animation(tmp_path / "a.gif", 10) as add:
        for picture in dots(30):
            add(picture)
    pictures, lasting, loop = read(tmp_path / "a.gif")
    assert np.array_equal(pictures, list(dots(30)))
    assert (set(lasting), loop) == ({100}, 0)


def test_equal_pictures_become_one_that_lasts_as_long(tmp_path):
    first, second = dots(2)
    with animation(tmp_path / "a.gif", 20) as add:
        for picture in (first, first, first, second, second):
            add(picture)
    pictures, lasting, _ = read(tmp_path / "a.gif")
    assert np.array_equal(pictures, [first, second])
    assert lasting == [150, 100]


def test_a_rate_that_hundredths_of_a_second_cannot_give_is_kept_on_average(tmp_path):
    with animation(tmp_path / "a.gif", 30) as add:
        for picture in dots(30):
            add(picture)
    _, lasting, _ = read(tmp_path / "a.gif")
    assert sum(lasting) == 1000
    assert set(lasting) == {30, 40}


def test_no_more_pictures_are_held_the_longer_it_gets():
    def held():
        gc.collect()
        return sum(issubclass(type(thing), Image.Image) for thing in gc.get_objects())

    file, before = io.BytesIO(), held()
    gif = Gif(file, 10)
    for picture in dots(40):
        gif.add(picture)
    assert held() - before <= 2  # the one shown, and its part that is not yet written
    written = len(file.getvalue())
    gif.close()
    assert written > 0.9 * len(file.getvalue())


def test_pictures_of_two_sizes_are_refused():
    gif = Gif(io.BytesIO(), 10)
    gif.add(next(dots(1)))
    with pytest.raises(ValueError, match=r"\(30, 24\) after ones of \(40, 24\)"):
        gif.add(next(dots(1, (24, 30))))


def test_what_stops_in_its_midst_leaves_nothing_and_what_was_there(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"before")

    def stopped():
        with animation(tmp_path / "a.gif", 10) as add:
            add(next(dots(1)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]
    assert (tmp_path / "a.gif").read_bytes() == b"before"


def test_an_mp4_holds_every_picture(tmp_path):
    imageio = pytest.importorskip("imageio.v3")
    pytest.importorskip("imageio_ffmpeg")
    with animation(tmp_path / "a.mp4", 10) as add:
        for picture in dots(12, (65, 81)):
            add(picture)
    pictures = imageio.imread(tmp_path / "a.mp4", plugin="FFMPEG")
    assert pictures.shape == (12, 66, 82, 3)
    assert abs(float(pictures[0].mean()) - 90) < 3
