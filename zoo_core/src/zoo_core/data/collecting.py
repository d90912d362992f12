"""Collecting a dataset: a policy rolled out in any installed environment, with a card that says how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.data.behaviour import (
    RANDOM,
    Behaviour,
    find_trained,
    random_behaviour,
    require_same_team,
    trained_behaviour,
)
from zoo_core.data.build import Progress
from zoo_core.data.dataset import Dataset
from zoo_core.data.folders import locked, staged
from zoo_core.data.rollouts import collect
from zoo_core.data.writer import EpisodeWriter
from zoo_core.entries import EnvEntry
from zoo_core.envs import BatchedEnv
from zoo_core.errors import UsageError
from zoo_core.seeding import derive

if TYPE_CHECKING:
    from zoo_core.plugins import Offer

COPIES = 250
"""Episodes played side by side, unless the environment hints at fewer (`hints["copies"]`)."""

TRANSITIONS = 50_000
"""How many are collected if nobody says."""


def collect_dataset(
    name: str,
    env: str = "",
    *,
    policy: str | Path = RANDOM,
    transitions: int | None = None,
    episodes: int | None = None,
    noise: float = 0.0,
    seed: int = 0,
    replace: bool = False,
    progress: Progress | None = None,
    waiting: Callable[[str], None] | None = None,
) -> Dataset:
    """Roll a policy out and keep the episodes as the dataset `name`, by which `open_dataset` and `--dataset` find it.

    Episodes are whole, so there may be up to an episode more than `transitions`. Equal arguments give equal bits on one
    machine and version set.

    Args:
        env: an environment's name; empty takes the one the run was trained for.
        policy: `random`, uniform over the available actions, or the folder of a run, whose deterministic policy acts.
        transitions, episodes: how many, one or the other; by default 50,000 transitions.
        noise: of a run's policy. Continuous: the deviation of Gaussian noise, in halves of an action's range, clipped.
            Discrete: the probability of a uniform available action instead.
        seed: of the episodes and the noise.
        replace: replace a dataset of this name.
        progress: told `(done, total)` in transitions, or in episodes if those were asked for.
        waiting: told once, in words, if another process is writing the same.

    Raises:
        UsageError: a name that cannot be given, a policy that is none or does not fit, no environment.
        DatasetError: the name exists and `replace` is false.
        RunError: the run has no checkpoint.
    """
    from zoo_core.data.catalogue import named_folder
    from zoo_core.plugins import load_zoo

    if transitions is not None and episodes is not None:
        raise UsageError("give transitions or episodes, not both")
    wanted = next((given for given in (transitions, episodes) if given is not None), TRANSITIONS)
    if wanted < 1 or seed < 0:
        raise UsageError("transitions and episodes must be at least 1, and the seed not negative")
    folder = named_folder(name)
    if policy == RANDOM and noise:
        raise UsageError("noise is for the policy of a run: random actions are noise already")
    zoo = load_zoo()
    trained = None if policy == RANDOM else find_trained(policy, zoo)
    if not env and trained is None:
        raise UsageError("say where to collect: --env NAME (see `zoo list envs`)")
    offer = zoo.find_offer("env", env or _env_of(trained))
    entry: EnvEntry = offer.entry
    make = entry.load()
    team = make(1).team
    if trained is None:
        behaviour = random_behaviour(team)
    else:
        require_same_team(trained, entry, team)
        centralised = zoo.find("algorithm", trained.config["algorithm"]).centralised_acting
        behaviour = trained_behaviour(trained, team, noise, centralised=centralised)
    few = episodes or -(-wanted // max(team.episode_limit, 1))
    with ExitStack() as stack:
        if trained is not None:
            stack.enter_context(_one_thread())
        stack.enter_context(locked(folder, waiting))
        staging = stack.enter_context(staged(folder, replace=replace))
        world = make(min(int(entry.hints.get("copies", COPIES)), few))
        writer = EpisodeWriter(staging, team)
        stack.callback(writer.close)
        first = derive(seed, "collect", entry.name) % 1_000_000_000  # fits 31 bits, and below evaluations' seeds
        for group in _groups(world, behaviour, first, wanted, count_episodes=episodes is not None):
            writer.add(**group)
            if progress:
                progress(min(writer.episodes if episodes else writer.transitions, wanted), wanted)
        writer.notes |= dict(behaviour.notes)
        source = {
            **_origin(offer),
            **behaviour.source,
            "seed": seed,
            "first_episode_seed": first,
            "episodes" if episodes else "transitions": wanted,
        }
        writer.finish(name, source, entry.convention)
    return Dataset.open(folder)


def _groups(
    env: BatchedEnv, behaviour: Behaviour, first: int, wanted: int, *, count_episodes: bool
) -> Iterator[dict[str, Any]]:
    """Groups of episodes, of one seed after another from `first`, until there are enough; none that is not needed."""
    found = 0
    while found < wanted:
        seeds = np.arange(first, first + env.num_envs)
        first += env.num_envs
        (group,) = collect(env, behaviour.act, seeds, copies=env.num_envs)
        sizes = np.ones(len(seeds), dtype=np.int64) if count_episodes else group["lengths"]
        total = found + np.cumsum(sizes)
        keep = int(np.searchsorted(total, wanted)) + 1  # up to the first that reaches the number
        yield {key: values[:keep] for key, values in group.items()}
        found = int(total[min(keep, len(total)) - 1])


def _one_thread() -> AbstractContextManager[None]:
    """How runs compute, so that equal seeds give equal bits whatever the caller has set."""
    from zoo_core.training.modes import Modes, computing

    return computing(Modes())


def _env_of(trained: Any) -> str:
    """The environment a run was trained for, by its qualified name where the run has recorded that."""
    config = trained.config
    return str(config.get("offered", {}).get("env", config["env"]))


def _origin(offer: Offer[EnvEntry]) -> dict[str, Any]:
    """The environment, who offers it, and the packages it wraps."""
    from zoo_core.training.manifest import distributions_of, version

    wrapped = {name: version(name) for name in distributions_of(offer.entry.modules)}
    return {
        "kind": "collected",
        "env": offer.name,
        "plugin": f"{offer.distribution} {offer.version}",
        **({"wraps": wrapped} if wrapped else {}),
    }
