"""Hooks of zoo-pettingzoo: one family of environments, any that speak PettingZoo's parallel API."""

from __future__ import annotations

from zoo_core import EnvEntry, Source, hookimpl

FAMILY = EnvEntry(
    name="pettingzoo",
    summary="Any PettingZoo parallel environment, as pettingzoo:MODULE[,key=value…] or pettingzoo:MODULE:FUNCTION.",
    factory="zoo_pettingzoo.env:PettingZooEnv",
    source=Source(
        paper="Terry et al., PettingZoo: Gym for Multi-Agent Reinforcement Learning, NeurIPS 2021",
        url="https://arxiv.org/abs/2009.14471",
    ),
    family="pettingzoo",
    gives=("continuous", "discrete", "action_mask"),
    convention="the wrapped package's own physics, observations and rewards; actions and masks depend on the task",
    resolver="zoo_pettingzoo.resolve:resolve",
    example="mpe2.simple_spread_v3",
)


@hookimpl
def zoo_envs() -> tuple[EnvEntry, ...]:
    return (FAMILY,)
