"""Trains the behaviour policy of an environment online, by PPO, and keeps what it was along the way.

    python -m zoo_mamujoco.train --env mamujoco-halfcheetah-6x1 --seed 0 --out FOLDER

writes FOLDER/snapshots.safetensors, the policy as it was at regular intervals, and FOLDER/history.json, the returns of
the episodes it learned from. A function of the environment, the seed and the settings, on one machine and set of
versions. `python -m zoo_mamujoco.ship FOLDER` makes of it the files that come with this package.

The policy is Gaussian, every action dimension independent given what its agent observes, so the behaviour is a product
over agents. Where agents see everything (`omiga`) their means share one network; where they see their own joints
(`omar`) each has its own. The value sees everything. Schulman et al., Proximal Policy Optimization Algorithms,
https://arxiv.org/abs/1707.06347: Eq. 7 (clipped objective), Eqs. 11 and 12 (advantages).
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor

from zoo_core import derive, generator
from zoo_mamujoco.envs import EPISODE_LIMIT, MultiAgentMujoco
from zoo_mamujoco.files import write_whole
from zoo_mamujoco.observations import own_joints
from zoo_mamujoco.physics import Float
from zoo_mamujoco.plugin import ENVS


@dataclass(frozen=True)
class Settings:
    """How a policy is trained. Rewards are divided by the running deviation of their discounted sum, observations
    normalised by their running mean and deviation."""

    transitions: int = 3_000_000
    copies: int = 32
    horizon: int = 128
    """Steps of each copy between updates."""
    epochs: int = 10
    minibatch: int = 256
    learning_rate: float = 3e-4
    """Falls linearly to zero."""
    discount: float = 0.99
    trace: float = 0.95
    """λ of the advantage's exponential average."""
    clip: float = 0.2
    hidden: tuple[int, ...] = (64, 64)
    log_sd: float = -0.5
    """Of every action dimension, at the start."""
    gradient_norm: float = 0.5
    snapshots: int = 100
    """Kept at equal intervals, the first before any update."""


SETTINGS: dict[str, Settings] = {
    "mamujoco-halfcheetah-6x1": Settings(transitions=1_200_000),
    "mamujoco-halfcheetah-2x3": Settings(transitions=1_200_000),
    "mamujoco-hopper-3x1": Settings(transitions=800_000),
    "mamujoco-ant-2x4": Settings(transitions=1_000_000),
}


def minds(env: MultiAgentMujoco) -> NDArray[np.intp]:
    """[m, in]: which entries of the full observation each network sees: one that sees all, or one for each agent."""
    robot, full = env.bodies.robot, env.full_observation().shape[1]
    if env.convention != "omar":
        return np.arange(full)[None]
    parts = robot.partitions[env.partition]
    return np.array([own_joints(robot, part) for part in parts]) - robot.hidden_positions


class RunningMoments:
    """Mean and variance of all rows seen so far."""

    def __init__(self, size: int) -> None:
        self.count = 1e-4
        self.mean, self.variance = np.zeros(size), np.ones(size)

    def see(self, rows: Float) -> None:
        """Rows [N, size], merged by Chan's formula."""
        count, mean, variance = len(rows), rows.mean(0), rows.var(0)
        total, shift = self.count + count, mean - self.mean
        within = self.variance * self.count + variance * count
        self.variance = (within + shift**2 * self.count * count / total) / total
        self.mean = self.mean + shift * count / total
        self.count = total

    @property
    def sd(self) -> Float:
        return np.sqrt(self.variance) + 1e-8


Layers = list[tuple[Tensor, Tensor]]


def perceptrons(count: int, sizes: Sequence[int], last_gain: float, draw: torch.Generator) -> Layers:
    """Orthogonal weights [m, in, out], gain √2 and in the last layer `last_gain`; zero biases [m, 1, out]."""
    layers = []
    for index, (i, o) in enumerate(itertools.pairwise(sizes)):
        basis, triangle = torch.linalg.qr(torch.randn(count, max(i, o), min(i, o), generator=draw))
        basis = basis * triangle.diagonal(dim1=1, dim2=2).sign()[:, None]
        weight = (basis if i >= o else basis.mT) * (last_gain if index == len(sizes) - 2 else 2**0.5)
        layers.append((weight.contiguous().requires_grad_(), torch.zeros(count, 1, o, requires_grad=True)))
    return layers


def forward(layers: Layers, x: Tensor) -> Tensor:
    """[m, B, in] → [B, m·out]; tanh between layers, nothing after the last."""
    for index, (weight, bias) in enumerate(layers):
        x = torch.baddbmm(bias, torch.tanh(x) if index else x, weight)
    return x.transpose(0, 1).flatten(1)


class Learner:
    """Policy and value, their loss and their optimiser."""

    def __init__(self, seen: NDArray[np.intp], inputs: int, actions: int, settings: Settings, seed: int) -> None:
        """`seen` [m, in]: see `minds`. `inputs`, `actions`: entries of the full observation, and all actuators."""
        self.settings = settings
        self._seen = torch.from_numpy(seen)
        self._draw = generator(seed, "ppo")
        count, own = seen.shape
        self.policy = perceptrons(count, (own, *settings.hidden, actions // count), 0.01, self._draw)
        self._value = perceptrons(1, (inputs, *settings.hidden, 1), 1.0, self._draw)
        self.log_sd = torch.full((actions,), settings.log_sd, requires_grad=True)
        self.parameters = [t for layer in (*self.policy, *self._value) for t in layer] + [self.log_sd]
        self.optimiser = torch.optim.Adam(self.parameters, settings.learning_rate, eps=1e-5, fused=True)

    def act(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Obs [E, o] → sampled action [E, a] before any clipping, its log-density [E]."""
        with torch.no_grad():
            mean = self._mean(obs)
            action = mean + self.log_sd.exp() * torch.randn(mean.shape, generator=self._draw)
            return action, self._log_density(mean, action)

    def _mean(self, obs: Tensor) -> Tensor:
        return forward(self.policy, obs[:, self._seen].transpose(0, 1))

    def value(self, obs: Tensor) -> Tensor:
        """Obs [B, o] → [B]."""
        return forward(self._value, obs[None]).squeeze(-1)

    def _log_density(self, mean: Tensor, action: Tensor) -> Tensor:
        """log π(a|s) up to a constant, which no ratio feels."""
        return -(0.5 * ((action - mean) / self.log_sd.exp()) ** 2 + self.log_sd).sum(-1)

    def loss(self, obs: Tensor, action: Tensor, before: Tensor, advantage: Tensor, target: Tensor) -> Tensor:
        """−E[min(ρ A, clip(ρ, 1−ε, 1+ε) A)] (Eq. 7) + ½ E[(V − target)²]; A normalised over the minibatch."""
        ratio = (self._log_density(self._mean(obs), action) - before).exp()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        clipped = ratio.clamp(1.0 - self.settings.clip, 1.0 + self.settings.clip)
        surrogate = torch.minimum(ratio * advantage, clipped * advantage).mean()
        return 0.5 * ((self.value(obs) - target) ** 2).mean() - surrogate

    def update(self, rows: Sequence[Tensor], rate: float) -> None:
        """Several passes over `rows`, tensors of one length, in shuffled minibatches."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        for _ in range(self.settings.epochs):
            order = torch.randperm(len(rows[0]), generator=self._draw)
            for chosen in order.split(self.settings.minibatch):
                loss = self.loss(*(row[chosen] for row in rows))
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_norm)
                self.optimiser.step()


def advantages(
    reward: Float, value: Float, last: Float, ended: NDArray[np.bool_], discount: float, trace: float
) -> Float:
    """Eqs. 11 and 12, in each column: A_t = δ_t + γ λ A_{t+1}, δ_t = r_t + γ V_{t+1} − V_t, nothing beyond an end.

    `reward`, `value`, `ended` [T, E]; `last` [E] the value after the last step. The value of a truncated episode's
    last state is part of `reward`.
    """
    result = np.zeros_like(reward)
    running, following = np.zeros(reward.shape[1]), last
    for t in reversed(range(len(reward))):
        going = ~ended[t]
        running = reward[t] + discount * going * following - value[t] + discount * trace * going * running
        result[t], following = running, value[t]
    return result


class Training:
    """A run: copies of the robot, what the learner has seen, and the policies kept."""

    def __init__(self, env: MultiAgentMujoco, settings: Settings, seed: int) -> None:
        self.env, self.settings = env, settings
        self.minds = minds(env)
        entries, name = env.full_observation().shape[1], env.team.env
        self.learner = Learner(
            self.minds, entries, env.team.n * env.team.action_size, settings, derive(seed, name, "learner")
        )
        self._next_seed = derive(seed, name, "training episodes") % (1 << 62)
        self.seen, self.returned = RunningMoments(entries), RunningMoments(1)
        self._all = np.arange(settings.copies)
        self._time = np.zeros(settings.copies, dtype=int)
        self._return, self._discounted = np.zeros(settings.copies), np.zeros(settings.copies)
        self.finished: list[float] = []
        """Returns of all episodes that ended, in order."""
        self._start(self._all)
        self.seen.see(env.full_observation())

    def _start(self, where: NDArray[np.intp]) -> None:
        seeds = (self._next_seed + np.arange(len(where))) % (1 << 62)
        self._next_seed += len(where)
        self.env.bodies.reset(seeds, where)
        self._time[where] = 0
        self._return[where] = self._discounted[where] = 0.0

    def _normalised(self, obs: Float) -> Tensor:
        return torch.from_numpy(((obs - self.seen.mean) / self.seen.sd).astype(np.float32))

    def _value(self, obs: Float) -> Float:
        with torch.no_grad():
            return self.learner.value(self._normalised(obs)).numpy().astype(float)

    def iterate(self, rate: float) -> None:
        """Play `horizon` steps in every copy, then learn from them."""
        settings, copies = self.settings, self.settings.copies
        shape = (settings.horizon, copies)
        obs, action, before = [], [], []
        reward, value, ended = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
        raw = []
        for t in range(settings.horizon):
            full = self.env.full_observation()
            seen = self._normalised(full)
            chosen, density = self.learner.act(seen)
            for kept, new in zip((obs, action, before, raw), (seen, chosen, density, full), strict=True):
                kept.append(new)
            reward[t], ended[t] = self._play(chosen.numpy().astype(float))
        value[:] = np.stack([self._value(full) for full in raw])
        gained = advantages(
            reward, value, self._value(self.env.full_observation()), ended, settings.discount, settings.trace
        )
        rows = [torch.cat(part) for part in (obs, action, before)]
        rows += [torch.from_numpy(part.reshape(-1).astype(np.float32)) for part in (gained, gained + value)]
        self.learner.update(rows, rate)
        self.seen.see(np.concatenate(raw))

    def _play(self, action: Float) -> tuple[Float, NDArray[np.bool_]]:
        """One step of every copy, executed within the bounds; copies that end start anew."""
        earned = self.env.bodies.step(np.clip(action, -1.0, 1.0), self._all)
        self._time += 1
        self._return += earned
        self._discounted = self.settings.discount * self._discounted + earned
        self.returned.see(self._discounted[:, None])
        reward = earned / self.returned.sd[0]
        fallen = self.env.bodies.unhealthy()
        cut = ~fallen & (self._time >= EPISODE_LIMIT)
        if cut.any():  # the task would have gone on: what it was worth counts
            reward[cut] += self.settings.discount * self._value(self.env.full_observation()[cut])
        over = np.flatnonzero(fallen | cut)
        self.finished += self._return[over].tolist()
        if len(over):
            self._start(over)
        return reward, fallen | cut

    def policy(self) -> dict[str, NDArray[np.float32]]:
        """Weights [m, in, out] and biases [m, 1, out] of raw observations, into whose first layer the normalisation is
        folded; log standard deviations [actuators]."""
        tensors: dict[str, NDArray] = {}
        for index, layer in enumerate(self.learner.policy):
            weight, bias = (part.detach().numpy().astype(float) for part in layer)
            if index == 0:
                weight = weight / self.seen.sd[self.minds][..., None]
                bias = bias - self.seen.mean[self.minds][:, None] @ weight
            tensors[f"{index}.weight"], tensors[f"{index}.bias"] = weight, bias
        tensors["log_sd"] = self.learner.log_sd.detach().numpy()
        return {name: np.array(tensor, dtype=np.float32) for name, tensor in tensors.items()}


def run(env: str, settings: Settings, seed: int) -> Iterator[tuple[int, Training]]:
    """Yields (transitions so far, the training) whenever a snapshot is due, and at the end."""
    make = next(entry for entry in ENVS if entry.name == env).load()
    training = Training(make(settings.copies), settings, seed)
    size = settings.copies * settings.horizon
    iterations = -(-settings.transitions // size)
    due = {round(k * iterations / settings.snapshots) for k in range(settings.snapshots + 1)}
    for iteration in range(iterations + 1):
        if iteration in due:
            yield iteration * size, training
        if iteration < iterations:
            training.iterate(settings.learning_rate * (1.0 - iteration / iterations))


def train(env: str, settings: Settings, seed: int, out: Path, tell: Callable[[str], None]) -> None:
    """A whole run; `out` gets its snapshots and history, rewritten at every snapshot so that a look is possible.

    Each file is exchanged whole, the snapshots first: a run killed in between has one that its history does not know.
    """
    out.mkdir(parents=True, exist_ok=True)
    kept: list[dict[str, NDArray[np.float32]]] = []
    history: list[dict[str, float]] = []
    started = time.process_time()
    for transitions, training in run(env, settings, seed):
        kept.append(training.policy())
        lately = training.finished[-64:]
        history.append({"transitions": transitions, "return_mean": float(np.mean(lately)) if lately else 0.0})
        tensors = {name: np.stack([policy[name] for policy in kept]) for name in kept[0]}
        write_whole(out / "snapshots.safetensors", save(tensors))
        about = {
            "env": env,
            "sees": training.minds.tolist(),
            "algorithm": "PPO",
            "seed": seed,
            "settings": asdict(settings),
            "history": history,
        }
        write_whole(out / "history.json", json.dumps(about, indent=1).encode())
        tell(f"{transitions:>10,}  return {history[-1]['return_mean']:9.1f}  {time.process_time() - started:7.0f} s")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m zoo_mamujoco.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, choices=sorted(SETTINGS))
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--transitions", type=int, help="default: as in SETTINGS")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    settings = SETTINGS[options.env]
    if options.transitions:
        settings = replace(settings, transitions=options.transitions)
    train(options.env, settings, options.seed, options.out, lambda line: print(line, file=sys.stderr, flush=True))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
