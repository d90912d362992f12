"""The hooks of the zoo: everything a plugin can offer, on one screen.

A plugin is a distribution with an entry point in the group `zoo` whose value is its hook module:

    [project.entry-points.zoo]
    my-plugin = "my_plugin.plugin"

The module implements any of the four hooks below with `@hookimpl`. Each returns frozen entries
(`zoo_core.entries`): plain data whose `factory`, a `"module:attribute"` string, is imported on first use.
The module must import neither torch nor numpy nor gymnasium: `zoo list` stays instant.

What each factory is called with:

    EnvEntry        (num_envs: int, **options)                    -> zoo_core.BatchedEnv
    DatasetEntry    (build: zoo_core.data.Build)                  -> None
    MixerEntry      (agents: int, state_size: int, **options)     -> zoo_core.Mixer
    AlgorithmEntry  (team: TeamSpec, config, *, statistics, mixer) -> zoo_core.Algorithm
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from zoo_core.entries import AlgorithmEntry, DatasetEntry, EnvEntry, MixerEntry

PROJECT = "zoo"
"""The pluggy project name and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def zoo_envs() -> Sequence[EnvEntry]:  # type: ignore[empty-body]
    """Environments: batched simulators of a team."""


@hookspec
def zoo_datasets() -> Sequence[DatasetEntry]:  # type: ignore[empty-body]
    """Datasets that can be built here, without a download."""


@hookspec
def zoo_mixers() -> Sequence[MixerEntry]:  # type: ignore[empty-body]
    """Mixers: per-agent values and a state to a team value."""


@hookspec
def zoo_algorithms() -> Sequence[AlgorithmEntry]:  # type: ignore[empty-body]
    """Algorithms: networks and the ordered steps of one iteration."""
