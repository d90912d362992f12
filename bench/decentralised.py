"""OMAR, IQL and MA-TD3+BC written plainly, and the matrix products that one iteration of each cannot do without.

An agent at a time, a head at a time, every candidate's whole input row built with `cat`. Nothing here is imported by
the zoo.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from floor import Product
from reference import Data, Shape, perceptron
from torch import Tensor, nn

NAMES = ("omar", "iql", "td3bc")
ROUNDS, SEARCHED = 3, 10
"""OMAR's search: rounds, and actions in each."""


class Learner:
    """One agent's networks and their optimisers."""

    def __init__(self, shape: Shape) -> None:
        self.shape, h = shape, shape.hidden
        self.critics = nn.ModuleList(perceptron(shape.obs + shape.action, h, 1) for _ in range(2))
        self.actor, self.value = perceptron(shape.obs, h, shape.action, tanh=True), perceptron(shape.obs, h, 1)
        self.log_std = nn.Parameter(torch.zeros(shape.action))
        self.target_critics, self.target_actor = copy.deepcopy(self.critics), copy.deepcopy(self.actor)
        self.optimizers = {
            "critic": torch.optim.Adam(self.critics.parameters(), lr=shape.lr),
            "actor": torch.optim.Adam([*self.actor.parameters(), self.log_std], lr=shape.lr),
            "value": torch.optim.Adam(self.value.parameters(), lr=shape.lr),
        }

    def q(self, critic: Callable[[Tensor], Tensor], obs: Tensor, action: Tensor) -> Tensor:
        return critic(torch.cat([obs, action], -1)).squeeze(-1)

    def descend(self, name: str, loss: Tensor, parameters: nn.Module) -> None:
        self.optimizers[name].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters.parameters(), 0.5)
        self.optimizers[name].step()

    def follow(self) -> None:
        pairs = ((self.critics, self.target_critics), (self.actor, self.target_actor))
        with torch.no_grad():
            for online, target in pairs:
                for p, q in zip(online.parameters(), target.parameters(), strict=True):
                    q.lerp_(p, self.shape.tau)

    def regress(self, obs: Tensor, action: Tensor, y: Tensor, penalty: float = 0.0) -> None:
        """Both critics on one target, with CQL's penalty at uniform actions if it has a weight."""
        loss, m = torch.zeros(()), self.shape.candidates
        for critic in self.critics:
            q = self.q(critic, obs, action)
            loss = loss + (q - y).square().mean()
            if penalty:
                uniform = 2 * torch.rand(len(obs) * m, self.shape.action) - 1
                above = self.q(critic, obs.repeat_interleave(m, 0), uniform).view(-1, m)
                above = torch.logsumexp(above + self.shape.action * math.log(2), 1)
                loss = loss + penalty * (above - q).mean()
        self.descend("critic", loss, self.critics)

    @torch.no_grad()
    def backup(self, reward: Tensor, next_obs: Tensor, noise: float) -> Tensor:
        action = self.target_actor(next_obs)
        if noise:
            action = (action + (noise * torch.randn_like(action)).clamp(-0.5, 0.5)).clamp(-1, 1)
        least = torch.stack([self.q(critic, next_obs, action) for critic in self.target_critics]).amin(0)
        return reward + self.shape.gamma * least

    def omar(self, obs: Tensor, action: Tensor, reward: Tensor, next_obs: Tensor) -> None:
        self.regress(obs, action, self.backup(reward, next_obs, 0.0), self.shape.alpha)
        policy = self.actor(obs)
        with torch.no_grad():
            its_q = self.q(self.critics[0], obs, policy)
            mean, deviation = torch.zeros_like(policy).unsqueeze(1), torch.full_like(policy, 2.0).unsqueeze(1)
            rows = obs.repeat_interleave(SEARCHED, 0)
            for _ in range(ROUNDS):
                tried = (mean + deviation * torch.randn(len(obs), SEARCHED, self.shape.action)).clamp(-1, 1)
                q = self.q(self.critics[0], rows, tried.flatten(0, 1)).view(-1, SEARCHED)
                weight = q.softmax(1).unsqueeze(-1)
                mean = (weight * tried).sum(1, keepdim=True)
                deviation = (tried - mean).square().mean(1, keepdim=True).sqrt()
            best = tried[torch.arange(len(obs)), q.argmax(1)]
            found = torch.where((q.amax(1) > its_q).unsqueeze(-1), best, policy)
        loss = 0.9 * (policy - found).square().mean() - 0.1 * self.q(self.critics[0], obs, policy).mean()
        self.descend("actor", loss + 1e-3 * policy.square().mean(), self.actor)
        self.follow()

    def td3bc(self, obs: Tensor, action: Tensor, reward: Tensor, next_obs: Tensor, *, delayed: bool) -> None:
        self.regress(obs, action, self.backup(reward, next_obs, 0.2))
        if delayed:
            policy = self.actor(obs)
            q = self.q(self.critics[0], obs, policy)
            loss = -2.5 / q.abs().mean().detach() * q.mean() + (policy - action).square().mean()
            self.descend("actor", loss, self.actor)
            self.follow()

    def iql(self, obs: Tensor, action: Tensor, reward: Tensor, next_obs: Tensor) -> None:
        with torch.no_grad():
            q = torch.stack([self.q(critic, obs, action) for critic in self.target_critics]).amin(0)
        u = q - self.value(obs).squeeze(-1)
        self.descend("value", ((0.7 - (u < 0).float()).abs() * u.square()).mean(), self.value)
        with torch.no_grad():
            weight = (3.0 * (q - self.value(obs).squeeze(-1))).exp().clamp(max=100.0)
        log_policy = torch.distributions.Normal(self.actor(obs), self.log_std.exp()).log_prob(action).sum(-1)
        self.descend("actor", -(weight * log_policy).mean(), self.actor)
        with torch.no_grad():
            y = reward + self.shape.gamma * self.value(next_obs).squeeze(-1)
        self.regress(obs, action, y)
        self.follow()


class Decentralised:
    """One learner for each agent."""

    def __init__(self, name: str, shape: Shape) -> None:
        self.name, self.iterations = name, 0
        self.learners = [Learner(shape) for _ in range(shape.agents)]

    def iterate(self, batches: Sequence[Data]) -> None:
        for data in batches:
            self.iterations += 1
            for i, learner in enumerate(self.learners):
                rows = data.obs[:, i], data.action[:, i], data.reward, data.next_obs[:, i]
                if self.name == "td3bc":
                    learner.td3bc(*rows, delayed=self.iterations % 2 == 0)
                else:
                    getattr(learner, self.name)(*rows)


def own_products(name: str, shape: Shape) -> list[tuple[Product, int]]:
    """Every matrix product of one iteration (of MA-TD3+BC two, which its policies learn once in) over all agents."""
    b, h, o, a, n = shape.batch, shape.hidden, shape.obs, shape.action, shape.agents
    found: list[tuple[Product, int]] = []

    def network(rows: int, inputs: int, outputs: int, times: int, *, learns: bool = True, through: int = 0) -> None:
        """Forward; with `learns` the weights' gradients; with `through` that of so many of the inputs."""
        for k, (i, j) in enumerate(((inputs, h), (h, h), (h, outputs))):
            found.append((((rows, i), (i, j)), n * times))
            if learns:
                found.append((((i, rows), (rows, j)), n * times))
            if k or through:
                back = i if k else through
                if learns or through:
                    found.append((((rows, j), (j, back)), n * times))

    if name == "iql":
        network(b, o, 1, 1)  # V learns
        network(b, o, 1, 2, learns=False)  # V of the policy's loss, and of the next observation
        network(b, o + a, 1, 4, learns=False)  # both target critics, for the value and for the policy
        network(b, o, a, 1)  # the policy learns
        network(b, o + a, 1, 2)  # both critics learn
        return found
    for _ in range(2 if name == "td3bc" else 1):
        network(b, o, a, 1, learns=False)  # the target policy
        network(b, o + a, 1, 2, learns=False)  # both target critics
        network(b, o + a, 1, 2)  # both critics learn
    network(b, o, a, 1)  # the policy learns
    network(b, o + a, 1, 1, learns=False, through=a)  # through a critic
    if name == "omar":  # the observation's part of the first layer is shared with the rows above
        network(b * shape.candidates, a, 1, 2)
        network(b * SEARCHED, a, 1, ROUNDS, learns=False)
    return found
