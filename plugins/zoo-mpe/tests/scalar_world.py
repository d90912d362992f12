"""The benchmark's particle world once more: one copy, plain Python numbers, a loop for everything.

Written from the published formulas and for reading; it shares nothing with `zoo_mpe`. The tests hold the batched
implementation to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

Point = tuple[float, float]


@dataclass
class Entity:
    position: Point
    radius: float
    collides: bool
    velocity: Point = (0.0, 0.0)
    accel: float | None = None
    max_speed: float | None = None


@dataclass
class ScalarWorld:
    """A game in one copy. `agents` act in order; in the chases the last one is the prey."""

    game: str
    agents: list[Entity]
    landmarks: list[Entity]
    contacts: int = 0
    speeding: int = 0
    outside: set[str] = field(default_factory=set)

    @classmethod
    def build(cls, game: str, position: list, velocity: list, landmarks: list) -> ScalarWorld:
        pairs = list(zip(position, velocity, strict=True))
        if game == "mpe-cn":
            agents = [Entity(tuple(x), 0.15, True, tuple(v)) for x, v in pairs]
            marks = [Entity(tuple(x), 0.05, False) for x in landmarks]
            return cls(game, agents, marks)
        agents = [Entity(tuple(x), 0.075, True, tuple(v), 3.0, 1.0) for x, v in pairs[:3]]
        prey_radius = 0.05 if game == "mpe-pp" else 0.045
        agents.append(Entity(tuple(pairs[3][0]), prey_radius, True, tuple(pairs[3][1]), 4.0, 1.3))
        shapes = [(0.2, True)] * 2 if game == "mpe-pp" else [(0.2, True)] + [(0.03, False)] * 2 + [(0.3, False)] * 2
        return cls(game, agents, [Entity(tuple(x), r, c) for x, (r, c) in zip(landmarks, shapes, strict=True)])

    def step(self, actions: list) -> None:
        forces = []
        for i, agent in enumerate(self.agents):
            control = [5.0 * a if agent.accel is None else agent.accel * a for a in actions[i]]
            force = [u if agent.accel is None else agent.accel * u for u in control]
            for other in [*self.agents[:i], *self.agents[i + 1 :], *self.landmarks]:
                push = self._contact(agent, other)
                force = [force[0] + push[0], force[1] + push[1]]
            forces.append(force)
        for agent, force in zip(self.agents, forces, strict=True):
            vx, vy = (v * (1 - 0.25) + f * 0.1 for v, f in zip(agent.velocity, force, strict=True))
            speed = math.sqrt(vx * vx + vy * vy)
            if agent.max_speed is not None and speed > agent.max_speed:
                vx, vy = vx / speed * agent.max_speed, vy / speed * agent.max_speed
                self.speeding += 1
            agent.velocity = (vx, vy)
            agent.position = (agent.position[0] + vx * 0.1, agent.position[1] + vy * 0.1)

    def _contact(self, me: Entity, other: Entity) -> Point:
        if not (me.collides and other.collides):
            return 0.0, 0.0
        dx, dy = me.position[0] - other.position[0], me.position[1] - other.position[1]
        d, d_min, k = math.sqrt(dx * dx + dy * dy), me.radius + other.radius, 0.001
        x = -(d - d_min) / k
        softplus = x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))
        self.contacts += d < d_min
        return 100.0 * dx / d * softplus * k, 100.0 * dy / d * softplus * k

    def rewards(self) -> list[float]:
        if self.game == "mpe-cn":
            return [self._spread_reward(i) for i in range(3)]
        prey, predators = self.agents[3], self.agents[:3]
        touch = 10.0 if self.game == "mpe-pp" else 5.0
        distances = [_distance(p, prey) for p in predators]
        touches = sum(_overlap(p, prey) for p in predators)
        prey_reward = 0.1 * sum(distances) - touch * touches
        weight = 1.0 if self.game == "mpe-pp" else 2.0
        prey_reward -= weight * sum(self._bound(abs(x)) for x in prey.position)
        if self.game == "mpe-world":
            foods = self.landmarks[1:3]
            prey_reward += 2.0 * sum(_overlap(prey, food) for food in foods)
            prey_reward += 0.05 * min(_distance(prey, food) for food in foods)
        return [-0.1 * sum(distances) + touch * touches] * 3 + [prey_reward]

    def _spread_reward(self, i: int) -> float:
        reward = 0.0
        for landmark in self.landmarks:
            nearest = min(_distance(agent, landmark) for agent in self.agents)
            reward += min(1.0 / nearest, 10.0)
        for j, other in enumerate(self.agents):
            if j != i and _overlap(self.agents[i], other):
                reward -= 5.0
        return reward

    def _bound(self, x: float) -> float:
        if x < 0.9:
            self.outside.add("inside")
            return 0.0
        if x < 1.0:
            self.outside.add("edge")
            return 10.0 * (x - 0.9)
        self.outside.add("beyond")
        return min(math.exp(2.0 * x - 2.0), 10.0)

    def observation(self, i: int) -> list[float]:
        me = self.agents[i]
        others = [agent for j, agent in enumerate(self.agents) if j != i]
        seen = [*me.velocity, *me.position]
        for entity in [*self.landmarks, *others]:
            seen += [entity.position[0] - me.position[0], entity.position[1] - me.position[1]]
        if self.game == "mpe-cn":
            return [*seen, 0.0, 0.0, 0.0, 0.0]
        if i < 3:
            seen += self.agents[3].velocity
        if self.game == "mpe-world":
            seen += [1.0 if _overlap(me, forest) else -1.0 for forest in self.landmarks[3:]]
        return seen


def _distance(a: Entity, b: Entity) -> float:
    return math.sqrt((a.position[0] - b.position[0]) ** 2 + (a.position[1] - b.position[1]) ** 2)


def _overlap(a: Entity, b: Entity) -> bool:
    return _distance(a, b) < a.radius + b.radius
