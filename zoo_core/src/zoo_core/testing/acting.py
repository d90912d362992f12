"""Claims about an algorithm's policy: shapes and bounds, decentralisation, saving and loading."""

from __future__ import annotations

import itertools

import torch

from zoo_core.entries import AlgorithmEntry
from zoo_core.testing.checks import NotApplicable, demand
from zoo_core.testing.subjects import act, act_and_draw, close, data, learner, masks, views
from zoo_core.testing.tiny import play_out

COPIES = 32

SIZES = (1.0, 10.0, 100.0)
"""Sizes of what the others see: an influence of a hundredth, too, turns some greedy choice among discrete actions."""


def acting_fits_the_team(entry: AlgorithmEntry, kind: str) -> None:
    trained = learner(entry, kind)
    play_out(trained, 2)
    team = data(kind).team
    action = act(trained, views(team, COPIES))
    if team.discrete:
        demand(
            action.shape == (COPIES, team.n), f"act must return [E, n] = [{COPIES}, {team.n}], not {list(action.shape)}"
        )
        demand(action.dtype == torch.int64, f"discrete actions are int64, not {action.dtype}")
        chosen = masks(COPIES).gather(-1, action[..., None])
        demand(chosen.all(), "act chose an unavailable action: mask the logits before the argmax")
        return
    wanted = (COPIES, team.n, team.action_size)
    demand(action.shape == wanted, f"act must return [E, n, a] = {list(wanted)}, not {list(action.shape)}")
    low, high = team.action_low, team.action_high
    demand(
        float(action.min()) >= low - 1e-6 and float(action.max()) <= high + 1e-6,
        f"act left the team's bounds [{low}, {high}]: scale the policy's head to them",
    )


def acting_is_decentralised(entry: AlgorithmEntry, kind: str) -> None:
    """Neither what the others see, now or before, nor what is available to them may turn an agent's action."""
    if entry.centralised_acting:
        raise NotApplicable("it declares centralised_acting")
    trained = learner(entry, kind)
    play_out(trained, 2)
    team = data(kind).team
    own = views(team, COPIES)
    mask = masks(COPIES) if team.discrete else None
    action = act(trained, own, mask)
    for (draw, size), agent in itertools.product(enumerate(SIZES, 1), range(team.n)):
        seen = [size * other for other in views(team, COPIES, seed=draw)]
        for view, kept in zip(seen, own, strict=True):
            view[:, agent] = kept[:, agent]
        allowed = None if mask is None else mask.roll(1, 0)
        if mask is not None and allowed is not None:
            allowed[:, agent] = mask[:, agent]
        demand(
            close(act(trained, seen, allowed)[:, agent], action[:, agent]),
            f"agent {agent}'s action changed when only the others' observations did: act on each agent's own row, and "
            "remember no other, or declare centralised_acting=True",
        )


def copies_act_apart(entry: AlgorithmEntry, kind: str) -> None:
    trained = learner(entry, kind)
    play_out(trained, 2)
    seen = views(data(kind).team, COPIES)
    together, drew = act_and_draw(trained, seen)
    if drew:
        raise NotApplicable("it draws random numbers when it acts, and a single copy draws others")
    demand(
        close(act(trained, [obs[:1] for obs in seen]), together[:1]),
        "an action depends on the other copies of the environment: no batch statistics when acting",
    )


def a_loaded_policy_acts_the_same(entry: AlgorithmEntry, kind: str) -> None:
    first, second = learner(entry, kind, 1), learner(entry, kind, 2)
    play_out(first, 3)
    seen = views(data(kind).team, COPIES)
    second.load_state([first.state()], first.iteration)
    action = act(first, seen)
    demand(
        torch.equal(action, act(first, seen)),
        "acting twice on the same observations gives different actions: keep what is remembered in memory, and draw "
        "from the generator alone",
    )
    demand(
        torch.equal(action, act(second, seen)),
        "a policy loaded from the saved weights acts differently: keep what acting needs in parameters or buffers",
    )
