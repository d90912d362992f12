"""Plain implementations to measure against: the same mathematics, written the obvious way.

A loop per agent and per ensemble member, every candidate's whole input row built with `cat`, gradients by autograd, no
layer shared. Nothing here is imported by the zoo.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TARGETS = ("joint", "individual", "soft_partial")
PENALTIES = ("counterfactual", "joint")


@dataclass(frozen=True)
class Shape:
    """Sizes of one problem; the defaults are Cooperative Navigation's."""

    agents: int = 3
    obs: int = 18
    action: int = 2
    hidden: int = 64
    batch: int = 1024
    candidates: int = 10
    alpha: float = 1.0
    gamma: float = 0.95
    lr: float = 0.01
    tau: float = 0.01


@dataclass
class Data:
    """One batch: obs, next_obs [B, n, o]; action, next_action [B, n, a]; reward [B]."""

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    next_action: Tensor

    @classmethod
    def random(cls, shape: Shape, generator: torch.Generator) -> Data:
        def normal(*size: int) -> Tensor:
            return torch.randn(size, generator=generator)

        b, n = shape.batch, shape.agents
        return cls(
            normal(b, n, shape.obs),
            normal(b, n, shape.action).clamp(-1, 1),
            normal(b),
            normal(b, n, shape.obs),
            normal(b, n, shape.action).clamp(-1, 1),
        )


def perceptron(inputs: int, hidden: int, outputs: int, *, tanh: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()]
    layers.append(nn.Linear(hidden, outputs))
    return nn.Sequential(*layers, nn.Tanh()) if tanh else nn.Sequential(*layers)


class Reference:
    """MACQL, CFCQL, ICQL-QS or SPaCQL, by its target and its penalty."""

    def __init__(self, shape: Shape, heads: int, target: str, penalty: str) -> None:
        if target not in TARGETS or penalty not in PENALTIES:
            raise ValueError(f"target is one of {TARGETS}, penalty one of {PENALTIES}")
        self.shape, self.target, self.penalty = shape, target, penalty
        width = shape.agents * (shape.obs + shape.action)
        self.critics = nn.ModuleList(perceptron(width, shape.hidden, 1) for _ in range(heads))
        self.actors = nn.ModuleList(
            perceptron(shape.obs, shape.hidden, shape.action, tanh=True) for _ in range(shape.agents)
        )
        self.target_critics, self.target_actors = copy.deepcopy(self.critics), copy.deepcopy(self.actors)
        self.critic_optimizer = torch.optim.Adam(self.critics.parameters(), lr=shape.lr)
        self.actor_optimizer = torch.optim.Adam(self.actors.parameters(), lr=shape.lr)

    def value(self, critic: Callable[[Tensor], Tensor], state: Tensor, action: Tensor) -> Tensor:
        """Q(s, a) [B] of one head: state [B, s], joint action [B, n, a]."""
        return critic(torch.cat([state, action.flatten(1)], -1)).squeeze(-1)

    @torch.no_grad()
    def backup(self, data: Data) -> Tensor:
        """The bootstrap value [B] of the next state."""
        state = data.next_obs.flatten(1)
        proposed = torch.stack([actor(data.next_obs[:, i]) for i, actor in enumerate(self.target_actors)], 1)
        proposed = (proposed + 0.05 * torch.randn_like(proposed)).clamp(-1, 1)
        if self.target == "joint":
            return torch.stack([self.value(c, state, proposed) for c in self.target_critics]).amin(0)
        if self.target == "individual":
            values = []
            for i in range(self.shape.agents):
                action = data.next_action.clone()
                action[:, i] = proposed[:, i]
                values.append(torch.stack([self.value(c, state, action) for c in self.target_critics]))
            return torch.stack(values).mean(0).amin(0)
        total, weight = torch.zeros(self.shape.batch), torch.zeros(self.shape.batch)
        for k in range(1, self.shape.agents + 1):
            rank = torch.rand(self.shape.batch, self.shape.agents).argsort(-1).argsort(-1)
            action = torch.where((rank < k).unsqueeze(-1), proposed, data.next_action)
            u = torch.stack([self.value(c, state, action) for c in self.critics]).std(0, unbiased=False).clamp_min(1e-6)
            q = torch.stack([self.value(c, state, action) for c in self.target_critics]).amin(0)
            total, weight = total + q / u, weight + 1 / u
        return total / weight

    def conservative(self, critic: Callable[[Tensor], Tensor], state: Tensor, action: Tensor) -> Tensor:
        """What the penalty raises above the data's value: mean over agents of logsumexp over candidates [B]."""
        s = self.shape
        repeated = state.repeat_interleave(s.candidates, 0)
        if self.penalty == "joint":
            uniform = 2 * torch.rand(s.batch * s.candidates, s.agents, s.action) - 1
            q = self.value(critic, repeated, uniform).view(s.batch, s.candidates)
            return torch.logsumexp(q + s.agents * s.action * math.log(2), 1)
        values = []
        for i in range(s.agents):
            joint = action.repeat_interleave(s.candidates, 0)
            joint[:, i] = 2 * torch.rand(s.batch * s.candidates, s.action) - 1
            q = self.value(critic, repeated, joint).view(s.batch, s.candidates)
            values.append(torch.logsumexp(q + s.action * math.log(2), 1))
        return torch.stack(values).mean(0)

    def update_critic(self, data: Data) -> None:
        state = data.obs.flatten(1)
        target = data.reward + self.shape.gamma * self.backup(data)
        loss = torch.zeros(())
        for critic in self.critics:
            q = self.value(critic, state, data.action)
            above = self.conservative(critic, state, data.action)
            loss = loss + (q - target).square().mean() + self.shape.alpha * (above - q).mean()
        self.critic_optimizer.zero_grad()
        loss.backward()
        for critic in self.critics:
            nn.utils.clip_grad_norm_(critic.parameters(), 0.5)
        self.critic_optimizer.step()

    def update_actors(self, data: Data) -> None:
        state, loss = data.obs.flatten(1), torch.zeros(())
        for i, actor in enumerate(self.actors):
            proposed = actor(data.obs[:, i])
            joint = data.action.clone()
            joint[:, i] = proposed
            q = self.value(self.critics[0], state, joint)
            loss = loss - q.mean() / self.shape.agents + 1e-3 * proposed.square().mean()
        self.actor_optimizer.zero_grad()
        loss.backward()
        for actor in self.actors:
            nn.utils.clip_grad_norm_(actor.parameters(), 0.5)
        self.actor_optimizer.step()

    @torch.no_grad()
    def update_targets(self) -> None:
        for online, target in ((self.critics, self.target_critics), (self.actors, self.target_actors)):
            for p, q in zip(online.parameters(), target.parameters(), strict=True):
                q.lerp_(p, self.shape.tau)

    def iterate(self, batches: list[Data]) -> None:
        """One iteration: the first batch updates critic and actors, the others the critic only."""
        for j, data in enumerate(batches):
            self.update_critic(data)
            if j == 0:
                self.update_actors(data)
        self.update_targets()


class CloneReference:
    """Behaviour cloning, an actor at a time."""

    def __init__(self, shape: Shape) -> None:
        self.actors = nn.ModuleList(
            perceptron(shape.obs, shape.hidden, shape.action, tanh=True) for _ in range(shape.agents)
        )
        self.optimizer = torch.optim.Adam(self.actors.parameters(), lr=1e-3)

    def iterate(self, batches: list[Data]) -> None:
        """One update on each batch."""
        for data in batches:
            errors = [
                (actor(data.obs[:, i]) - data.action[:, i]).square().mean() for i, actor in enumerate(self.actors)
            ]
            self.optimizer.zero_grad()
            torch.stack(errors).mean().backward()
            self.optimizer.step()


def reference_for(algorithm: str, shape: Shape) -> Reference | CloneReference:
    """The plain implementation of one of the zoo's algorithms."""
    if algorithm == "bc":
        return CloneReference(shape)
    heads, target, penalty = {
        "macql": (2, "joint", "joint"),
        "cfcql": (2, "joint", "counterfactual"),
        "icql-qs": (2, "individual", "counterfactual"),
        "spacql": (10, "soft_partial", "counterfactual"),
    }[algorithm]
    return Reference(shape, heads, target, penalty)
