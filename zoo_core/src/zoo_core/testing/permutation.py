"""The claim that agents are treated alike: exchanged with their parameters and ids, they act and learn the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core.algorithms import Draw, Phase, Update
from zoo_core.batch import Batch
from zoo_core.entries import AlgorithmEntry
from zoo_core.mixers import Mixer
from zoo_core.seeding import generator
from zoo_core.team import TeamSpec
from zoo_core.testing.checks import FEW, Broken, NotApplicable, demand
from zoo_core.testing.generators import DREW
from zoo_core.testing.subjects import batch_of, close, data_of
from zoo_core.testing.tiny import play_each_phase, random_obs, tiny_config, tiny_learner
from zoo_core.training import Learner
from zoo_core.training.drawing import draw_noise

ORDER = (1, 2, 0)
"""Place i takes what place ORDER[i] held. A cycle: an algorithm that applies the inverse order is found out too."""

MANY = 5
"""Names of noise of which all combinations are tried."""

MEND = (
    "Treat all agents alike, and override Algorithm.relabel(order) where its default does not do: it reorders what has "
    "one leading index per agent, but neither the observation and action columns of a joint input nor one-hot agent "
    "ids. Noise with more than one axis of n takes Draw(…, agent_axis=…)"
)


class EvenMixer(Mixer):
    """Mixes every agent alike, so that none has to relabel it: w = |a(s)|, and |c(s)| more on an agent's own total."""

    def __init__(self, agents: int, state_size: int, outputs: int = 1) -> None:
        super().__init__(agents, state_size, outputs)
        self.w = nn.Linear(state_size, 2)
        self.b = nn.Linear(state_size, 1)

    def weights(self, state: Tensor) -> tuple[Tensor, Tensor]:
        shared, own = self.w(state).abs().unsqueeze(-1).unsqueeze(-1).unbind(-3)  # [B, 1, 1] each
        w = shared.expand(-1, self.outputs, self.agents)
        if self.outputs == self.agents:
            w = w + own * torch.eye(self.agents, device=state.device)
        return w, self.b(state).expand(-1, self.outputs)

    def mix(self, values: Tensor, state: Tensor) -> Tensor:
        w, b = self.weights(state)
        return (w * values.unsqueeze(-2)).sum(-1) + b


def equal_team(kind: str, *, stored: bool = False) -> TeamSpec:
    """Three agents that are alike and share their reward, so that exchanging them changes nothing but names."""
    state: dict[str, Any] = {"state_kind": "stored", "state_size": 7} if stored else {}
    sizes = {"continuous": (2, 2, 2), "discrete": (4, 4, 4)}[kind]
    return TeamSpec(
        env="tiny-equal",
        agents=("a", "b", "c"),
        obs_sizes=(5, 5, 5),
        action_sizes=sizes,
        action_kind=kind,
        episode_limit=6,
        reward="shared",
        **state,
    )


def permuting_agents_permutes_the_algorithm(entry: AlgorithmEntry, kind: str) -> None:
    plain, exchanged = (_trained(entry, kind) for _ in range(2))
    try:
        exchanged.algorithm().relabel(ORDER)
    except NotImplementedError as reason:
        demand(str(reason), 'relabel must say why agents cannot be exchanged: raise NotImplementedError("…")')
        raise NotApplicable(f"its agents cannot be exchanged: {reason}") from None
    _compare_actions(plain, exchanged)
    for phase, its_twin in zip(plain.phases, exchanged.phases, strict=True):
        before = _losses(plain, phase)
        found = (_losses(exchanged, its_twin, ORDER, nobodys) for nobodys in _subsets(_guessed(phase)))
        after = next(found)
        if _alike(before, after) or any(_alike(before, other) for other in found):
            continue
        unequal = [
            f"{n}: {before[n]:.6g} before, {after[n]:.6g} after" for n in before if not _near(before[n], after[n])
        ]
        raise Broken(
            f"agents were exchanged, with their rows of the batch and of the noise, and phase {phase.name!r} has other "
            f"losses ({'; '.join(unequal[:FEW])}{'; …' if len(unequal) > FEW else ''}). {MEND}{DREW}"
        )


def _trained(entry: AlgorithmEntry, kind: str) -> Learner:
    # A mixer reads the state, and is no concern of the algorithm's `relabel`: it is given one that names no agent.
    dataset = data_of(equal_team(kind, stored=entry.mixer is not None))
    learner = tiny_learner(entry, dataset, tiny_config(entry, kind), mixer=EvenMixer, undeclared=True)
    play_each_phase(learner, 2)
    return learner


def _compare_actions(plain: Learner, exchanged: Learner) -> None:
    """Place i must now do what place ORDER[i] did. Policies that draw random numbers are not compared."""
    team = plain.networks.algorithms[0].team
    obs, mask, index = random_obs(team, 8), data_of(team).action_mask, torch.tensor(ORDER)
    mask = None if mask is None else mask[:8]
    source = generator(0, "exchange act")
    fresh = source.get_state()
    with torch.no_grad():
        first, second = plain.algorithm(), exchanged.algorithm()
        before, _ = first.act(obs, mask, first.initial_memory(8), source)
        if not torch.equal(source.get_state(), fresh):
            return
        seen = None if mask is None else mask[:, index]
        after, _ = second.act(obs[:, index], seen, second.initial_memory(8), source)
    demand(
        close(after, before[:, index]),
        f"agents were exchanged, with their observations, and do not act as those whose places they took. {MEND}{DREW}",
    )


def _guessed(phase: Phase) -> list[str]:
    """Names of the noise that may be each agent's own, as one axis has their number, or have it by chance."""
    draws = {name: draw for step in phase.steps if isinstance(step, Update) for name, draw in step.noise.items()}
    return [name for name, draw in draws.items() if draw.agent_axis is None and draw.shape.count(len(ORDER)) == 1]


def _subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    """Every subset of few names, the empty one first; of many, that one and all."""
    if len(names) > MANY:
        return iter(((), tuple(names)))
    return itertools.chain.from_iterable(itertools.combinations(names, size) for size in range(len(names) + 1))


def _losses(
    learner: Learner, phase: Phase, order: tuple[int, ...] | None = None, nobodys: tuple[str, ...] = ()
) -> dict[str, float]:
    """The value of every update of a phase on one batch, its agents in this order; `nobodys` noise stays as it is."""
    values: dict[str, float] = {}
    networks, team = learner.networks, learner.networks.algorithms[0].team
    batch = _exchanged(batch_of(learner, phase, 0, "exchange"), team, order)
    networks.train(True)
    for step in phase.steps:
        if not isinstance(step, Update) or step.name in values:
            continue
        noise = {
            name: _noise(name, draw, team.n, None if name in nobodys else order) for name, draw in step.noise.items()
        }
        names = tuple(name for attribute in step.learns for name in networks.resolve(attribute, step.name))
        given = batch if isinstance(step.batch, int) else tuple(batch for _ in step.batch)
        values[step.name] = float(networks.loss(step.loss, names, given, noise).value.detach())
    return values


def _noise(name: str, draw: Draw, n: int, order: tuple[int, ...] | None) -> Tensor:
    drawn = draw_noise(draw, generator(0, "exchange noise", name))
    axes = [axis for axis, size in enumerate(draw.shape) if size == n]
    axis = draw.agent_axis if draw.agent_axis is not None else axes[0] if len(axes) == 1 else None
    return drawn if order is None or axis is None else drawn.index_select(axis, torch.tensor(order))


def _exchanged(batch: Batch, team: TeamSpec, order: tuple[int, ...] | None) -> Batch:
    """The batch with its agents in another order; so are the blocks of a state that is the joint observation."""
    if order is None:
        return batch
    index = torch.tensor(order)

    def exchange(name: str, values: Tensor) -> Tensor:
        if name in ("state", "next_state", "initial_state"):
            if team.state_kind == "stored":
                return values
            blocks = values.reshape(*values.shape[:-1], team.n, -1)
            return blocks.index_select(-2, index).flatten(-2)
        if name in ("reward", "return_to_go") or (team.discrete and name in ("action", "next_action")):
            return values.index_select(-1, index)
        whole = name in ("terminated", "truncated", "has_next_action", "filled", "step")
        return values if whole else values.index_select(-2, index)

    return Batch(**{name: exchange(name, values) for name, values in batch.present()})


def _alike(before: dict[str, float], after: dict[str, float]) -> bool:
    """Whether the losses are equal, or as a whole: updates that are each about one agent change places with them."""
    by_name = all(_near(value, after[name]) for name, value in before.items())
    return by_name or all(map(_near, sorted(before.values()), sorted(after.values())))


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-5 + 1e-3 * abs(one)
