"""ICQ-MA: implicit constraint Q-learning for teams (Yang et al., NeurIPS 2021; code: YiqinYang/ICQ).

The best policy that stays near the data's, π* ∝ μ exp(Q / α), is never sampled: its expectations are taken over logged
actions, weighted by ρ = exp(Q / α) / Z. With Q_tot(s, a) = Σ_i w_i(s) Q_i(o_i, a_i) + b(s) one iteration descends

    L_Q = E (Q_tot(s, a) − r − γ (1 − d) [c(s') + ρ(s', a') (Q̄_tot(s', a') − c(s'))])²     a' as logged; and the mixer
    L_π = −E Σ_i ρ_i(s, a_i) log π_i(a_i | o_i)                          ρ_i of w_i(s) (Q_i(o_i, a_i) − c_i) / β

Z is the mean of exp(Q / α) over a state's actions, so ρ is 1 on average there and numbers c of the state alone change
nothing. But Z is estimated over the batch, ρ = B softmax_batch((Q − c) / α), which is 1 on average there only: with
c = 0, the paper's form, whatever state is worth more than others is worth yet more, and values run away. With c what
the policies expect, ρ compares actions, and weighs an advantage instead of a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_core import Adam, Batch, Loss, Mixer, Noise, Phase, Polyak, Rows, Statistics, TeamSpec, Update, setting
from zoo_core.nn import target_copy
from zoo_critics import (
    DISTRIBUTIONS,
    AgentCritics,
    MixedConfig,
    ScaledMixedAlgorithm,
    joint_next_state,
    masked,
    policy_of,
)


@dataclass(frozen=True)
class ICQConfig(MixedConfig):
    target_temperature: float = setting(
        1000.0, "α: the lower, the more the best next actions count in targets.", source="ICQ-MA", at_least=1e-6
    )
    policy_temperature: float = setting(
        0.1, "β: the lower, the more the best actions count in cloning.", source="ICQ-MA", at_least=1e-6
    )
    baseline: str = setting(
        "policy",
        "c_i in cloning. none: 0; policy: what the policy expects of Q_i (discrete actions: Σ_a π_i(a) Q_i(a); "
        "continuous: Q_i at its mode).",
        source="ICQ-MA offpg_learner.py:73-86; without it a batch's softmax is a choice of states",
        choices=("none", "policy"),
    )
    target_baseline: str = setting(
        "policy",
        "c in targets. none: 0; policy: the mix of what the policies expect.",
        source="our choice: with 0 values above α (1 − γ) grow without end",
        choices=("none", "policy"),
    )
    times_batch: bool = setting(
        True, "Multiply the batch's softmax by the rows it is over, so that ρ is 1 on average.", source="ICQ-MA"
    )
    heads: int = setting(
        1,
        "Critics of each agent; the least counts.",
        source="ICQ-MA modules/critics/offpg.py. The least of two is too low, by more with every agent and step",
        at_least=1,
    )
    fit_least: bool = setting(
        False,
        "Fit the least of the critics to the target instead of every one.",
        source="our choice: one that is never the least would never learn",
    )
    distribution: str = setting(
        "clipped-normal",
        "What continuous policies are: normals through tanh, or clipped to the bounds, with a probability there.",
        source="our choice: actions of most data were clipped; a tanh-normal's mode is drawn to the bounds by such",
        choices=DISTRIBUTIONS,
    )


class ICQ(ScaledMixedAlgorithm):
    Config = ICQConfig
    config: ICQConfig

    def __init__(
        self,
        team: TeamSpec,
        config: ICQConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        self.critics = nn.ModuleList(AgentCritics(team, self.sizes, config.share_weights) for _ in range(config.heads))
        self.policy = policy_of(team, self.sizes, config.share_weights, distribution=config.distribution)
        self.target_critics, self.target_mixer = target_copy(self.critics), target_copy(self.mixer)

    def phases(self) -> tuple[Phase, ...]:
        c = self.config
        # Without bootstrapping at the time limit its steps need no a', and are drawn.
        data = Rows(c.batch_size, next_action=True, truncation="full" if c.timeouts == "terminal" else "skip")
        steps = (
            Update("critic", self.critic_loss, ("critics", "mixer"), Adam(c.lr), clip=self.clip()),
            Update("policy", self.policy_loss, ("policy",), Adam(c.lr), clip=self.clip()),
            Polyak("critics", "target_critics", c.tau),
            Polyak("mixer", "target_mixer", c.tau),
        )
        return (Phase("train", data, steps=steps),)

    # --- L_Q -----------------------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_h mean (Q_tot,h(s, a) − r − γ (1 − d) [c(s') + ρ(s', a') (Q̄_tot(s', a') − c(s'))])²."""
        with torch.no_grad():
            y, weight = self.target(batch)
        q = [critic(batch.obs, batch.action) for critic in self.critics]
        fitted = [least(q)] if self.config.fit_least else q
        totals = torch.stack([self.total(values, batch) for values in fitted])
        td = (totals - y).square().mean(1)
        return Loss(td.sum(), {"td": td.mean(), "q": totals.mean(), "target": y.mean(), "most_weight": weight.amax()})

    def target(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """r + γ (1 − d) [c + ρ (Q̄_tot(s', a') − c)] and ρ, [B] each. ρ is a softmax over the rows that go on."""
        assert batch.next_action is not None
        assert batch.has_next_action is not None
        has_next = batch.has_next_action.view(-1, *[1] * (batch.action.dim() - 1))
        next_action = torch.where(has_next, batch.next_action, batch.action)
        state = joint_next_state(batch)
        q = least(critic(batch.next_obs, next_action) for critic in self.target_critics)
        total: Tensor = self.target_mixer(q, state).squeeze(-1)
        level = torch.zeros_like(total)
        if self.config.target_baseline == "policy":
            expected = self.expected(self.target_critics, batch.next_obs, batch.next_action_mask)
            level = self.target_mixer(expected, state).squeeze(-1)
        goes_on, gain = self.continues(batch), total - level
        weight = self.batch_softmax(gain / self.config.target_temperature, goes_on)
        return self.reward(batch) + self.config.discount * goes_on * (level + weight * gain), weight

    # --- L_π -----------------------------------------------------------------------------------------------------

    def policy_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−mean ρ_i log π_i(a_i | o_i) over agents and rows."""
        with torch.no_grad():
            weight = self.weights(batch)
        log_policy = self.log_policy(batch)
        return Loss(-(weight * log_policy).mean(), {"most_weight": weight.amax(), "log_policy": log_policy.mean()})

    def weights(self, batch: Batch) -> Tensor:
        """ρ_i = B softmax_batch(w_i(s) (Q_i(o_i, a_i) − baseline) / β), [B, n]."""
        q = least(critic(batch.obs, batch.action) for critic in self.critics)
        if self.config.baseline == "policy":
            q = q - self.expected(self.critics, batch.obs, batch.action_mask)
        credit, _ = self.credit(batch)
        return self.batch_softmax(credit * q / self.config.policy_temperature)

    def expected(self, critics: Iterable[nn.Module], obs: Tensor, mask: Tensor | None) -> Tensor:
        """What each policy expects of its critic, [B, n]; of a continuous one, its mode's value."""
        if not self.team.discrete:
            mode = self.policy.mode(obs)
            return least(critic(obs, mode) for critic in critics)
        q = least(critic.of_all_actions(obs) for critic in critics)
        return (self.policy(obs, mask).exp() * q).sum(-1)

    def batch_softmax(self, logits: Tensor, counts: Tensor | None = None) -> Tensor:
        """The softmax over the batch, [B] or [B, n], of the rows that count (all, or those marked 1), 1 on average."""
        rows: Tensor | float = float(len(logits))
        if counts is not None:
            logits, rows = masked(logits, counts != 0), counts.sum()
        weight = torch.softmax(logits, 0)
        return weight * rows if self.config.times_batch else weight


def least(values: Iterable[Tensor]) -> Tensor:
    """The least over critics, elementwise."""
    return torch.stack(list(values)).amin(0)
