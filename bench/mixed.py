"""What one update of mixed local critics costs on HalfCheetah's six agents, beside a plain reference and the floor."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from floor import Product, flops, multiply
from reference import Data, Shape
from torch import Tensor, nn
from updates import Repeated, _interleaved, as_batch

from zoo_core import TeamSpec
from zoo_core.config import resolve
from zoo_core.plugins import Zoo
from zoo_core.training import Learner, build_algorithm
from zoo_core.training.modes import Modes, computing

ALGORITHMS = ("omiga",)
CHEETAH = Shape(agents=6, obs=23, action=1, hidden=256, batch=128, gamma=0.99, lr=5e-4, tau=0.005)
MIXER_HIDDEN = 64
OFFICIAL_MS = {"omiga": 38}
"""The official code on these shapes, on an idle core."""


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
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.trunk = nn.Linear(shape.agents * shape.obs, MIXER_HIDDEN)
        self.w, self.b = nn.Linear(MIXER_HIDDEN, shape.agents), nn.Linear(MIXER_HIDDEN, 1)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.relu(self.trunk(state))
        return self.w(features).abs(), self.b(features).squeeze(-1)


class PlainOMIGA:
    """OMIGA as its authors lay it out: all losses, then three optimisers, then three soft updates."""

    ALPHA, CLIP = 10.0, 1.0

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
            y = data.reward + self.shape.gamma * ((w_next * v_next).sum(-1) + b_next)
            scale = target_mixer(state)[0] / self.ALPHA
            q_bar = target_q(data.obs, data.action).squeeze(-1)
        w, b = self.mixer(state)
        q_loss = ((w * self.q(data.obs, data.action).squeeze(-1)).sum(-1) + b - y).square().mean()
        value = self.v(data.obs).squeeze(-1)
        z = (scale * (q_bar - value)).clamp(-10.0, 10.0)
        largest = z.detach().max().clamp(min=-1.0)
        v_loss = ((z - largest).exp() + (-largest).exp() * scale * value).mean()
        policy_loss = -(z.detach().exp() * self.log_density(data)).mean()
        for loss, group, optimiser in zip((policy_loss, q_loss, v_loss), self.groups, self.optimisers, strict=True):
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(group, self.CLIP)
            optimiser.step()
        with torch.no_grad():
            for online, target in zip(self.online, self.targets, strict=True):
                for new, old in zip(online.parameters(), target.parameters(), strict=True):
                    old.copy_(self.shape.tau * new + (1 - self.shape.tau) * old)

    def log_density(self, data: Data) -> Tensor:
        mean, log_std = self.policy(data.obs).chunk(2, -1)
        raw = torch.atanh(data.action.clamp(-1 + 1e-6, 1 - 1e-6))
        normal = torch.distributions.Normal(mean.clamp(-9, 9), log_std.clamp(-5, 2).exp())
        slope = 2 * (torch.log(torch.tensor(2.0)) - raw - nn.functional.softplus(-2 * raw))
        return (normal.log_prob(raw) - slope).sum(-1)


def omiga_products(shape: Shape) -> list[tuple[Product, int]]:
    """Every matrix product of one update: three networks learn, two targets are asked, a mixer learns and is asked."""
    h, rows = shape.hidden, shape.batch * shape.agents
    found: list[tuple[Product, int]] = []

    def network(rows: int, sizes: tuple[int, ...], *, learns: bool) -> None:
        for number, (i, j) in enumerate(itertools.pairwise(sizes)):
            found.append((((rows, i), (i, j)), 1))
            if learns:
                found.append((((i, rows), (rows, j)), 1))
                if number:
                    found.append((((rows, j), (j, i)), 1))

    for inputs, outputs in ((shape.obs + shape.action, 1), (shape.obs, 1), (shape.obs, 2 * shape.action)):
        network(rows, (inputs, h, h, outputs), learns=True)
    for inputs in (shape.obs + shape.action, shape.obs):
        network(rows, (inputs, h, h, 1), learns=False)
    for learns in (True, False, False):
        network(shape.batch, (shape.agents * shape.obs, MIXER_HIDDEN, shape.agents + 1), learns=learns)
    return found


def measure_mixed(zoo: Zoo, repeats: int) -> Iterator[dict[str, Any]]:
    """One record per algorithm, as `updates.measure` gives."""
    data = Data.random(CHEETAH, torch.Generator().manual_seed(0))
    for name in ALGORITHMS:
        found, plain = omiga_products(CHEETAH), PlainOMIGA(CHEETAH)
        variants: dict[str, Callable[[], object]] = {
            "eager": _update(zoo, name, data, compile_=False),
            "compiled": _update(zoo, name, data, compile_=True),
            "reference": lambda plain=plain: plain.iterate(data),
            "floor": multiply(found),
        }
        yield {"algorithm": name, "seconds": _interleaved(variants, 10 * repeats), "gflop": flops(found) / 1e9}


def with_official(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table of `run.updates`, and what the official code takes."""
    return [{**row, "official code elsewhere, ms": OFFICIAL_MS.get(row["iteration of"], "")} for row in rows]


def _update(zoo: Zoo, name: str, data: Data, *, compile_: bool) -> Callable[[], object]:
    """One iteration at the settings of HalfCheetah's six agents, without the sampling."""
    n, entry = CHEETAH.agents, zoo.find("algorithm", name)
    team = TeamSpec("cheetah", tuple(f"joint {i}" for i in range(n)), (CHEETAH.obs,) * n, (CHEETAH.action,) * n)
    env = zoo.find("env", "mamujoco-halfcheetah-6x1")
    config = resolve(entry, entry.load().Config, env=env, action_kind="continuous", quality="expert").config  # type: ignore[attr-defined]
    algorithm = build_algorithm(entry, team, config, seed=0, mixer=zoo.find("mixer", entry.default_mixer))
    learner = Learner([algorithm], [0], lambda need: Repeated(as_batch(data)))

    def run() -> None:
        with computing(Modes(compile=compile_)):
            learner.step()

    return run
