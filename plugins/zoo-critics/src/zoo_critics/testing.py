"""For the tests of the family: random batches and noise, a plain forward pass, and a loop that trains on given data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from zoo_core import Algorithm, Assign, Batch, Clip, Draw, Polyak, TeamSpec, Update, generator
from zoo_core.nn import StackedMLP
from zoo_critics.algorithm import ConservativeCritics
from zoo_critics.critic import JointCritic
from zoo_critics.decomposed import own_dims


def small_team(agents: int = 3, obs: int = 4, action: int = 2) -> TeamSpec:
    return TeamSpec("test", tuple(f"agent {i}" for i in range(agents)), (obs,) * agents, (action,) * agents)


def random_batch(team: TeamSpec, size: int, seed: int = 0) -> Batch:
    """Rows of every kind: some terminated, some truncated (without a logged a', where it is NaN)."""
    g = generator(seed, "batch")
    n, o, a = team.n, team.obs_size, team.action_size
    obs, next_obs = torch.randn(2, size, n, o, generator=g)
    action, next_action = 2 * torch.rand(2, size, n, a, generator=g) - 1
    terminated = torch.arange(size) % 5 == 1
    truncated = torch.arange(size) % 5 == 3
    has_next = ~(terminated | truncated)
    return Batch(
        obs=obs,
        action=action,
        reward=torch.randn(size, n, generator=g),
        next_obs=next_obs,
        terminated=terminated,
        truncated=truncated,
        state=obs.flatten(1),
        next_state=next_obs.flatten(1),
        next_action=torch.where(has_next[:, None, None], next_action, torch.nan),
        has_next_action=has_next,
    )


def draw(draws: Mapping[str, Draw], seed: int = 0) -> dict[str, Tensor]:
    g = generator(seed, "noise")
    return {k: (torch.randn if d.kind == "normal" else torch.rand)(d.shape, generator=g) for k, d in draws.items()}


def critic_update(algorithm: ConservativeCritics) -> Update:
    """The first critic update of an iteration."""
    return next(s for s in algorithm.phases()[-1].steps if isinstance(s, Update) and s.name == "critic")


def plain_q(critic: JointCritic, head: int, rows: Tensor) -> Tensor:
    """One head on whole input rows [N, s + n·a] → [N], in one forward pass, with PyTorch's own layers."""
    net, x = critic.net, rows
    if critic.batch_norm:
        scale, shift = critic.input_scale[head, :, 0], critic.input_shift[head, 0]
        x = nn.functional.batch_norm(x, None, None, scale, shift, training=True)
    for layer, norm in zip(net.layers, net.norms, strict=True):
        x = nn.functional.linear(x, layer.weight[head].T, layer.bias[head, 0])
        if not isinstance(norm, nn.Identity):
            x = nn.functional.layer_norm(x, x.shape[-1:], norm.weight[head, 0], norm.bias[head, 0])
        x = torch.relu(x)
    return nn.functional.linear(x, net.last.weight[head].T, net.last.bias[head, 0]).squeeze(-1)


def perturb(algorithm: nn.Module, scale: float = 0.3, seed: int = 0) -> None:
    """Move every parameter, targets included, away from its start, so that no test passes by a zero or a tie."""
    g = generator(seed, "perturb")
    with torch.no_grad():
        for parameter in algorithm.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=g))


def train(algorithm: Algorithm, rows: Batch, iterations: int, seed: int = 0) -> list[float]:
    """Run the last phase's steps on batches drawn from `rows`, as the core would; returns every update's loss."""
    losses = []
    phase = algorithm.phases()[-1]
    optimisers: dict[str, torch.optim.Adam] = {}
    for iteration in range(iterations):
        for position, step in enumerate(phase.steps):
            if not isinstance(step, Assign) and (iteration + 1) % step.every:
                continue
            if isinstance(step, Polyak):
                online, target = (getattr(algorithm, name).parameters() for name in (step.online, step.target))
                with torch.no_grad():
                    for o, t in zip(online, target, strict=True):
                        t.lerp_(o, step.tau)
                continue
            index = torch.randint(rows.size, (phase.data.batch_size,), generator=generator(seed, iteration, position))
            batch = rows.map(lambda t, index=index: t[index])
            noise = draw(step.noise, iteration * 100 + position)
            if isinstance(step, Assign):
                with torch.no_grad():
                    for name, value in step.compute(batch, noise).items():
                        getattr(algorithm, name).copy_(value)
                continue
            found = [getattr(algorithm, name) for name in step.learns]
            modules = [[each] if isinstance(each, Tensor) else list(each.parameters()) for each in found]
            learned = [parameter for module in modules for parameter in module]
            if step.name not in optimisers:
                optimisers[step.name] = torch.optim.Adam(learned, step.optimizer.lr)
            loss = step.loss(batch, noise)
            losses.append(loss.value.item())
            for parameter, gradient in zip(learned, torch.autograd.grad(loss.value, learned), strict=True):
                parameter.grad = gradient
            if step.clip is not None:
                clip_gradients(modules, step.clip)
            optimisers[step.name].step()
    return losses


def clip_gradients(modules: Sequence[Sequence[nn.Parameter]], clip: Clip) -> None:
    """Scale the gradients of an update's modules, in place, by the norm over what `clip.per` names."""
    gradients = [[p.grad for p in module if p.grad is not None] for module in modules]
    if clip.per != "module":
        gradients = [[gradient for module in gradients for gradient in module]]
    if clip.per == "member":
        gradients = [list(member) for member in zip(*(g.unbind(0) for g in gradients[0]), strict=True)]
    for together in gradients:
        norm = torch.stack([gradient.square().sum() for gradient in together]).sum().sqrt()
        for gradient in together:
            gradient.mul_((clip.norm / (norm + 1e-6)).clamp(max=1.0))


def plain_net(net: StackedMLP, member: int, rows: Tensor) -> Tensor:
    """One member of a stack on input rows [N, i] → [N, o], in one forward pass, with PyTorch's own layers."""
    x, input_norm = rows, net.input_norm
    if not isinstance(input_norm, nn.Identity):
        x = nn.functional.batch_norm(
            x, None, None, input_norm.weight[member, 0], input_norm.bias[member, 0], training=True
        )
    for layer, norm in zip(net.layers, net.norms, strict=True):
        x = nn.functional.linear(x, layer.weight[member].T, layer.bias[member, 0])
        if not isinstance(norm, nn.Identity):
            x = nn.functional.layer_norm(x, x.shape[-1:], norm.weight[member, 0], norm.bias[member, 0])
        x = torch.relu(x)
    return nn.functional.linear(x, net.last.weight[member].T, net.last.bias[member, 0])


def discrete_batch(team: TeamSpec, size: int, seed: int = 0) -> Batch:
    """As `random_batch`, for discrete actions: with masks, and every logged action available."""
    g = generator(seed, "discrete batch")
    own = own_dims(team)
    mask, next_mask = (torch.rand(2, size, team.n, team.action_size, generator=g) < 0.6) & own
    mask[..., 0] = next_mask[..., 0] = True
    action = (torch.rand(mask.shape, generator=g) * mask).argmax(-1)
    batch = random_batch(team, size, seed)
    return dataclasses.replace(
        batch, action=action, next_action=None, has_next_action=None, action_mask=mask, next_action_mask=next_mask
    )
