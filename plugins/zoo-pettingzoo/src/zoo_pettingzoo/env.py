"""Any PettingZoo parallel environment as a batched environment of the zoo: E copies, stepped one after another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core import PluginError, Step, TeamSpec, UsageError
from zoo_pettingzoo.build import Maker
from zoo_pettingzoo.generators import restore, seeded, snapshot, undisturbed
from zoo_pettingzoo.locate import quiet
from zoo_pettingzoo.spaces import Codec
from zoo_pettingzoo.task import parse

_WATCHED = 8
"""Steps over which a new environment is watched for draws from the global generators."""


class PettingZooEnv:
    """E copies of a task; the team is all of its `possible_agents`.

    - Observations are flat; continuous actions lie in [-1, 1] and are scaled to each dimension's own bounds.
    - Rewards are each agent's own. An agent that is not there (dead, or not yet come) gets zero reward; its
      observation is zero, except right after its last action, which shows what that led to. Where actions are masked
      it has action 0 alone.
    - An episode ends when no agent is left: truncated if the limit or the environment's own truncation cut off any of
      the last ones, else terminated. The environment's `state()` is the state, where it has one.
    """

    def __init__(self, num_envs: int, *, task: str) -> None:
        """Raises `UsageError` for a task that cannot be built or whose spaces the zoo has no place for."""
        self.task = parse(task)
        self.maker = Maker(self.task)
        self.num_envs = num_envs
        first = self.maker.build()
        self.agents = list(first.possible_agents)
        with quiet(), self.explained("asking for its spaces"):
            spaces = [(a, first.observation_space(a), first.action_space(a)) for a in self.agents]
        self.codecs = [Codec(self.task.name, *each) for each in spaces]
        kinds = {codec.kind for codec in self.codecs}
        if len(kinds) > 1:
            raise UsageError(f"{self.task.name} mixes discrete and continuous agents; a team has one kind of action")
        with quiet(), undisturbed():
            self.masked, state_size, self.isolated = self._examine(first)
        self.team = TeamSpec(
            env=self.task.name,
            agents=tuple(str(agent) for agent in self.agents),
            obs_sizes=tuple(codec.obs_size for codec in self.codecs),
            action_sizes=tuple(codec.action_size for codec in self.codecs),
            action_kind=kinds.pop(),
            state_kind="stored" if state_size else "concat_obs",
            state_size=state_size,
            episode_limit=self.maker.limit(first),
            reward="per_agent",
            reference=self.task.reference,
        )
        self.copies = [Copy(self, first if i == 0 else self.maker.build()) for i in range(num_envs)]

    def reset(self, seeds: Sequence[int] | NDArray[np.int64], copies: Sequence[int] | None = None) -> Step:
        """Start new episodes, one seed for each of `copies` (default: all). Returns the view of all copies."""
        chosen = range(self.num_envs) if copies is None else copies
        with quiet(), undisturbed():
            for copy, seed in zip(chosen, seeds, strict=True):
                self.copies[copy].reset(int(seed))
        return self._view(np.zeros((self.num_envs, self.team.n)))

    def step(self, action: NDArray[Any]) -> Step:
        """Advance every copy. `action`: [E, n, a] in [-1, 1], or [E, n] int."""
        with quiet(), undisturbed():
            reward = [copy.step(action[index]) for index, copy in enumerate(self.copies)]
        return self._view(np.stack(reward))

    def render(self, copy: int = 0) -> NDArray[np.uint8]:
        """One copy as an RGB picture [H, W, 3]. Raises `UsageError` if the environment draws none."""
        with quiet(), undisturbed(), self.explained("render"), self.copies[copy].own_generators():
            try:
                frame = self.copies[copy].env.render()
            except NotImplementedError:
                frame = None
        picture = np.zeros(()) if frame is None else np.asarray(frame)
        if picture.ndim != 3 or picture.shape[2] != 3:
            raise UsageError(
                f'{self.task.name} cannot be drawn: its render() gives no picture in render_mode="rgb_array"'
            )
        return np.ascontiguousarray(picture.astype(np.uint8))

    def _view(self, reward: NDArray[np.float64]) -> Step:
        def stacked(name: str) -> NDArray[Any]:
            return np.stack([getattr(copy, name) for copy in self.copies])

        return Step(
            obs=stacked("obs"),
            reward=reward,
            terminated=stacked("terminated"),
            truncated=stacked("truncated"),
            state=stacked("state") if self.team.state_kind == "stored" else None,
            action_mask=stacked("mask") if self.masked else None,
        )

    def _examine(self, env: Any) -> tuple[bool, int, bool]:
        """Whether actions are masked, the size of the state (0: none), and whether it draws from global generators."""
        restore(before := seeded(0))
        with self.explained("reset"):
            observations, infos = env.reset(seed=0)
        masked = self.codecs[0].kind == "discrete" and any(
            codec.available(observations[agent], infos.get(agent)) is not None
            for agent, codec in zip(self.agents, self.codecs, strict=True)
            if agent in observations
        )
        state = read_state(env)
        for _ in range(_WATCHED):
            if not env.agents:
                break
            with self.explained("step"):
                observations, _, _, _, infos = env.step(self._some_actions(env, observations, infos))
        return masked, 0 if state is None else state.size, snapshot() != before

    def _some_actions(self, env: Any, observations: Any, infos: Any) -> dict[Any, Any]:
        """An available action for each agent that is there: the first one, or the middle of its range."""
        found = {}
        for agent, codec in zip(self.agents, self.codecs, strict=True):
            if agent in env.agents:
                mask = None if agent not in observations else codec.available(observations[agent], infos.get(agent))
                first = 0 if mask is None else int(mask.argmax())
                found[agent] = codec.act(first if codec.kind == "discrete" else np.zeros(codec.action_size))
        return found

    @contextlib.contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        """Turns what the environment's own code raises into a `PluginError` that names it."""
        try:
            yield
        except (PluginError, UsageError):
            raise
        except Exception as error:
            raise PluginError(f"{self.task.name}: {doing} raised {type(error).__name__}: {error}") from error


class Copy:
    """One environment and what it shows: obs [n, o], mask [n, A], state [s], terminated and truncated."""

    def __init__(self, batch: PettingZooEnv, env: Any) -> None:
        self.batch, self.env = batch, env
        team = batch.team
        self.obs = np.zeros((team.n, team.obs_size))
        self.mask = np.zeros((team.n, team.action_size), dtype=bool)
        self.state = np.zeros(team.state_size)
        self.terminated, self.truncated = np.bool_(True), np.bool_(False)  # nothing happens before the first reset
        self.t = 0
        self.living: set[Any] = set()
        self.generators = seeded(0)

    def reset(self, seed: int) -> None:
        """Start the episode of this seed."""
        self.generators = seeded(seed)
        with self.batch.explained(f"reset(seed={seed})"), self.own_generators():
            observations, infos = self.env.reset(seed=seed)
            self.living = set(self.env.agents)
            self._show(observations, infos, self.living)
        if not self.living:
            raise PluginError(f"{self.batch.task.name}: reset(seed={seed}) left no agent")
        self.t = 0
        self.terminated, self.truncated = np.bool_(False), np.bool_(False)

    def step(self, action: NDArray[Any]) -> NDArray[np.float64]:
        """Advance by the team's action [n, a] or [n]; returns each agent's reward [n]. An ended copy stays as it is."""
        batch = self.batch
        reward = np.zeros(batch.team.n)
        if self.terminated or self.truncated:
            return reward
        acting = set(self.env.agents)
        given = {
            agent: codec.act(action[i])
            for i, (agent, codec) in enumerate(zip(batch.agents, batch.codecs, strict=True))
            if agent in acting
        }
        with batch.explained(f"step {self.t}"), self.own_generators():
            observations, rewards, terminations, truncations, infos = self.env.step(given)
            for i, agent in enumerate(batch.agents):
                if agent in self.living:
                    reward[i] = rewards.get(agent, 0.0)
            ended = {a for a in acting if terminations.get(a) or truncations.get(a)}
            before, self.living = self.living, set(self.env.agents) - ended
            self._show(observations, infos, before | self.living)
        self.t += 1
        cut = any(truncations.get(agent) and not terminations.get(agent) for agent in before)
        over = not self.living
        self.truncated = np.bool_(cut if over else self.t >= batch.team.episode_limit)
        self.terminated = np.bool_(over and not cut)
        return reward

    def _show(self, observations: Any, infos: Any, shown: set[Any]) -> None:
        """Take in what the environment shows of the agents in `shown`; the others' rows are zero."""
        self.obs = np.zeros_like(self.obs)
        self.mask = np.zeros_like(self.mask)
        for i, (agent, codec) in enumerate(zip(self.batch.agents, self.batch.codecs, strict=True)):
            seen = agent in shown and agent in observations
            if seen:
                self.obs[i, : codec.obs_size] = codec.observe(observations[agent])
            if self.batch.masked:
                self.mask[i, : codec.action_size] = self._available(codec, agent, observations, infos)
        if self.batch.team.state_kind == "stored":
            self._show_state()

    def _available(self, codec: Codec, agent: Any, observations: Any, infos: Any) -> NDArray[np.bool_]:
        """The mask of an agent that acts next; action 0 alone for one that does not."""
        nothing = np.arange(codec.action_size) == 0
        if agent not in self.living or agent not in observations:
            return nothing
        mask = codec.available(observations[agent], infos.get(agent))
        if mask is None:
            return np.ones(codec.action_size, dtype=bool)
        return mask if mask.any() else nothing

    def _show_state(self) -> None:
        found = read_state(self.env)
        size = self.batch.team.state_size
        if found is None or found.size != size:
            got = "none" if found is None else f"{found.size} numbers"
            raise PluginError(f"{self.batch.task.name}: state() gave {size} numbers at first and {got} now")
        self.state = found

    @contextlib.contextmanager
    def own_generators(self) -> Iterator[None]:
        """Lets a copy that draws from the global generators find its own states there. The caller restores them."""
        if not self.batch.isolated:
            yield
            return
        restore(self.generators)
        yield
        self.generators = snapshot()


def read_state(env: Any) -> NDArray[np.float64] | None:
    """The environment's state as numbers [s]; None if it has none, or none of numbers."""
    try:
        found = np.asarray(env.state(), dtype=np.float64).reshape(-1)
    except Exception:  # not implemented, which wrappers say in ways of their own
        return None
    return found if found.size and np.isfinite(found).all() else None
