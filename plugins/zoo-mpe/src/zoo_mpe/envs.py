"""The particle world as environments of the zoo: `CooperativeNavigation`, `PredatorPrey` and `World`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zoo_core import Step, TeamSpec, UsageError
from zoo_mpe.physics import Float, ParticleWorld
from zoo_mpe.prey import TRAINED, Prey, make_prey
from zoo_mpe.scenarios import EPISODE_LIMIT, ForestWorld, Scenario, Spread, Tag
from zoo_mpe.scores import REFERENCE

NOT_STARTED = -1


class ParticleEnv:
    """E copies of one game; implements `zoo_core.BatchedEnv`.

    Episodes last 25 steps and are truncated, never terminated. Actions are forces along x and y in [-1, 1]; as in the
    benchmark it is policies that keep to these bounds, the world does not clip.

    Attributes:
        team: the learning agents.
        scenario, world: the game and its bodies; `world` is the state of all copies.
        prey: the scripted agent, None where there is none.
    """

    def __init__(self, scenario: Scenario, num_envs: int, prey: str | Path | None = None) -> None:
        """`prey` names the script of the last agent; with None every agent learns.

        Raises:
            UsageError: no copies, or an unknown prey.
        """
        if num_envs < 1:
            raise UsageError(f"{scenario.name}: num_envs must be at least 1, not {num_envs}")
        self.scenario = scenario
        self.num_envs = num_envs
        self.world = ParticleWorld(scenario.agents, scenario.landmarks, num_envs)
        self.prey = None if prey is None else _prey(scenario, prey, num_envs)
        self.team = _team(scenario, self.prey, own=prey in (None, TRAINED))
        self._time = np.full(num_envs, NOT_STARTED, dtype=np.intp)
        self._obs = np.zeros((len(scenario.agents), max(scenario.obs_sizes), num_envs))

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        """Start new episodes; see `zoo_core.BatchedEnv.reset`."""
        seeds = np.asarray(seeds, dtype=np.int64)
        where = self._where(copies)
        expected = self.num_envs if isinstance(where, slice) else len(where)
        if seeds.shape != (expected,):
            raise UsageError(f"{self.team.env}: reset needs one seed per copy, {expected}, not shape {seeds.shape}")
        if self.prey is not None:
            self.prey.reset(seeds, where)
        self.world.place(*self.scenario.start(seeds), where)
        self._time[where] = 0
        return self._view(np.zeros((self.num_envs, self.team.n)))

    def set_state(
        self, position: ArrayLike, velocity: ArrayLike, landmarks: ArrayLike, copies: Sequence[int] | None = None
    ) -> Step:
        """Put copies into a given state, at the start of an episode's 25 steps.

        A random prey goes on with the numbers of the seed the copy was last reset with.

        Args:
            position, velocity: [C, A, 2], of every agent, scripted ones included.
            landmarks: [C, L, 2], in the scenario's order.
            copies: which copies (default: all).

        Raises:
            UsageError: a wrong shape or a value that is not finite.
        """
        where = self._where(copies)
        count = self.num_envs if isinstance(where, slice) else len(where)
        agents, bodies = (count, len(self.scenario.agents), 2), (count, len(self.scenario.landmarks), 2)
        parts = [
            self._array(name, values, shape).transpose(1, 2, 0)
            for name, values, shape in (
                ("position", position, agents),
                ("velocity", velocity, agents),
                ("landmarks", landmarks, bodies),
            )
        ]
        self.world.place(parts[0], parts[1], parts[2], where)
        self._time[where] = 0
        return self._view(np.zeros((self.num_envs, self.team.n)))

    def step(self, action: NDArray) -> Step:
        """Advance every copy whose episode has not ended. `action`: [E, n, 2].

        Raises:
            UsageError: a wrong shape, a value that is not finite, or a copy that was never reset.
        """
        if self._time.min() < 0:
            raise UsageError(f"{self.team.env}: copy {self._time.argmin()} has no episode yet; call reset first")
        force = self._array("action", action, (self.num_envs, self.team.n, 2)).transpose(1, 2, 0)
        if self.prey is not None:
            own_obs = self._obs[-1, : self.scenario.obs_sizes[-1]]
            force = np.concatenate([force, self.prey.act(own_obs, self._time)[None]])
        ended = self._time >= EPISODE_LIMIT
        any_ended = bool(ended.any())
        self.world.step(force, ended if any_ended else None)
        self._time += ~ended
        reward = self.scenario.reward(self.world)[: self.team.n]
        if any_ended:
            reward[:, ended] = 0.0
        return self._view(np.ascontiguousarray(reward.T))

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        """One copy as an RGB picture, [480, 480, 3]; needs no screen."""
        from zoo_mpe.render import draw

        if not 0 <= copy < self.num_envs:
            raise UsageError(f"{self.team.env}: there are copies 0 to {self.num_envs - 1}, not {copy}")
        world = self.world
        return draw(self.scenario, world.position[..., copy], world.velocity[..., copy], world.landmarks[..., copy])

    def _where(self, copies: Sequence[int] | None) -> NDArray[np.intp] | slice:
        if copies is None:
            return slice(None)
        where = np.asarray(copies, dtype=np.intp)
        if where.ndim != 1 or (where.size and (where.min() < 0 or where.max() >= self.num_envs)):
            raise UsageError(f"{self.team.env}: copies must be a list of numbers from 0 to {self.num_envs - 1}")
        return where

    def _array(self, what: str, values: ArrayLike, shape: tuple[int, ...]) -> Float:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != shape:
            raise UsageError(
                f"{self.team.env}: {what} must have shape [copies, agents, 2] = {shape}, not {array.shape}"
            )
        if not np.isfinite(array).all():
            copy, body, axis = np.argwhere(~np.isfinite(array))[0]
            raise UsageError(f"{self.team.env}: {what}[{copy}, {body}, {axis}] is {array[copy, body, axis]}")
        return array

    def _view(self, reward: Float) -> Step:
        self._obs = self.scenario.observe(self.world)
        return Step(
            obs=np.ascontiguousarray(self._obs[: self.team.n, : self.team.obs_size].transpose(2, 0, 1)),
            reward=reward,
            terminated=np.zeros(self.num_envs, dtype=bool),
            truncated=self._time >= EPISODE_LIMIT,
        )


class CooperativeNavigation(ParticleEnv):
    """`mpe-cn`: three agents cover three landmarks."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(Spread(), num_envs)


class PredatorPrey(ParticleEnv):
    """`mpe-pp`: three predators, one prey, two obstacles."""

    def __init__(self, num_envs: int, *, prey: str | Path = TRAINED, control: str = "team") -> None:
        """`prey`: `trained`, `flee`, `random` or a file; `control="all"` makes the prey a learning agent instead."""
        super().__init__(Tag(), num_envs, _script("mpe-pp", prey, control))


class World(ParticleEnv):
    """`mpe-world`: the chase with an obstacle, food and forests."""

    def __init__(self, num_envs: int, *, prey: str | Path = TRAINED, control: str = "team") -> None:
        """`prey`: `trained`, `flee`, `random` or a file; `control="all"` makes the prey a learning agent instead."""
        super().__init__(ForestWorld(), num_envs, _script("mpe-world", prey, control))


def _script(env: str, prey: str | Path, control: str) -> str | Path | None:
    if control not in ("team", "all"):
        raise UsageError(f"{env}: control must be 'team' (the prey is scripted) or 'all', not {control!r}")
    return prey if control == "team" else None


def _prey(scenario: Scenario, choice: str | Path, copies: int) -> Prey:
    obstacles = sum(body.solid for body in scenario.landmarks)
    return make_prey(
        choice,
        env=scenario.name,
        copies=copies,
        obs_size=scenario.obs_sizes[-1],
        landmarks=len(scenario.landmarks),
        obstacles=obstacles,
    )


def _team(scenario: Scenario, prey: Prey | None, *, own: bool) -> TeamSpec:
    """The learners' specification. A scripted prey is listed with its script: another prey is another game.

    The reference returns hold with our `own` prey alone, and where nobody but the team learns.
    """
    roles = [body.role for body in scenario.agents]
    names = [f"{role}_{roles[:i].count(role)}" for i, role in enumerate(roles)]
    learners = len(names) if prey is None else scenario.team
    return TeamSpec(
        env=scenario.name,
        agents=tuple(names[:learners]),
        obs_sizes=scenario.obs_sizes[:learners],
        action_sizes=(2,) * learners,
        episode_limit=EPISODE_LIMIT,
        reward="shared" if scenario.shared_reward and learners == scenario.team else "per_agent",
        scripted=tuple(f"{name}={prey.name}" for name in names[learners:]) if prey is not None else (),
        reference=REFERENCE[scenario.name] if own and learners == scenario.team else None,
    )
