"""OMIGA's update as its authors lay it out, for the comparison of `mixed.py`: plain modules and optimisers."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from reference import Data, Shape
from torch import Tensor, nn

MIXER_HIDDEN = 64
ALPHA, CLIP = 10.0, 1.0


class Plain(nn.Module):
    """[x, one-hot id] → two hidden layers → outputs: the official code's network, its input joined by `cat`."""

    def __init__(self, inputs: int, outputs: int, shape: Shape) -> None:
        super().__init__()
        h = shape.hidden
        self.net = nn.Sequential(
            nn.Linear(inputs + shape.agents, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, outputs)
        )
        self.ids = torch.eye(shape.agents)

    def forward(self, *parts: Tensor) -> Tensor:
        found: Tensor = self.net(torch.cat((*parts, self.ids.expand(len(parts[0]), -1, -1)), -1))
        return found


class PlainMixer(nn.Module):
    """The joint state → weights [B, totals · n] ≥ 0 and biases [B, totals]."""

    def __init__(self, shape: Shape, totals: int = 1) -> None:
        super().__init__()
        self.trunk = nn.Linear(shape.agents * shape.obs, MIXER_HIDDEN)
        self.w, self.b = nn.Linear(MIXER_HIDDEN, totals * shape.agents), nn.Linear(MIXER_HIDDEN, totals)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.relu(self.trunk(state))
        return self.w(features).abs(), self.b(features)


class PlainOMIGA:
    """OMIGA as its authors lay it out: all losses, then three optimisers, then three soft updates."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.q, self.v = Plain(shape.obs + shape.action, 1, shape), Plain(shape.obs, 1, shape)
        self.policy, self.mixer = Plain(shape.obs, 2 * shape.action, shape), PlainMixer(shape)
        self.online = (self.q, self.v, self.mixer)
        self.targets = copy.deepcopy(self.online)
        groups = [list(self.policy.parameters()), [*self.q.parameters(), *self.mixer.parameters()]]
        self.groups = [*groups, list(self.v.parameters())]
        self.optimisers = [torch.optim.Adam(group, lr=shape.lr) for group in self.groups]

    def iterate(self, data: Data) -> None:
        state, next_state = data.obs.flatten(1), data.next_obs.flatten(1)
        target_q, target_v, target_mixer = self.targets
        with torch.no_grad():
            w_next, b_next = target_mixer(next_state)
            v_next = target_v(data.next_obs).squeeze(-1)
            y = data.reward + self.shape.gamma * ((w_next * v_next).sum(-1) + b_next.squeeze(-1))
            scale = target_mixer(state)[0] / ALPHA
            q_bar = target_q(data.obs, data.action).squeeze(-1)
        w, b = self.mixer(state)
        q_loss = ((w * self.q(data.obs, data.action).squeeze(-1)).sum(-1) + b.squeeze(-1) - y).square().mean()
        value = self.v(data.obs).squeeze(-1)
        z = (scale * (q_bar - value)).clamp(-10.0, 10.0)
        largest = z.detach().max().clamp(min=-1.0)
        v_loss = ((z - largest).exp() + (-largest).exp() * scale * value).mean()
        policy_loss = -(z.detach().exp() * self.log_density(data)).mean()
        for loss, group, optimiser in zip((policy_loss, q_loss, v_loss), self.groups, self.optimisers, strict=True):
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(group, CLIP)
            optimiser.step()
        move_targets(self.online, self.targets, self.shape.tau)

    def log_density(self, data: Data) -> Tensor:
        mean, log_std = self.policy(data.obs).chunk(2, -1)
        raw = torch.atanh(data.action.clamp(-1 + 1e-6, 1 - 1e-6))
        normal = torch.distributions.Normal(mean.clamp(-9, 9), log_std.clamp(-5, 2).exp())
        slope = 2 * (torch.log(torch.tensor(2.0)) - raw - nn.functional.softplus(-2 * raw))
        return (normal.log_prob(raw) - slope).sum(-1)


@torch.no_grad()
def move_targets(online: Sequence[nn.Module], targets: Sequence[nn.Module], tau: float) -> None:
    for module, followed in zip(online, targets, strict=True):
        for new, old in zip(module.parameters(), followed.parameters(), strict=True):
            old.copy_(tau * new + (1 - tau) * old)
