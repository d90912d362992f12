"""MATD3: multi-agent TD3 with centralised twin critics (Ackermann, Gabler, Osa & Sugiyama 2019, arXiv:1910.01465).

Every agent i has an actor π_i(o_i) of its own and two critics Q_i1, Q_i2 of the joint observation s = (o_1, …, o_n) and
the joint action, fitted to its own reward r_i. One update:

    a'_j = clip(π'_j(o'_j) + clip(ε, ±c), −1, 1) for every agent j                  target policy smoothing
    y_i  = r_i + γ (1 − d) min_h Q'_ih(s', a'_1, …, a'_n)                           twin critics, one target
    critics descend Σ_i Σ_h mean (Q_ih(s, a) − y_i)²
    every `policy_delay` updates: actors ascend mean Q_i1(s, a_1, …, π_i(o_i), …, a_n), others' actions from the replay;
    then both targets move by τ

Agents' networks are stacked on a leading axis, so one batched product per layer serves the whole team. Agents may
differ in reward and in size (padded with zeros): a predator and its prey learn side by side with no further code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_core import Batch, SettingError, TeamSpec, derive, setting
from zoo_core.nn import StackedMLP, target_copy


@dataclass(frozen=True)
class Config:
    """Settings of the learner and of the loop that feeds it."""

    hidden: int = setting(64, "Width of both hidden layers of every network.")
    lr: float = setting(1e-3, "Adam's rate, actors and critics.", at_least=1e-12)
    gamma: float = setting(
        0.95, "Discount γ.", source="MADDPG; the offline benchmark trains with the same", at_least=0, at_most=1
    )
    tau: float = setting(
        0.01, "Share τ of the online networks in a target update.", source="MADDPG", at_least=0, at_most=1
    )
    batch_size: int = setting(256, "Transitions in one update.")
    reward_scale: float = setting(0.1, "Rewards are multiplied by this before learning; reported returns are not.")
    exploration: float = setting(0.1, "Standard deviation of the noise on executed actions.", source="TD3")
    smoothing: float = setting(0.0, "Standard deviation of the noise ε on target actions; 0 switches it off.")
    smoothing_clip: float = setting(0.5, "Bound c of that noise.", source="TD3")
    policy_delay: int = setting(1, "Critic updates per actor and target update; TD3 has 2.")
    action_penalty: float = setting(0.03, "Weight of mean π² in the actors' loss; MADDPG's code has 0.001.")
    grad_clip: float = setting(0.5, "Bound on the 2-norm of each network's gradient.", source="MADDPG's code")

    copies: int = setting(256, "Copies of the environment stepped together.")
    transitions: int = setting(5_120_000, "Transitions to collect, over all copies.")
    warmup: int = setting(25_600, "The first transitions: uniform actions, no updates.")
    updates_per_step: float = setting(1.0, "Updates per step of all copies; 0.5 is one at every second step.")
    capacity: int = setting(1_000_000, "Transitions the replay keeps; the oldest leave first.")
    evaluate_every: int = setting(128_000, "Transitions between two evaluations.")
    evaluation_episodes: int = setting(1000, "Episodes of an evaluation, the same ones every time.")


class MATD3(nn.Module):
    """The team's networks and one update of them. Everything random comes in from outside."""

    Config = Config

    def __init__(self, team: TeamSpec, config: Config, *, seed: int = 0) -> None:
        """Networks are a function of `seed` alone; the global random state is left as it was."""
        super().__init__()
        if team.discrete:
            raise SettingError(f"matd3 handles continuous actions and {team.env!r} has discrete ones.")
        if (team.action_low, team.action_high) != (-1.0, 1.0):
            bounds = f"[{team.action_low:g}, {team.action_high:g}]"
            raise SettingError(f"matd3 handles actions within [-1, 1] and those of {team.env!r} lie within {bounds}.")
        self.team, self.config, self.updates = team, config, 0
        hidden, joint_size = (config.hidden, config.hidden), team.n * team.obs_size + team.joint_action_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "matd3", "networks"))
            self.actors = StackedMLP(team.n, team.obs_size, hidden, team.action_size)
            self.critics = nn.ModuleList(StackedMLP(team.n, joint_size, hidden, 1) for _ in range(2))
        self.target_actors, self.target_critics = target_copy(self.actors), target_copy(self.critics)
        self.actor_optimizer = torch.optim.Adam(self.actors.parameters(), lr=config.lr)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), lr=config.lr)

    def act(self, obs: Tensor) -> Tensor:
        """The deterministic policy: obs [E, n, o] → action [E, n, a]."""
        return _policy(self.actors, obs)

    def explore(self, obs: Tensor, noise: Tensor) -> Tensor:
        """What the learner executes while it learns: π(o) + σ·noise, clipped. `noise` [E, n, a]: standard normal."""
        with torch.no_grad():
            return (self.act(obs) + self.config.exploration * noise).clamp(-1.0, 1.0)

    def update(self, batch: Batch, noise: Tensor) -> dict[str, float]:
        """One update; returns its losses. `noise` [B, n, a]: standard normal, smooths the target policy."""
        self.updates += 1
        critic_loss = self.critic_loss(batch, self.targets(batch, noise))
        _descend(critic_loss, self.critics, self.critic_optimizer, self.config.grad_clip)
        losses = {"critic_loss": critic_loss.item()}
        if self.updates % self.config.policy_delay == 0:
            actor_loss = self.actor_loss(batch)
            _descend(actor_loss, self.actors, self.actor_optimizer, self.config.grad_clip)
            losses["actor_loss"] = actor_loss.item()
            _polyak(self.actors, self.target_actors, self.config.tau)
            _polyak(self.critics, self.target_critics, self.config.tau)
        return losses

    @torch.no_grad()
    def targets(self, batch: Batch, noise: Tensor) -> Tensor:
        """y [n, B]: what both critics of each agent regress on."""
        c = self.config
        smoothing = (c.smoothing * noise).clamp(-c.smoothing_clip, c.smoothing_clip)
        next_action = (_policy(self.target_actors, batch.next_obs) + smoothing).clamp(-1.0, 1.0)
        joint = _joint(batch.next_obs, next_action)
        value = torch.minimum(*(critic(joint).squeeze(-1) for critic in self.target_critics))
        return c.reward_scale * batch.reward.T + c.gamma * batch.continues * value

    def critic_loss(self, batch: Batch, target: Tensor) -> Tensor:
        """Σ_i Σ_h mean (Q_ih(s, a) − y_i)²."""
        joint = _joint(batch.obs, batch.action)
        errors = (critic(joint).squeeze(-1) - target for critic in self.critics)
        return sum((error.square().mean(-1).sum() for error in errors), start=torch.zeros(()))

    def actor_loss(self, batch: Batch) -> Tensor:
        """Σ_i [penalty · mean π_i² − mean Q_i1(s, a_1, …, π_i(o_i), …, a_n)]."""
        n = self.team.n
        action = self.act(batch.obs)
        own = torch.eye(n, dtype=torch.bool).view(n, 1, n, 1)
        joint_action = torch.where(own, action, batch.action)  # [n, B, n, a]: member i keeps all logged actions but a_i
        joint_obs = batch.obs.flatten(1).expand(n, -1, -1)
        q = self.critics[0](torch.cat([joint_obs, joint_action.flatten(2)], -1))
        return n * (self.config.action_penalty * action.square().mean() - q.mean())


def _policy(actors: StackedMLP, obs: Tensor) -> Tensor:
    """obs [B, n, o] → tanh of each agent's own network, [B, n, a]."""
    return torch.tanh(actors(obs.transpose(0, 1))).transpose(0, 1)


def _joint(obs: Tensor, action: Tensor) -> Tensor:
    """The critics' input: [B, n·o + n·a]."""
    return torch.cat([obs.flatten(1), action.flatten(1)], -1)


def _descend(loss: Tensor, networks: nn.Module, optimizer: torch.optim.Optimizer, bound: float) -> None:
    """One step of `optimizer` on the gradient of `loss` with respect to `networks` alone, clipped network by network.

    A network is one index of the leading axis of each of a `StackedMLP`'s parameters.
    """
    parameters = list(networks.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    for stack in networks if isinstance(networks, nn.ModuleList) else (networks,):
        grads = [parameter.grad for parameter in stack.parameters()]
        norm = torch.stack([grad.flatten(1).square().sum(-1) for grad in grads]).sum(0).sqrt()
        scale = (bound / (norm + 1e-6)).clamp(max=1.0).view(-1, 1, 1)
        torch._foreach_mul_(grads, [scale] * len(grads))
    optimizer.step()


@torch.no_grad()
def _polyak(online: nn.Module, target: nn.Module, tau: float) -> None:
    """target ← (1 − τ) target + τ online."""
    torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), tau)
