"""OMCDA's update as its Algorithm 1 lists it, for the comparison of `mixed.py`: plain modules, one loss at a time.

The mathematics is that of the zoo's preset: clipped normals, a behaviour policy that clones on, influences along the
deviations' distance. Left out is what costs nothing to speak of: running means, the warm-up, bounds, ended episodes and
rates of the networks' own.
"""

from __future__ import annotations

import copy

import torch
from plain_omiga import CLIP, Plain, PlainMixer, move_targets
from reference import Data, Shape
from torch import Tensor, nn

DEGREE, EXPECTILE, MOST_WEIGHT, Z_LIMIT = 0.05, 0.7, 100.0, 5.0


class PlainOMCDA:
    def __init__(self, shape: Shape) -> None:
        self.shape, n = shape, shape.agents
        inputs = shape.obs + shape.action
        self.q_r, self.v_r, self.mixer_r = Plain(inputs, 1, shape), Plain(shape.obs, 1, shape), PlainMixer(shape)
        self.q_c, self.v_c, self.mixer_c = Plain(inputs, 1, shape), Plain(shape.obs, 1, shape), PlainMixer(shape, n)
        self.policy = Plain(shape.obs, 2 * shape.action, shape)
        self.behaviour = copy.deepcopy(self.policy)
        self.log_alpha = nn.Parameter(torch.full((n,), 10.0).log())
        self.online = (self.q_r, self.v_r, self.mixer_r, self.q_c, self.v_c, self.mixer_c)
        self.targets = copy.deepcopy(self.online)
        modules = {
            "v_r": [self.v_r], "v_c": [self.v_c], "q_r": [self.q_r, self.mixer_r], "q_c": [self.q_c, self.mixer_c],
            "policy": [self.policy], "behaviour": [self.behaviour],
        }  # fmt: skip
        self.groups = {name: [p for m in found for p in m.parameters()] for name, found in modules.items()}
        self.groups["alpha"] = [self.log_alpha]
        self.optimisers = {name: torch.optim.Adam(group, lr=shape.lr) for name, group in self.groups.items()}

    def iterate(self, data: Data) -> None:
        state, next_state = data.obs.flatten(1), data.next_obs.flatten(1)
        q_r, v_r, mixer_r, q_c, v_c, mixer_c = self.targets
        with torch.no_grad():
            q_r_bar, q_c_bar = q_r(data.obs, data.action).squeeze(-1), q_c(data.obs, data.action).squeeze(-1)
            scale = mixer_r(state)[0] / self.log_alpha.exp()
            w_c = mixer_c(state)[0].unflatten(-1, (self.shape.agents, -1))
            w, b = mixer_r(next_state)
            y_r = data.reward + self.shape.gamma * ((w * v_r(data.next_obs).squeeze(-1)).sum(-1) + b.squeeze(-1))
            w, b = mixer_c(next_state)
            v_next = v_c(data.next_obs)
            y_c = self.shape.gamma * ((w.unflatten(-1, (self.shape.agents, -1)) @ v_next).squeeze(-1) + b)

        error = q_r_bar - self.v_r(data.obs).squeeze(-1)
        self.descend("v_r", ((EXPECTILE - (error < 0).float()).abs() * error.square()).mean())

        def constraint(value: Tensor) -> tuple[Tensor, Tensor]:
            z = scale * (q_r_bar - self.v_r(data.obs).detach().squeeze(-1))
            return z + (w_c @ (q_c_bar - value).unsqueeze(-1)).squeeze(-1), (w_c @ value.unsqueeze(-1)).squeeze(-1)

        z, value = constraint(self.v_c(data.obs).squeeze(-1))
        steady = torch.where(z <= Z_LIMIT, z.clamp(max=Z_LIMIT).exp(), torch.e**Z_LIMIT * (1 + z - Z_LIMIT))
        self.descend("v_c", (steady + value).mean())

        w, b = self.mixer_r(state)
        q = (w * self.q_r(data.obs, data.action).squeeze(-1)).sum(-1) + b.squeeze(-1)
        self.descend("q_r", (q - y_r).square().mean())
        w, b = self.mixer_c(state)
        q = (w.unflatten(-1, (self.shape.agents, -1)) @ self.q_c(data.obs, data.action)).squeeze(-1) + b
        self.descend("q_c", (q - y_c).square().mean())

        with torch.no_grad():
            weight = constraint(self.v_c(data.obs).squeeze(-1))[0].exp().clamp(max=MOST_WEIGHT)
        self.descend("policy", -(weight * clipped_log_density(self.policy(data.obs), data.action)).mean())
        self.descend("behaviour", -clipped_log_density(self.behaviour(data.obs), data.action).mean())
        degrees, divergence = self.degrees(data, state)
        self.descend("alpha", (self.log_alpha.exp() * (degrees - divergence)).sum())
        move_targets(self.online, self.targets, self.shape.tau)

    def degrees(self, data: Data, state: Tensor) -> tuple[Tensor, Tensor]:
        """d_i and KL_i."""
        with torch.no_grad():
            mean, log_std = moments(self.policy(data.obs))
            mean_b, log_std_b = moments(self.behaviour(data.obs))
            w, _ = self.mixer_r(state)
        at = log_std.clone().requires_grad_()
        action = (mean + at.exp() * torch.randn_like(mean)).clamp(-1, 1)
        (of_value,) = torch.autograd.grad((w * self.q_r(data.obs, action).squeeze(-1)).sum(), at)
        apart = log_std - log_std_b
        of_divergence = torch.expm1(2 * apart)
        quotient = (of_value * apart).sum(-1).mean(0) / (of_divergence * apart).sum(-1).mean(0).clamp(min=1e-2)
        distance = ((mean - mean_b) / log_std_b.exp()).square()
        divergence = 0.5 * (of_divergence - 2 * apart + distance).sum(-1).mean(0)
        return self.shape.agents * DEGREE * torch.softmax(quotient / (quotient.abs().mean() + 1e-8), 0), divergence

    def descend(self, name: str, loss: Tensor) -> None:
        self.optimisers[name].zero_grad()
        loss.backward()
        if name != "alpha":
            nn.utils.clip_grad_norm_(self.groups[name], CLIP)
        self.optimisers[name].step()


def moments(outputs: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_std = outputs.chunk(2, -1)
    return mean.clamp(-3, 3), log_std.clamp(-5, 2)


def clipped_log_density(outputs: Tensor, action: Tensor) -> Tensor:
    """log of the density within the bounds ±1, and of the probability on them."""
    mean, log_std = moments(outputs)
    inside = torch.distributions.Normal(mean, log_std.exp()).log_prob(action)
    beyond = torch.special.log_ndtr((action.sign() * mean - 1) / log_std.exp())
    return torch.where(action.abs() >= 1 - 1e-5, beyond, inside).sum(-1)
