"""What agents see and which actuators they drive: three conventions, each that of a body of published work.

`omiga`, of OMIGA's data and code (github:ZhengYinan-AIR/OMIGA, envs/ma_mujoco): every agent sees everything. Its
observation is the robot's full one and its own one-hot number, and each such vector is standardised by its own mean
and deviation. Agents drive the actuators in the model's order, whatever joints their parts are named after.

`omar`, of OMAR's HalfCheetah (github:ling-pan/OMAR): an agent sees position and velocity of its own joints alone,
sorted by their names, and drives actuators in the model's order. Other robots do not have it.

`local`, of Gymnasium-Robotics' MaMuJoCo: its own joints' positions, velocities and contact forces, the positions of
joints up to `obsk` edges away, and the root's. An agent drives the joints that it is named after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_mamujoco.physics import Bodies, Float
from zoo_mamujoco.robots import Joint, Robot
from zoo_mamujoco.tasks import Task

Parts = tuple[tuple[str, ...], ...]


class View:
    """A convention for one team.

    Attributes:
        sizes: of each agent's observation.
        actuators: [n][a]: the actuators each agent drives, in the order of its action.
        state_size: of the stored state; 0 where the state is the agents' observations, concatenated.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        actuators: Sequence[Sequence[int]],
        state_size: int,
        observe: Callable[[Bodies], Float],
    ) -> None:
        self.sizes, self.state_size = tuple(sizes), state_size
        self.actuators = tuple(tuple(own) for own in actuators)
        self.observe = observe
        """The copies → [E, n, o], padded with zeros."""


def view_of(task: Task) -> View:
    """What its agents see and drive."""
    robot, parts = task.body, task.body.partitions[task.partition]
    full = 2 * len(robot.joints) + root_entries(robot)
    if task.obs == "omiga":
        return _omiga(robot, parts, full + robot.contact_entries)
    if task.obs == "omar":
        return _indexed(robot, [own_joints(robot, part) for part in parts], in_order(parts), full)
    seen = [neighbourhood(robot, part, task.obsk) for part in parts]
    actuators = [[robot.joint(name).actuator for name in part] for part in parts]
    return _indexed(robot, seen, actuators, full + (robot.contact_entries if task.contacts else 0))


def root_entries(robot: Robot) -> int:
    """How many of the root's positions and velocities the full observation shows."""
    positions, velocities = root_sizes(robot)
    return positions + velocities - robot.hidden_positions


def root_sizes(robot: Robot) -> tuple[int, int]:
    """Positions and velocities of the root: a free body in space has 7 and 6, one in a plane 3 and 3."""
    return (7, 6) if robot.hidden_positions == 2 else (3, 3)


def in_order(parts: Parts) -> list[list[int]]:
    """Actuators dealt out in the model's order, as many as each agent has joints."""
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    return [list(range(start, start + len(part))) for start, part in zip(starts, parts, strict=False)]


def _omiga(robot: Robot, parts: Parts, full: int) -> View:
    agents = len(parts)
    own = np.eye(agents)

    def observe(bodies: Bodies) -> Float:
        seen = np.empty((bodies.copies, agents, full + agents))
        seen[..., :full] = bodies.observation()[:, None]
        seen[..., full:] = own
        seen -= seen.mean(axis=-1, keepdims=True)
        seen /= seen.std(axis=-1, keepdims=True)
        return seen

    return View([full + agents] * agents, in_order(parts), 0, observe)


def own_joints(robot: Robot, part: Sequence[str]) -> list[int]:
    """Entries of (positions, velocities, contacts, zero) that `omar` shows an agent."""
    return [entry for name in sorted(part) for entry in _position_and_velocity(robot, robot.joint(name))]


def neighbourhood(robot: Robot, part: Sequence[str], obsk: int) -> list[int]:
    """Entries of (positions, velocities, contacts, zero) that `local` shows an agent."""
    entries: list[int] = []
    bodies: list[int] = []
    positions, velocities = _sizes(robot)
    for name in sorted(part):
        joint = robot.joint(name)
        entries += _position_and_velocity(robot, joint)
        if robot.contact_entries:
            new = [body for body in joint.bodies if body not in bodies]
            bodies += new
            entries += [positions + velocities + 6 * body + axis for body in new for axis in range(6)]
    for names in _rings(robot, part, obsk):
        entries += [positions + robot.joint(name).address for name in names]
    root_positions, root_velocities = root_sizes(robot)
    entries += range(robot.hidden_positions, root_positions)
    entries += range(positions, positions + root_velocities)
    return entries


def _rings(robot: Robot, part: Sequence[str], obsk: int) -> list[list[str]]:
    """Joints 1, 2, … edges away from an agent's own, each ring sorted by name."""
    known, ring, rings = set(part), set(part), []
    for _ in range(obsk):
        ring = {name for edge in robot.edges if ring & set(edge) for name in edge} - known
        known |= ring
        rings.append(sorted(ring))
    return rings


def _sizes(robot: Robot) -> tuple[int, int]:
    positions, velocities = root_sizes(robot)
    return positions + len(robot.joints), velocities + len(robot.joints)


def _position_and_velocity(robot: Robot, joint: Joint) -> list[int]:
    positions, velocities = _sizes(robot)
    return [positions + joint.address, positions + velocities + joint.address]


def _indexed(robot: Robot, seen: Sequence[Sequence[int]], actuators: Sequence[Sequence[int]], state_size: int) -> View:
    """Observations that pick entries of the copies' state."""
    width = sum(_sizes(robot)) + robot.contact_entries
    index: NDArray[np.intp] = np.full((len(seen), max(map(len, seen))), width)  # the last column is zero
    for agent, entries in enumerate(seen):
        index[agent, : len(entries)] = entries

    def observe(bodies: Bodies) -> Float:
        zero = np.zeros((bodies.copies, 1))
        state = np.concatenate([bodies.position, bodies.seen_velocity(), bodies.contacts, zero], axis=1)
        return state[:, index]

    return View([len(entries) for entries in seen], actuators, state_size, observe)
