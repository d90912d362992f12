"""Pictures of the particle world, drawn with Pillow; no screen needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zoo_mpe.physics import Body, Float
from zoo_mpe.scenarios import Scenario

SIZE = 480
"""Pixels along each side; a multiple of 16, which video encoders ask for."""
SUPERSAMPLING = 3
ARENA = 1.0
VIEW, WIDEN = 1.2, 0.3
"""Half the width of the view, and the steps in which it widens for bodies outside it: films should not zoom."""
VELOCITY_HINT = 0.25
"""Length of a velocity line, in seconds of travel."""

PAPER, GRID, EDGE, TOUCH = "#f7f5f0", "#e6e2d8", "#c9c3b4", "#d62839"
FILL = {
    "agent": "#3d6fb4",
    "predator": "#c8553d",
    "prey": "#2a9d8f",
    "landmark": "#3b3a36",
    "obstacle": "#8d8a81",
    "food": "#e9b44c",
    "forest": "#a9c98a",
}
AGENTS = ("#3d6fb4", "#8a5aa8", "#d08c2f")
"""The agents of Cooperative Navigation, told apart."""


class Canvas:
    """World coordinates to pixels: the square of half-width `reach` about the origin fills the picture."""

    def __init__(self, reach: float) -> None:
        self._scale = SIZE * SUPERSAMPLING / (2.0 * reach)
        self._reach = reach
        self.image = Image.new("RGB", (SIZE * SUPERSAMPLING,) * 2, PAPER)
        self.draw = ImageDraw.Draw(self.image, "RGBA")

    def point(self, position: Float) -> tuple[float, float]:
        return (position[0] + self._reach) * self._scale, (self._reach - position[1]) * self._scale

    def length(self, units: float) -> float:
        return units * self._scale

    def disc(self, centre: Float, radius: float, fill: str, outline: str | None = None, width: float = 0.0) -> None:
        x, y = self.point(centre)
        r = self.length(radius)
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill, outline, round(self.length(width)))

    def line(self, start: Float, end: Float, colour: str, width: float) -> None:
        self.draw.line((*self.point(start), *self.point(end)), colour, max(1, round(self.length(width))))

    def picture(self) -> NDArray[np.uint8]:
        return np.asarray(self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)).copy()


def draw(scenario: Scenario, position: Float, velocity: Float, landmarks: Float) -> NDArray[np.uint8]:
    """One copy: `position`, `velocity` [A, 2], `landmarks` [L, 2] -> [480, 480, 3]."""
    canvas = Canvas(view(scenario, position, landmarks))
    _floor(canvas)
    for body, centre in sorted(zip(scenario.landmarks, landmarks, strict=True), key=lambda pair: -pair[0].size):
        _landmark(canvas, body, centre)
    touching = _touching(scenario, position)
    for i, body in enumerate(scenario.agents):
        _agent(canvas, body, _colour(scenario, i), position[i], touching[i])
    for centre, speed in zip(position, velocity, strict=True):
        _heading(canvas, centre, speed)
    return canvas.picture()


def view(scenario: Scenario, position: Float, landmarks: Float) -> float:
    """Half the width of a view that holds every body whole."""
    sizes = np.array([body.size for body in (*scenario.agents, *scenario.landmarks)])
    extent = (np.abs(np.concatenate([position, landmarks])).max(axis=1) + sizes).max()
    return VIEW + WIDEN * max(0.0, float(np.ceil((extent - VIEW) / WIDEN)))


def _floor(canvas: Canvas) -> None:
    for at in np.linspace(-ARENA, ARENA, 9):
        canvas.line(np.array([at, -ARENA]), np.array([at, ARENA]), GRID, 0.004)
        canvas.line(np.array([-ARENA, at]), np.array([ARENA, at]), GRID, 0.004)
    corners = [canvas.point(np.array(corner) * ARENA) for corner in ((-1, 1), (1, -1))]
    canvas.draw.rectangle((*corners[0], *corners[1]), None, EDGE, max(1, round(canvas.length(0.008))))


def _landmark(canvas: Canvas, body: Body, centre: Float) -> None:
    fill = FILL[body.role]
    if body.role == "forest":
        canvas.disc(centre, body.size, fill + "b0", "#7fa65e", 0.010)
    elif body.role == "landmark":
        canvas.disc(centre, 0.1, "#3b3a3618")  # within this distance a landmark pays in full
        canvas.disc(centre, body.size, fill)
        canvas.disc(centre, body.size * 0.45, PAPER)
    else:
        canvas.disc(centre, body.size, fill, "#00000030", 0.008)


def _agent(canvas: Canvas, body: Body, colour: str, centre: Float, touching: bool) -> None:
    if touching:
        canvas.disc(centre, body.size + 0.025, TOUCH + "50", TOUCH, 0.010)
    canvas.disc(centre, body.size, colour + "d8", "#ffffff", 0.012)


def _heading(canvas: Canvas, centre: Float, velocity: Float) -> None:
    tip = centre + VELOCITY_HINT * velocity
    canvas.line(centre, tip, "#1f1e1b", 0.012)
    canvas.disc(tip, 0.014, "#1f1e1b")
    canvas.disc(centre, 0.014, "#ffffff")


def _colour(scenario: Scenario, agent: int) -> str:
    role = scenario.agents[agent].role
    return AGENTS[agent % len(AGENTS)] if role == "agent" else FILL[role]


def _touching(scenario: Scenario, position: Float) -> NDArray[np.bool_]:
    """[A]: whether an agent overlaps another agent."""
    sizes = np.array([body.size for body in scenario.agents])
    gaps = np.linalg.norm(position[:, None] - position[None], axis=-1) - (sizes[:, None] + sizes[None])
    np.fill_diagonal(gaps, np.inf)
    return (gaps < 0.0).any(axis=1)
