"""Which task is meant and what it is called; light, for the hook module's family is resolved here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from zoo_core import EnvEntry, UsageError, did_you_mean
from zoo_mamujoco.robots import ROBOTS, Robot

FAMILY = "mamujoco"
CONVENTIONS = ("omiga", "omar", "local")
OMAR_ROBOTS = ("HalfCheetah",)
"""Robots that OMAR's data are of; for others its observations are not defined."""
TASKS: Mapping[tuple[str, str], str] = {
    ("Ant", "2x4"): "omiga",
    ("HalfCheetah", "2x3"): "omar",
    ("HalfCheetah", "6x1"): "omiga",
    ("Hopper", "3x1"): "omiga",
}
"""The tasks that have a name of their own, and what agents see in their published data."""


@dataclass(frozen=True)
class Task:
    """A robot, how its joints are shared, and what agents see of it.

    Raises `UsageError`, naming what there is: an unknown robot, partition or convention, a convention that is not
    defined for the robot, or an obsk below 0.
    """

    robot: str
    partition: str
    obs: str = ""
    obsk: int = 1
    contacts: bool = False

    def __post_init__(self) -> None:
        if self.robot not in ROBOTS:
            hint = did_you_mean(self.robot, ROBOTS)
            raise UsageError(f"no robot is called {self.robot!r}.{hint}")
        robot = ROBOTS[self.robot]
        if self.partition not in robot.partitions:
            known = ", ".join(f"{name} ({len(parts)} agents)" for name, parts in sorted(robot.partitions.items()))
            raise UsageError(
                f"{robot.name} has {len(robot.joints)} joints and no partition {self.partition!r}; there are {known}"
            )
        if not self.obs:
            object.__setattr__(self, "obs", TASKS.get((self.robot, self.partition), "omiga"))
        if self.obs not in CONVENTIONS:
            hint = did_you_mean(self.obs, CONVENTIONS)
            raise UsageError(f"no observation convention is called {self.obs!r}.{hint}")
        if self.obs == "omar" and self.robot not in OMAR_ROBOTS:
            defined = " and ".join(OMAR_ROBOTS)
            raise UsageError(
                f"obs=omar is defined for {defined} alone, the robot of OMAR's data: it would hide the root of "
                f"{robot.name} from every agent. Take obs=local or obs=omiga"
            )
        if self.obsk < 0:
            raise UsageError(f"obsk, how many edges away an agent sees, must be 0 or more, not {self.obsk}")

    @property
    def body(self) -> Robot:
        return ROBOTS[self.robot]

    @property
    def agents(self) -> int:
        return len(self.body.partitions[self.partition])

    @property
    def name(self) -> str:
        """`mamujoco-ROBOT-PARTITION` for the tasks of published data, `mamujoco:…` for every other."""
        base = f"{self.robot.lower()}-{self.partition}"
        if TASKS.get((self.robot, self.partition)) == self.obs and not self.contacts:
            return f"{FAMILY}-{base}"
        obsk = f",obsk={self.obsk}" if self.obs == "local" else ""
        return f"{FAMILY}:{base},obs={self.obs}{obsk}{',contacts=true' if self.contacts else ''}"


def parse(text: str) -> Task:
    """Read `ROBOT-PARTITION[,obs=…][,obsk=N][,contacts=true]`. Raises `UsageError` for one that cannot be read."""
    target, *pieces = (piece.strip() for piece in text.split(","))
    robot, dash, partition = target.partition("-")
    if not dash:
        raise UsageError(f"{FAMILY}:{text}: write {FAMILY}:ROBOT-PARTITION, for example {FAMILY}:ant-4x2,obs=local")
    given = dict(piece.partition("=")[::2] for piece in pieces)
    strange = [key for key in given if key not in ("obs", "obsk", "contacts")]
    if strange or len(given) < len(pieces):
        raise UsageError(
            f"{FAMILY}:{text}: {strange[0] if strange else 'an option'!r} cannot be given"
            f"{'' if strange else ' twice'}; there are obs, obsk and contacts"
        )
    obsk, contacts = given.get("obsk", "1"), given.get("contacts", "false")
    if not obsk.isdecimal() or contacts not in ("true", "false"):
        raise UsageError(f"{FAMILY}:{text}: obsk is a whole number from 0, contacts true or false")
    known = {name.lower(): name for name in ROBOTS}
    task = Task(known.get(robot.lower(), robot), partition, given.get("obs", ""), int(obsk), contacts == "true")
    if "obsk" in given and task.obs != "local":
        raise UsageError(
            f"{FAMILY}:{text}: obsk changes what obs=local shows and nothing of obs={task.obs}: leave it out"
        )
    if task.contacts and not task.body.contact_entries:
        raise UsageError(f"{FAMILY}:{text}: {task.robot}'s observation has no contact forces: leave contacts out")
    return task


def resolve(text: str) -> EnvEntry:
    """The entry of `mamujoco:text`: any partition, with any convention. Raises `UsageError`."""
    from zoo_mamujoco.plugin import entry

    task = parse(text)
    if not task.name.startswith(f"{FAMILY}:"):
        raise UsageError(f"{FAMILY}:{text} is the environment {task.name}; name it so")
    joints = len(task.body.joints) // task.agents
    return entry(task, "", f"{task.agents} agents, {joints} joint{'s'[: joints > 1]} each, move {task.robot}.")


def options_of(task: Task) -> dict[str, object]:
    """Keyword arguments of the environment's factory; as few as say which task it is."""
    default = asdict(Task(task.robot, task.partition))
    given = asdict(task)
    return {key: value for key, value in given.items() if key in ("robot", "partition") or value != default[key]}
