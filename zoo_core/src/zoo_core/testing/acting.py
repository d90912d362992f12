"""Claims about an algorithm's policy: shapes and bounds, decentralisation, saving and loading."""

from __future__ import annotations

import torch

from zoo_core.entries import AlgorithmEntry
from zoo_core.testing.checks import NotApplicable, demand
from zoo_core.testing.subjects import act, close, data, learner, masks
from zoo_core.testing.tiny import play_out, random_obs


def acting_fits_the_team(entry: AlgorithmEntry, kind: str) -> None:
    trained = learner(entry, kind)
    play_out(trained, 2)
    team = data(kind).team
    action = act(trained, random_obs(team, 8))
    if team.discrete:
        demand(action.shape == (8, team.n), f"act must return [E, n] = [8, {team.n}], not {list(action.shape)}")
        demand(action.dtype == torch.int64, f"discrete actions are int64, not {action.dtype}")
        chosen = masks(8).gather(-1, action[..., None])
        demand(chosen.all(), "act chose an unavailable action: mask the logits before the argmax")
        return
    wanted = (8, team.n, team.action_size)
    demand(action.shape == wanted, f"act must return [E, n, a] = {list(wanted)}, not {list(action.shape)}")
    low, high = team.action_low, team.action_high
    demand(
        float(action.min()) >= low - 1e-6 and float(action.max()) <= high + 1e-6,
        f"act left the team's bounds [{low}, {high}]: scale the policy's head to them",
    )


def acting_is_decentralised(entry: AlgorithmEntry, kind: str) -> None:
    if entry.centralised_acting:
        raise NotApplicable("it declares centralised_acting")
    trained = learner(entry, kind)
    play_out(trained, 2)
    team = data(kind).team
    obs, strange = random_obs(team, 8), random_obs(team, 8, seed=1)
    action = act(trained, obs)
    for agent in range(team.n):
        perturbed = strange.clone()
        perturbed[:, agent] = obs[:, agent]
        demand(
            close(act(trained, perturbed)[:, agent], action[:, agent]),
            f"agent {agent}'s action changed when only the others' observations did: act on each agent's own row, or "
            "declare centralised_acting=True",
        )


def copies_act_apart(entry: AlgorithmEntry, kind: str) -> None:
    trained = learner(entry, kind)
    play_out(trained, 2)
    obs = random_obs(data(kind).team, 8)
    demand(
        close(act(trained, obs[:1]), act(trained, obs)[:1]),
        "an action depends on the other copies of the environment: no batch statistics when acting",
    )


def a_loaded_policy_acts_the_same(entry: AlgorithmEntry, kind: str) -> None:
    first, second = learner(entry, kind, 1), learner(entry, kind, 2)
    play_out(first, 3)
    obs = random_obs(data(kind).team, 8)
    second.load_state([first.state()], first.iteration)
    action = act(first, obs)
    demand(torch.equal(action, act(first, obs)), "acting twice on the same observations gives different actions")
    demand(
        torch.equal(action, act(second, obs)),
        "a policy loaded from the saved weights acts differently: keep what acting needs in parameters or buffers",
    )
