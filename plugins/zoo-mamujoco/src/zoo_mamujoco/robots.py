"""The three robots: their joints, how an episode starts, what a step earns and when it ends.

Numbers are those of Gymnasium's `HalfCheetah-v4`, `Hopper-v4` and `Ant-v4`, which keep the rewards and endings of the
`-v2` environments that the published data come from (README: Which version).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Joint:
    """One actuated joint. `actuator`: index among the model's actuators; `address`: index from the end of qpos and
    qvel alike; `bodies`: whose contact forces its agent may see."""

    name: str
    actuator: int
    address: int
    bodies: tuple[int, ...] = ()


@dataclass(frozen=True)
class Robot:
    """A model and its task.

    Attributes:
        frame_skip: simulation steps per decision.
        joints: actuated joints, in the model's order of actuators.
        edges: groups of joints that are neighbours of each other.
        hidden_positions: leading entries of qpos that no observation shows.
        velocity_clip: bound of observed velocities, 0 for none.
        start_noise: scale of the noise on the first position; on the first velocity too, whose kind `start_velocity`
            says.
        forward: what moves forward: the root's position, or the torso's as of the last simulation step but one.
        alive_reward: given on every step, the last one included.
        contact_entries: how many contact forces the full observation ends with.
        height: of the torso, [least, greatest]; outside the episode terminates.
        angle, reach: bounds of the torso's angle and of all other positions and velocities, 0 for none.
        height_index: where in qpos the height is.
        partitions: name → the joints of each agent, as Gymnasium-Robotics deals them out.
    """

    name: str
    model: str
    frame_skip: int
    joints: tuple[Joint, ...]
    edges: tuple[tuple[str, ...], ...]
    partitions: Mapping[str, tuple[tuple[str, ...], ...]] = field(hash=False)
    control_cost: float
    start_noise: float
    start_velocity: Literal["normal", "uniform"] = "normal"
    hidden_positions: int = 1
    velocity_clip: float = 0.0
    forward: Literal["root", "torso"] = "root"
    alive_reward: float = 0.0
    contact_entries: int = 0
    height: tuple[float, float] | None = None
    height_index: int = 1
    angle: float = 0.0
    reach: float = 0.0

    def joint(self, name: str) -> Joint:
        return next(joint for joint in self.joints if joint.name == name)


def _cheetah() -> Robot:
    names = ("bthigh", "bshin", "bfoot", "fthigh", "fshin", "ffoot")
    return Robot(
        name="HalfCheetah",
        model="half_cheetah.xml",
        frame_skip=5,
        joints=tuple(Joint(name, index, index - 6) for index, name in enumerate(names)),
        edges=(
            ("bfoot", "bshin"),
            ("bshin", "bthigh"),
            ("bthigh", "fthigh"),
            ("fthigh", "fshin"),
            ("fshin", "ffoot"),
        ),
        partitions={"2x3": (names[:3], names[3:]), "6x1": tuple((name,) for name in names)},
        control_cost=0.1,
        start_noise=0.1,
    )


def _hopper() -> Robot:
    names = ("thigh_joint", "leg_joint", "foot_joint")
    return Robot(
        name="Hopper",
        model="hopper.xml",
        frame_skip=4,
        joints=tuple(Joint(name, index, index - 3) for index, name in enumerate(names)),
        edges=(("foot_joint", "leg_joint"), ("leg_joint", "thigh_joint")),
        partitions={"3x1": tuple((name,) for name in names)},
        control_cost=1e-3,
        start_noise=5e-3,
        start_velocity="uniform",
        velocity_clip=10.0,
        alive_reward=1.0,
        height=(0.7, float("inf")),
        angle=0.2,
        reach=100.0,
    )


def _ant() -> Robot:
    torso = 1

    def leg(number: int, actuator: int) -> tuple[Joint, Joint]:
        """Hip and ankle of one leg, whose bodies are its thigh, the link between and its foot."""
        thigh = 3 * number - 1
        return (
            Joint(f"hip{number}", actuator, 2 * number - 10, (torso, thigh)),
            Joint(f"ankle{number}", actuator + 1, 2 * number - 9, (thigh, thigh + 1, thigh + 2)),
        )

    one, two, three, four = leg(1, 2), leg(2, 4), leg(3, 6), leg(4, 0)

    def names(*legs: tuple[Joint, Joint]) -> tuple[str, ...]:
        return tuple(joint.name for pair in legs for joint in pair)

    return Robot(
        name="Ant",
        model="ant.xml",
        frame_skip=5,
        joints=(*four, *one, *two, *three),
        edges=(*(names(pair) for pair in (one, two, three, four)), ("hip1", "hip2", "hip3", "hip4")),
        partitions={
            "2x4": (names(one, two), names(three, four)),
            "2x4d": (names(one, four), names(two, three)),
            "4x2": (names(one), names(two), names(three), names(four)),
        },
        control_cost=0.5,
        start_noise=0.1,
        hidden_positions=2,
        forward="torso",
        alive_reward=1.0,
        contact_entries=84,
        height=(0.2, 1.0),
        height_index=2,
    )


ROBOTS: dict[str, Robot] = {robot.name: robot for robot in (_ant(), _hopper(), _cheetah())}
