"""From a task's text to the entry of its environment: what `EnvEntry.resolver` names."""

from __future__ import annotations

from importlib import metadata

from zoo_core import EnvEntry, Source
from zoo_pettingzoo.env import PettingZooEnv
from zoo_pettingzoo.task import FAMILY, Task, parse

COPIES = 16
"""Copies are stepped one after another: more of them side by side save little and cost memory each."""


def resolve(text: str) -> EnvEntry:
    """The entry of a task. Builds the environment once, to ask it for its team. Raises `UsageError`."""
    task = parse(text)
    env = PettingZooEnv(1, task=task.text)
    team, module = env.team, env.maker.module
    acts = "actions" if team.discrete else "action dimensions"
    return EnvEntry(
        name=task.name,
        summary=f"{team.n} agents; observations: {_sizes(team.obs_sizes)}; {team.action_kind} {acts}:"
        f" {_sizes(team.action_sizes)}; at most {team.episode_limit} steps.",
        factory="zoo_pettingzoo.env:PettingZooEnv",
        source=Source(paper=f"{_version(module)}, through PettingZoo", url="https://pettingzoo.farama.org"),
        family=FAMILY,
        gives=(team.action_kind, "action_mask") if env.masked else (team.action_kind,),
        convention=_convention(task, module, discrete=team.discrete),
        agents=team.n,
        reference=team.reference,
        hints={"copies": COPIES},
        options={"task": task.text},
        modules=tuple(dict.fromkeys((module, "pettingzoo"))),
    )


def _sizes(sizes: tuple[int, ...]) -> str:
    return f"{sizes[0]} each" if len(set(sizes)) == 1 else ", ".join(map(str, sizes))


def _convention(task: Task, module: str, *, discrete: bool) -> str:
    """Whose game this is, and on which scale its scores are."""
    parts = [f"{_version(module)}'s own physics, observations and rewards"]
    if module == "mpe2":
        parts.append("not the offline-MARL benchmark's: never compare with mpe-cn, mpe-pp or mpe-world")
    if not discrete:
        parts.append("actions in [-1, 1] are scaled to each dimension's own bounds")
    if task.reference is None:
        parts.append("no reference scores, so scores are raw")
    return "; ".join(parts)


def _version(module: str) -> str:
    """`mpe2 1.1.1`, or for a module that no distribution installed `my_module, a module of the user's own`."""
    owners = metadata.packages_distributions().get(module)
    return f"{owners[0]} {metadata.version(owners[0])}" if owners else f"{module}, a module of the user's own"
