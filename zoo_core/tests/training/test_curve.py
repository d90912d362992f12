"""A run leaves a picture of its curve; without matplotlib it says why not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from zoo_core.entries import ReferenceScores
from zoo_core.training import Evaluation, Evaluations, Score, train
from zoo_core.training.curve import draw_curve

imageio = pytest.importorskip("imageio.v3")


def evaluations(shift=0.0, points=5):
    found = Evaluations(ReferenceScores(0.0, 10.0, "x"))
    for i in range(points):
        found.periodic.append(Evaluation(10 * i, Score.of([i + shift - 1, i + shift + 1]), 0))
    return found


def colours(path):
    """The picture's colours and how many pixels have each."""
    pixels = imageio.imread(path)[..., :3].reshape(-1, 3)
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    return {tuple(v.tolist()): int(c) for v, c in zip(values, counts, strict=True)}


def test_a_run_draws_its_curve(ask, toy_zoo):
    run = train(ask()).runs[0]
    picture = imageio.imread(run.folder / "curve.png")
    assert picture.shape[0] > 300
    assert picture.shape[1] > 600


@pytest.mark.parametrize("runs", [1, 3])
def test_the_picture_shows_the_curve_and_the_dataset_line(tmp_path, runs):
    path = tmp_path / "curve.png"
    assert draw_curve(path, "toy", [evaluations(i) for i in range(runs)], dataset_return=2.5) == ""
    with_line = colours(path)
    draw_curve(path, "toy", [evaluations(i) for i in range(runs)])
    without = colours(path)
    line, dataset = (0x16, 0x64, 0xA7), (0xB8, 0x86, 0x0B)
    assert with_line[line] > 500
    assert with_line[dataset] > 300
    assert dataset not in without


def test_a_single_point_can_be_drawn(tmp_path):
    assert draw_curve(tmp_path / "curve.png", "toy", [evaluations(points=1)]) == ""


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install matplotlib" in draw_curve(tmp_path / "curve.png", "toy", [evaluations()])
    assert not (tmp_path / "curve.png").exists()
