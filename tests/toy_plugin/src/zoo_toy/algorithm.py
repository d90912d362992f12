"""An actor-critic that means little and uses every kind of step the contract has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zoo_core import Adam, Algorithm, AlgorithmConfig, Assign, Clip, Draw, Loss, Phase, Polyak, Rows, Update, setting
from zoo_core.nn import StackedBatchNorm, StackedMLP, target_copy


@dataclass(frozen=True)
class ToyConfig(AlgorithmConfig):
    iterations: int = setting(30, "Iterations.")
    batch_size: int = setting(16, "Rows in a batch.")
    lr: float = setting(0.01, "Learning rate.")
    fit: int = setting(5, "Iterations of the first phase.")
    label: str | None = setting(None, "Changes nothing but the run's identity.")


class Toy(Algorithm):
    Config = ToyConfig

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        n, o, a = team.n, team.obs_size, team.action_size
        self.norm = StackedBatchNorm(n, o)
        self.actor = StackedMLP(n, o, (8,), a)
        self.critic = StackedMLP(2, team.state_size + team.joint_action_size, (8,), 1)
        self.target_critic = target_copy(self.critic)
        self.baseline = nn.Parameter(torch.randn(1))
        self.register_buffer("scale", torch.ones(1))

    def phases(self):
        config = self.config
        rows, noise = config.batch_size, {"mix": Draw("uniform", (config.batch_size, 1))}
        fit = Update("fit", self.fit_loss, ("baseline",), Adam(0.1), batch=0)
        critic = Update(
            "critic",
            self.critic_loss,
            ("critic",),
            Adam(config.lr, schedule="cosine"),
            noise={"jitter": Draw("normal", (rows, self.team.n, self.team.action_size)), **noise},
            clip=Clip(0.5, "member"),
        )
        again = Update(
            "critic",
            self.critic_loss,
            ("critic",),
            Adam(config.lr, schedule="cosine"),
            noise=critic.noise,
            batch=1,
            clip=critic.clip,
        )
        actor = Update(
            "actor", self.actor_loss, ("actor", "norm"), Adam(config.lr), batch=(0, 1), clip=Clip(1.0), every=2
        )
        scale = Assign("scale", self.new_scale, ("scale",), noise=noise)
        soft = Polyak("critic", "target_critic", 0.1)
        return (
            Phase("fit", Rows(rows), (fit,), iterations=config.fit, reuse=("fit", "batch_size")),
            Phase("train", Rows(rows, batches=2, next_action=True), (critic, again, scale, actor, soft)),
        )

    def act(self, obs, mask, memory, generator):
        return torch.tanh(self.actor(self.norm(obs.transpose(0, 1)))).transpose(0, 1), memory

    def fit_loss(self, batch, noise):
        return Loss((batch.team_reward - self.baseline).square().mean(), {"baseline": self.baseline})

    def critic_loss(self, batch, noise):
        action = batch.next_action + 0.1 * noise["jitter"]
        with torch.no_grad():
            next_q = self._q(self.target_critic, batch.next_state, action).min(0).values
            target = batch.team_reward - self.baseline + 0.9 * batch.continues * next_q * noise["mix"][:, 0]
        q = self._q(self.critic, batch.state, batch.action)
        return Loss((q - target).square().mean(), {"q": q.mean((1,)), "target": target.mean()})

    def actor_loss(self, batches, noise):
        first, second = batches
        action, _ = self.act(first.obs, None, None, None)
        cloned, _ = self.act(second.obs, None, None, None)
        value = self._q(self.critic, first.state, action)[0].mean()
        return Loss((cloned - second.action).square().mean() - 0.1 * self.scale.mean() * value, {"value": value})

    def new_scale(self, batch, noise):
        return {"scale": (batch.action.abs().mean() * noise["mix"].mean()).reshape(1)}

    @staticmethod
    def _q(critic, state, action):
        return critic(torch.cat([state, action.flatten(1)], -1))[..., 0]


class Diverging(Toy):
    def critic_loss(self, batch, noise):
        loss = super().critic_loss(batch, noise)
        self.calls = getattr(self, "calls", 0) + 1
        # The 7th iteration of "train", the 12th in all, makes the 13th and 14th call.
        return loss if self.calls <= 12 else Loss(loss.value * float("nan"), loss.metrics)
