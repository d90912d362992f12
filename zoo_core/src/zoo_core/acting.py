"""A trained policy that acts on observations, and its scoring again."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.entries import ReferenceScores
from zoo_core.envs import BatchedEnv
from zoo_core.errors import UsageError
from zoo_core.evaluation import FINAL_FIRST_SEED, Evaluator, Policy
from zoo_core.runs import Measured, Run, Runs, load_runs
from zoo_core.team import TeamSpec
from zoo_core.training.load import TrainedPolicy, load_policy
from zoo_core.training.modes import Modes, computing
from zoo_core.training.scores import Evaluation, Score
from zoo_core.training.summary import row_of


class RunPolicy:
    """The deterministic policy of a run, of its newest checkpoint.

    >>> policy = runs.policy(seed=0)
    >>> world = policy.make_env(copies=4)
    >>> view = world.reset([0, 1, 2, 3])
    >>> for _ in range(world.team.episode_limit):
    ...     view = world.step(policy(view.obs, view.action_mask))

    A recurrent policy remembers what it saw: call `reset()` where episodes begin.
    """

    def __init__(self, trained: TrainedPolicy) -> None:
        self._trained = trained
        self._policy: Policy | None = None
        self._copies, self._seed = 0, 0

    @classmethod
    def load(cls, folder: str | Path) -> RunPolicy:
        """Raises `RunError` if there is no run or checkpoint, `PluginError` if its plugin is gone or has changed."""
        from zoo_core.plugins import load_zoo

        return cls(load_policy(Path(folder), load_zoo(), _warn))

    @property
    def team(self) -> TeamSpec:
        """Agents, sizes, bounds: of the data it was trained on."""
        return self._trained.algorithm.team

    @property
    def iteration(self) -> int:
        """The iterations it was trained for."""
        return self._trained.iteration

    @property
    def reference(self) -> ReferenceScores | None:
        return self._trained.env.reference or self.team.reference

    def make_env(self, copies: int = 1) -> BatchedEnv:
        """The environment it was trained for, in so many copies."""
        env: BatchedEnv = self._trained.env.load()(copies)
        return env

    def reset(self, seed: int = 0) -> None:
        """Begin new episodes. `seed`: of the numbers drawn by a policy that samples, such as a planner."""
        self._policy, self._seed = None, seed

    def __call__(self, obs: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
        """The team's action.

        Args:
            obs: [n, o] of one copy or [E, n, o] of E copies, n learning agents.
            mask: [n, A] or [E, n, A], where not every action is available.

        Returns:
            [n, a] or [E, n, a] float; for discrete actions [n] or [E, n] int.

        Raises `UsageError` for observations of another shape, and for another number of copies before `reset()`.
        """
        seen = np.asarray(obs)
        team, single = self.team, seen.ndim == 2
        if seen.ndim not in (2, 3) or seen.shape[-2:] != (team.n, team.obs_size):
            raise UsageError(
                f"observations must be [{team.n}, {team.obs_size}] or [copies, {team.n}, {team.obs_size}]"
                f" ({team.n} agents), not {list(seen.shape)}"
            )
        seen = seen[None] if single else seen
        allowed = None if mask is None else np.asarray(mask).reshape(len(seen), team.n, -1)
        if self._policy is None:
            self._policy, self._copies = Policy(self._trained.algorithm, len(seen), self._seed), len(seen)
        if len(seen) != self._copies:
            raise UsageError(f"{len(seen)} copies after {self._copies}: call reset() where episodes begin")
        action = self._policy.act(seen, allowed)
        return action[0] if single else action

    def returns(self, episodes: int, *, first_seed: int = FINAL_FIRST_SEED) -> NDArray[np.float64]:
        """Undiscounted team return of seeded episodes [episodes], computed on one thread."""
        with computing(Modes()):
            return Evaluator(self._trained.env).returns(self._trained.algorithm, episodes, first_seed)


@dataclass(frozen=True, repr=False)
class Rescored:
    """A fresh score of trained policies.

    Attributes:
        seeds: [s], of the runs.
        returns: [s, episodes].
        score, normalised: over seeds, or over episodes if there is one seed; `normalised` is None without references.
    """

    seeds: tuple[int, ...]
    returns: NDArray[np.float64]
    score: Measured
    normalised: Measured | None

    def __repr__(self) -> str:
        scale = "" if self.normalised is None else f", normalised {self.normalised}"
        return f"return {self.score}{scale}"


def evaluate(run: Runs | Run | str | Path, *, episodes: int = 1000, seed_offset: int = 0) -> Rescored:
    """Score trained policies again, each by its newest checkpoint. Nothing in the run folders changes.

    >>> zoo_core.evaluate("runs/mpe-cn/expert/bc", episodes=5000).score.mean

    Args:
        run: what `train` or `load_runs` gave, one `Run`, or a folder that holds the runs of one configuration.
        episodes: of each run.
        seed_offset: start this many seeds after the first of the final score, for other episodes.

    Raises:
        UsageError: the folder holds runs of several configurations.
        RunError: no run, or one without a checkpoint.
    """
    if episodes < 1 or seed_offset < 0:
        raise UsageError("episodes must be at least 1 and seed_offset not negative")
    runs = _runs(run)
    first_seed = FINAL_FIRST_SEED + seed_offset
    policies = [RunPolicy.load(folder) for folder in runs.folders]
    found = np.stack([policy.returns(episodes, first_seed=first_seed) for policy in policies])
    evaluations = [
        Evaluation(policy.iteration, Score.of(returns.tolist()), first_seed)
        for policy, returns in zip(policies, found, strict=True)
    ]
    row = row_of("again", evaluations, policies[0].reference)
    normalised = None if row.normalised is None else Measured.from_score(row.normalised, row.over)
    return Rescored(runs.seeds, found, Measured.from_score(row.score, row.over), normalised)


def _runs(run: Runs | Run | str | Path) -> Runs:
    if isinstance(run, Runs):
        return run
    if isinstance(run, Run):
        return Runs([run])
    found = load_runs(run)
    if len(found) > 1:
        what = ", ".join(sorted({f"{runs.algorithm} on {runs.dataset}" for runs in found}))
        raise UsageError(
            f"{run} holds runs of {len(found)} configurations ({what}): evaluate them one by one,"
            " for runs in zoo_core.load_runs(folder)"
        )
    return found[0]


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)
