"""The particle world: round bodies in a plane, pushed by actions and by soft contact, many copies at once.

Physics of the offline-MARL benchmark's multi-agent particle environments (OMAR, Pan et al. 2022; the same tree in
CFCQL, Shao et al. 2023), float64. One step, in this order:

1. force_i = gain_i · a_i, with gain = accel² where a body states its acceleration (the benchmark applies it twice: once
   to the action and once to the force) and 5 where it does not;
2. plus a contact force from every solid body: 100 · (x_i − x_j)/d · k·log(1 + exp((d_min − d)/k)), k = 0.001;
3. v ← 0.75·v + 0.1·force, scaled down to the body's top speed;
4. x ← x + 0.1·v with the *new* v.

mpe2 and PettingZoo's MPE move the body first, with the old velocity, and apply the acceleration once.

Arrays hold the copies on their last axis, so that every operation runs over contiguous memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

DT = 0.1
DAMPING = 0.25
CONTACT_FORCE = 100.0
CONTACT_MARGIN = 1e-3
DEFAULT_GAIN = 5.0
NEGLIGIBLE_GAP = 0.05
"""Bodies further apart than this push each other with less than 0.1·exp(−50) ≈ 2e-23; that force is left out."""


@dataclass(frozen=True, slots=True)
class Body:
    """One body of a scenario. `role` is what it is called and drawn as; `solid` bodies push each other.

    `accel` and `max_speed` are None where the benchmark leaves them unset. Mass is 1; radius `size`, world units.
    """

    role: str
    size: float
    solid: bool
    accel: float | None = None
    max_speed: float | None = None

    @property
    def gain(self) -> float:
        """Force per unit of action."""
        return DEFAULT_GAIN if self.accel is None else self.accel**2


class ParticleWorld:
    """E copies of A agents and L landmarks.

    Attributes:
        position, velocity: [A, 2, E], the agents'.
        landmarks: [L, 2, E], positions; landmarks do not move.
        relative: [A, L + A − 1, 2, E], every other body's position minus agent i's: landmarks first, then the other
            agents in their order. Up to date after every `place` and `step`.
        distance: [A, L + A − 1, E], the lengths of `relative`.
        touch: [A, L + A − 1, 1], the distance below which agent i overlaps that body (sum of the radii).
    """

    def __init__(self, agents: Sequence[Body], landmarks: Sequence[Body], copies: int) -> None:
        count, others = len(agents), len(landmarks) + len(agents) - 1
        self.position = np.zeros((count, 2, copies))
        self.velocity = np.zeros((count, 2, copies))
        self.landmarks = np.zeros((len(landmarks), 2, copies))
        self.relative = np.zeros((count, others, 2, copies))
        self.distance = np.zeros((count, others, copies))
        self._others = np.array([[j for j in range(count) if j != i] for i in range(count)], dtype=np.intp)
        seen = [[*landmarks, *(agents[j] for j in self._others[i])] for i in range(count)]
        self.touch = np.array([[me.size + body.size for body in seen[i]] for i, me in enumerate(agents)])[:, :, None]
        solid = np.array([[me.solid and body.solid for body in seen[i]] for i, me in enumerate(agents)])[:, :, None]
        self._near = np.where(solid, self.touch + NEGLIGIBLE_GAP, -np.inf)
        self._gain = np.array([body.gain for body in agents])[:, None, None]
        limits = np.array([np.inf if body.max_speed is None else body.max_speed for body in agents])[:, None]
        self._max_speed = limits if np.isfinite(limits).any() else None
        self._square = np.empty_like(self.relative)

    def place(self, position: Float, velocity: Float, landmarks: Float, copies: NDArray[np.intp] | slice) -> None:
        """Set the state of some copies. `position`, `velocity`: [A, 2, C]; `landmarks`: [L, 2, C]."""
        self.position[..., copies] = position
        self.velocity[..., copies] = velocity
        self.landmarks[..., copies] = landmarks
        self._measure()

    def step(self, action: Float, still: NDArray[np.bool_] | None = None) -> None:
        """Advance by one step of 0.1. `action`: [A, 2, E]. Copies marked in `still` ([E]) stay as they are."""
        force = action * self._gain
        self._add_contact(force)
        force *= DT
        velocity = self.velocity * (1.0 - DAMPING)
        velocity += force
        if self._max_speed is not None:
            speed = np.sqrt(velocity[:, 0] ** 2 + velocity[:, 1] ** 2)
            velocity *= np.where(speed > self._max_speed, self._max_speed / np.maximum(speed, 1e-300), 1.0)[:, None]
        if still is not None:
            velocity[..., still] = self.velocity[..., still]
        move = velocity * DT
        if still is not None:
            move[..., still] = 0.0
        self.velocity = velocity
        self.position += move
        self._measure()

    def overlapping(self, agents: int | slice, bodies: slice) -> NDArray[np.bool_]:
        """Whether those agents overlap those of their columns in `relative`: [A', B, E], or [B, E] for one agent."""
        return self.distance[agents, bodies] < self.touch[agents, bodies]

    def _add_contact(self, force: Float) -> None:
        """Add the contact forces between overlapping or nearly touching solid bodies to `force` [A, 2, E], in place."""
        near = np.flatnonzero(self.distance < self._near)
        if not len(near):
            return
        agent, body, copy = np.unravel_index(near, self.distance.shape)
        distance = self.distance.ravel()[near]
        overlap = self.touch[agent, body, 0] - distance
        push = CONTACT_FORCE * CONTACT_MARGIN * np.logaddexp(0.0, overlap / CONTACT_MARGIN)
        # Bodies at exactly one point have no direction to part in; the formula's 0/0 becomes no force.
        push = np.divide(push, distance, out=np.zeros_like(push), where=distance > 0.0)
        for axis in (0, 1):
            np.subtract.at(force[:, axis], (agent, copy), self.relative[agent, body, axis, copy] * push)

    def _measure(self) -> None:
        """Bring `relative` and `distance` up to date with the positions."""
        first_agent = len(self.landmarks)
        np.subtract(self.landmarks, self.position[:, None], out=self.relative[:, :first_agent])
        np.subtract(self.position[self._others], self.position[:, None], out=self.relative[:, first_agent:])
        np.multiply(self.relative, self.relative, out=self._square)
        np.add(self._square[:, :, 0], self._square[:, :, 1], out=self.distance)
        np.sqrt(self.distance, out=self.distance)
