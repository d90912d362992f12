"""TeamSpec: who acts in an environment, what they see, and how their return is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from zoo_core.entries import CONTINUOUS, DISCRETE, ReferenceScores
from zoo_core.errors import ZooError

StateKind = Literal["stored", "per_agent", "concat_obs"]


@dataclass(frozen=True, slots=True)
class TeamSpec:
    """The interface between a team and everything that learns from or acts for it.

    Arrays hold the *learning* agents only, in the order of `agents`; scripted agents live inside the environment.
    Agents of unequal size are padded with zeros up to `obs_size` / `action_size`.

    Attributes:
        env: the environment's name; conventions are part of it.
        agents: names of the learning agents.
        obs_sizes: unpadded observation size of each agent.
        action_sizes: unpadded number of action dimensions (continuous) or of actions (discrete) of each agent.
        action_kind: `continuous` or `discrete`.
        state_kind: `stored` [B, s], `per_agent` [B, n, s], or `concat_obs`: the learners' unpadded observations,
            concatenated when a batch is made and never stored.
        state_size: s; for `concat_obs` the sum of `obs_sizes`.
        episode_limit: steps after which an episode is truncated.
        reward: `shared` (all learners receive one reward) or `per_agent`.
        action_low, action_high: bounds of every continuous action dimension.
        scripted: names of agents the environment controls.
        reference: the returns that mean 0 and 100.
    """

    env: str
    agents: tuple[str, ...]
    obs_sizes: tuple[int, ...]
    action_sizes: tuple[int, ...]
    action_kind: str = CONTINUOUS
    state_kind: StateKind = "concat_obs"
    state_size: int = 0
    episode_limit: int = 0
    reward: Literal["shared", "per_agent"] = "shared"
    action_low: float = -1.0
    action_high: float = 1.0
    scripted: tuple[str, ...] = ()
    reference: ReferenceScores | None = None

    def __post_init__(self) -> None:
        joined = sum(self.obs_sizes)
        if self.state_kind == "concat_obs" and self.state_size == 0:
            object.__setattr__(self, "state_size", joined)
        wrong = {
            "agents, obs_sizes and action_sizes must be of one length, at least 1": not (
                len(self.agents) == len(self.obs_sizes) == len(self.action_sizes) >= 1
            ),
            "agents need names of their own": len(set(self.agents)) < len(self.agents),
            "obs_sizes and action_sizes must be positive": min((*self.obs_sizes, *self.action_sizes), default=1) < 1,
            f"action_kind must be {CONTINUOUS!r} or {DISCRETE!r}": self.action_kind not in (CONTINUOUS, DISCRETE),
            f"state_kind must be one of {get_args(StateKind)}": self.state_kind not in get_args(StateKind),
            f"a concat_obs state has size {joined}, not {self.state_size}": self.state_kind == "concat_obs"
            and self.state_size != joined,
            f"a {self.state_kind} state needs a state_size": self.state_size < 1,
            "action_low must lie below action_high": not self.action_low < self.action_high,
        }
        for what, holds in wrong.items():
            if holds:
                raise ZooError(f"team of {self.env!r}: {what}")

    @property
    def n(self) -> int:
        """Number of learning agents."""
        return len(self.agents)

    @property
    def obs_size(self) -> int:
        """o: the padded observation size."""
        return max(self.obs_sizes)

    @property
    def action_size(self) -> int:
        """a (continuous: padded dimensions) or A (discrete: padded number of actions)."""
        return max(self.action_sizes)

    @property
    def discrete(self) -> bool:
        return self.action_kind == DISCRETE

    @property
    def homogeneous(self) -> bool:
        """True if no agent is padded."""
        return len(set(self.obs_sizes)) == 1 and len(set(self.action_sizes)) == 1

    @property
    def joint_action_size(self) -> int:
        """n·a: the width of a joint action (one-hot for discrete) as a critic's input."""
        return self.n * self.action_size

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TeamSpec:
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        if values.get("reference"):
            values["reference"] = ReferenceScores(**values["reference"])
        return cls(**values)
