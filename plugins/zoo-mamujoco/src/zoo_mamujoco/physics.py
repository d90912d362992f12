"""E copies of one robot, stepped in raw MuJoCo: positions, velocities, rewards, endings.

Bit for bit what Gymnasium's `-v4` environment gives for the same seed and actions, without its per-step overhead; the
models are the files that Gymnasium installs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core import PluginError
from zoo_mamujoco.drawing import drawing_library, how_to_draw
from zoo_mamujoco.robots import Robot

if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
    os.environ.setdefault("MUJOCO_GL", drawing_library())  # read by MuJoCo when it is imported

try:
    import mujoco
except ImportError:
    raise
except Exception as error:  # whatever the library that MUJOCO_GL names, or its absence, raises
    raise PluginError(f"MuJoCo cannot be imported, {how_to_draw()} ({type(error).__name__}: {error})") from error

Float = NDArray[np.float64]
TORSO = 1
"""Index of the torso among the bodies of every robot here; 0 is the world."""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """MuJoCo 4 prints that `settotalmass` in HalfCheetah's model is deprecated, and writes it to a file in the working
    directory. The model is Gymnasium's to change; both stay silent while a model is read."""
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda _message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def load_model(robot: Robot) -> Any:
    """The compiled model of a robot. Raises `PluginError` if Gymnasium's file is not there."""
    spec = find_spec("gymnasium")
    home = Path(spec.origin).parent if spec and spec.origin else Path()
    path = home / "envs" / "mujoco" / "assets" / robot.model
    if not path.is_file():
        raise PluginError(
            f"Gymnasium's model {robot.model} is not at {path.relative_to(home)}; `pip install 'gymnasium>=1,<2'`"
        )
    with _quiet():
        return mujoco.MjModel.from_xml_path(str(path))


class Bodies:
    """The state of E copies.

    Attributes:
        position, velocity: [E, nq], [E, nv], after the last step of each copy.
        contacts: [E, entries]: clipped contact forces, zeros unless asked for.
    """

    def __init__(self, robot: Robot, copies: int, contacts: bool = False) -> None:
        self.robot, self.copies = robot, copies
        self.model = load_model(robot)
        self.data = [mujoco.MjData(self.model) for _ in range(copies)]
        self._control = [data.ctrl for data in self.data]
        self.position: Float = np.zeros((copies, self.model.nq))
        self.velocity: Float = np.zeros((copies, self.model.nv))
        self.contacts: Float = np.zeros((copies, robot.contact_entries))
        self._fill_contacts = contacts and robot.contact_entries > 0
        self._start_position = self.data[0].qpos.copy()
        self.seconds = self.model.opt.timestep * robot.frame_skip

    def reset(self, seeds: NDArray[np.int64], where: NDArray[np.intp]) -> None:
        """Start copies `where` anew: noise on position and velocity, drawn as Gymnasium draws it from this seed."""
        scale = self.robot.start_noise
        for seed, copy in zip(seeds.tolist(), where.tolist(), strict=True):
            data, random = self.data[copy], np.random.default_rng(seed)
            mujoco.mj_resetData(self.model, data)
            data.qpos[:] = self._start_position + random.uniform(-scale, scale, self.model.nq)
            if self.robot.start_velocity == "uniform":
                data.qvel[:] = random.uniform(-scale, scale, self.model.nv)
            else:
                data.qvel[:] = scale * random.standard_normal(self.model.nv)
            mujoco.mj_forward(self.model, data)
            self._read(copy)

    def step(self, action: Float, where: NDArray[np.intp]) -> Float:
        """Advance copies `where` by one decision. `action` [E, actuators] → reward [E], zero elsewhere.

        MuJoCo holds the controls within [-1, 1]; the cost is of the action as given, as in Gymnasium.
        """
        model, nstep = self.model, self.robot.frame_skip
        before = self._forward()
        for copy in where.tolist():
            self._control[copy][:] = action[copy]
            mujoco.mj_step(model, self.data[copy], nstep=nstep)
            self._read(copy)
        progress = (self._forward()[where] - before[where]) / self.seconds
        cost = self.robot.control_cost * np.sum(np.square(action[where]), axis=-1)
        reward = np.zeros(self.copies)
        reward[where] = progress + self.robot.alive_reward - cost if self.robot.alive_reward else progress - cost
        return reward

    def unhealthy(self) -> NDArray[np.bool_]:
        """[E]: which copies have fallen, jumped too high or lost their numbers."""
        robot = self.robot
        if robot.height is None:
            return np.zeros(self.copies, dtype=bool)
        least, greatest = robot.height
        height = self.position[:, robot.height_index]
        if not robot.reach:
            state = np.concatenate([self.position, self.velocity], axis=1)
            return ~(np.isfinite(state).all(axis=1) & (least <= height) & (height <= greatest))
        state = np.concatenate([self.position[:, 2:], self.velocity], axis=1)
        angle = self.position[:, 2]
        well = (np.abs(state) < robot.reach).all(axis=1) & (least < height) & (height < greatest)
        return ~(well & (np.abs(angle) < robot.angle))

    def observation(self) -> Float:
        """[E, entries]: the full observation: positions without the hidden ones, velocities, contact forces."""
        return np.concatenate(
            [self.position[:, self.robot.hidden_positions :], self.seen_velocity(), self.contacts], axis=1
        )

    def seen_velocity(self) -> Float:
        """[E, nv], clipped where the robot's observations are."""
        bound = self.robot.velocity_clip
        return np.clip(self.velocity, -bound, bound) if bound else self.velocity

    def _forward(self) -> Float:
        """[E]: the coordinate whose increase is rewarded."""
        if self.robot.forward == "root":
            return self.position[:, 0].copy()
        return np.array([data.xpos[TORSO, 0] for data in self.data])

    def _read(self, copy: int) -> None:
        data = self.data[copy]
        self.position[copy] = data.qpos
        self.velocity[copy] = data.qvel
        if self._fill_contacts:
            mujoco.mj_rnePostConstraint(self.model, data)
            self.contacts[copy] = np.clip(data.cfrc_ext, -1.0, 1.0).reshape(-1)
