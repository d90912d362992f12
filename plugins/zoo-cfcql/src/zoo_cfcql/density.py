"""A density of the logged actions, to weigh agents by how far they leave it (CFCQL --cf_weight).

A variational autoencoder of the joint action given the state (as SPOT, Wu et al. 2022; CFCQL utils/vae_class.py).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

LOG_STD = (-4.0, 15.0)


class ActionDensity(nn.Module):
    """Encoder q(z | s, a), decoder p(a | s, z) = N(decode(s, z), β/4), prior N(0, 1)."""

    def __init__(self, state_size: int, action_size: int, latent: int, hidden: int) -> None:
        super().__init__()
        self.encoder = _two_layers(state_size + action_size, hidden, 2 * latent)
        self.decoder = _two_layers(state_size + latent, hidden, action_size)

    def encode(self, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of z: state [B, s], joint action [B, n·a] → [B, z] each."""
        mean, log_std = self.encoder(torch.cat((state, action), -1)).chunk(2, -1)
        return mean, log_std.clamp(*LOG_STD)

    def decode(self, state: Tensor, z: Tensor) -> Tensor:
        """Mean joint action in (−1, 1): [..., B, n·a]."""
        return torch.tanh(self.decoder(torch.cat((state.expand(*z.shape[:-1], -1), z), -1)))

    def loss(self, state: Tensor, action: Tensor, noise: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """Squared reconstruction error and β-weighted divergence from the prior, both means. noise: [B, z]."""
        mean, log_std = self.encode(state, action)
        error = (self.decode(state, mean + log_std.exp() * noise) - action).square().mean()
        divergence = -0.5 * (1 + 2 * log_std - mean.square() - (2 * log_std).exp()).mean()
        return error, beta * divergence

    def log_density(self, state: Tensor, action: Tensor, dims: Tensor, noise: Tensor, beta: float) -> Tensor:
        """log μ̂_i(a_i | s) by importance sampling over L latents, [n, B].

        action [B, n, a] scaled to (−1, 1); dims [n, a] marks real dimensions; noise [L, B, z]. As in the official
        code each agent's likelihood is multiplied by the joint ratio prior / posterior, which is a heuristic.
        """
        joint = action.flatten(1)
        mean, log_std = self.encode(state, joint)
        z = mean + log_std.exp() * noise
        ratio = (-0.5 * z.square() + 0.5 * noise.square() + log_std).sum(-1)  # log p(z) − log q(z | s, a): [L, B]
        std = math.sqrt(beta / 4)
        standardised = (joint - self.decode(state, z)).unflatten(-1, action.shape[1:]) / std
        likelihood = ((-0.5 * standardised.square() - math.log(std * math.sqrt(2 * math.pi))) * dims).sum(-1)
        return (torch.logsumexp(likelihood + ratio.unsqueeze(-1), 0) - math.log(len(noise))).T

    @torch.no_grad()
    def relabel(self, state_columns: Tensor, action_columns: Tensor) -> None:
        """Rearrange what the networks read and the joint action that they give, by columns [s] and [n·a]."""
        state_size = len(state_columns)
        latents = torch.arange(state_size, self.decoder[0].in_features)
        joint, seen = torch.cat((state_columns, state_size + action_columns)), torch.cat((state_columns, latents))
        for layer, columns in ((self.encoder[0], joint), (self.decoder[0], seen)):
            layer.weight.copy_(layer.weight[:, columns.to(layer.weight.device)])
        for tensor in (self.decoder[-1].weight, self.decoder[-1].bias):
            tensor.copy_(tensor[action_columns.to(tensor.device)])


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    )
