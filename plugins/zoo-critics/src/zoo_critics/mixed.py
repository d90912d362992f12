"""What the family of mixed values has in common beside its networks: rewards, ends, the last step, acting.

Each member learns local values of `decomposed` whose mix is fitted to the team's reward; they differ in what they
bootstrap from and in what they do to the policy. ICQ, BCQ-MA, CQL-MA and ComaDICE have their settings in common, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from zoo_core import (
    Algorithm,
    AlgorithmConfig,
    Batch,
    Clip,
    Mixer,
    Statistics,
    TeamSpec,
    ZooError,
    setting,
)
from zoo_critics.decomposed import credit, exchange_agents, joint_next_state, joint_state, mixer_of
from zoo_critics.policies import CategoricalPolicy, NormalPolicy

OURS = "our choice"


@dataclass(frozen=True)
class MixedConfig(AlgorithmConfig):
    """Settings of `ScaledMixedAlgorithm`s; each adds its own."""

    iterations: int = setting(20_000, "Updates of each network.", source=f"{OURS}: minutes on a CPU")
    batch_size: int = setting(256, "Rows in a batch.", source=f"{OURS}: fewer updates, each of more rows")
    lr: float = setting(
        2e-3, "Adam's rate, of every network.", source=f"{OURS}: as high as so few updates need", at_least=1e-12
    )
    hidden: int = setting(
        64, "Width of both hidden layers of every network.", source=f"{OURS}: minutes on a CPU", at_least=1
    )
    share_weights: bool = setting(
        True,
        "One set of weights for all agents and a one-hot id; false: weights of each agent's own.",
        source="OMIGA networks/network.py, as all of this family",
    )
    discount: float = setting(0.99, "γ.", source="OMIGA configs/config.py:27-37", at_least=0, at_most=1)
    tau: float = setting(
        0.02,
        "How far targets move once an iteration.",
        source=f"{OURS}: at 0.005 values are far behind after 20,000 updates",
        at_least=0,
        at_most=1,
    )
    clip: float | None = setting(
        1.0, "Largest gradient norm of an update; null: any.", source="OMIGA algos/OMIGA.py", at_least=1e-12
    )
    scale_rewards: bool = setting(
        True,
        "Divide rewards by their standard deviation in the data.",
        source="our choice: so that temperatures and penalties mean the same whatever the rewards' size",
    )
    timeouts: str = setting(
        "bootstrap",
        "What a truncated step is worth. bootstrap: the value of what would follow, too; terminal: its reward.",
        source="our choice: the time limit is not part of the task",
        choices=("bootstrap", "terminal"),
    )


class MixedAlgorithm(Algorithm):
    """Base: the team's value, what follows a step, stochastic policies.

    Subclasses build the networks: `mixer`, its target where there is one, `policy`. Read here are the settings hidden,
    clip, discount and timeouts.
    """

    Config: ClassVar[type]
    config: Any
    mixer: Mixer
    policy: nn.Module

    @property
    def sizes(self) -> tuple[int, int]:
        """Of the hidden layers."""
        return self.config.hidden, self.config.hidden

    def clip(self, per: Literal["all", "member", "module"] = "all") -> Clip | None:
        """How an update's gradients are clipped; None where the setting is null."""
        return None if self.config.clip is None else Clip(self.config.clip, per)

    # --- the team's value ----------------------------------------------------------------------------------------

    def total(self, values: Tensor, batch: Batch) -> Tensor:
        """Q_tot(o, a) or V_tot(o) of local values at a batch's states: [B, n] → [B]."""
        total: Tensor = self.mixer(values, joint_state(batch))
        return total.squeeze(-1)

    def credit(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """w(s) [B, n] and b(s) [B] of the mixer."""
        return credit(self.mixer, joint_state(batch))

    def backup(self, batch: Batch, next_values: Tensor, mixer: Mixer) -> Tensor:
        """r + γ (1 − d) mix(next_values, s'), [B]: what Q_tot is fitted to. next_values [B, n]."""
        following: Tensor = mixer(next_values, joint_next_state(batch)).squeeze(-1)
        return self.reward(batch) + self.config.discount * self.continues(batch) * following

    def reward(self, batch: Batch) -> Tensor:
        """[B]: the mean of the agents' rewards."""
        return batch.team_reward

    def continues(self, batch: Batch) -> Tensor:
        """[B]: 1 − d, 0 where nothing follows."""
        if self.config.timeouts == "terminal":
            return batch.continues * (1.0 - batch.truncated.float())
        return batch.continues

    # --- stochastic policies -------------------------------------------------------------------------------------

    def log_policy(self, batch: Batch) -> Tensor:
        """log π_i(a_i | o_i) of the logged actions, [B, n]; among available ones where they are discrete."""
        return log_density(self.policy, batch)

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """The mode of each policy: its mean within the bounds, or the most likely action."""
        if isinstance(self.policy, CategoricalPolicy):
            return self.policy.mode(obs, mask), memory
        assert isinstance(self.policy, NormalPolicy)
        return self.policy.mode(obs), memory

    def relabel(self, order: Sequence[int]) -> None:
        exchange_agents(self, order)


class ScaledMixedAlgorithm(MixedAlgorithm):
    """Base of those with a `MixedConfig`: the mixer is built, and rewards are scaled by their deviation in the data."""

    reward_scale: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: MixedConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.mixer = mixer_of(mixer, team)
        self.register_buffer("reward_scale", torch.tensor(reward_scale(config, statistics)))

    def reward(self, batch: Batch) -> Tensor:
        """[B]: the mean of the agents' rewards, scaled."""
        return self.reward_scale * batch.team_reward


def log_density(policy: nn.Module, batch: Batch) -> Tensor:
    """log π_i(a_i | o_i) of the logged actions under any policy, [B, n]; among available ones where discrete."""
    if isinstance(policy, CategoricalPolicy):
        return policy.log_density(batch.obs, batch.action, batch.action_mask)
    assert isinstance(policy, NormalPolicy)
    return policy.log_density(batch.obs, batch.action)


def reward_scale(config: MixedConfig, statistics: Statistics | None) -> float:
    """What rewards are multiplied by: one over their deviation in the data."""
    if not config.scale_rewards:
        return 1.0
    if statistics is None:
        raise ZooError(
            "rewards are scaled by the data's statistics: build the algorithm with them, or set scale_rewards=false"
        )
    return 1.0 / statistics.reward_std if statistics.reward_std > 0 else 1.0
