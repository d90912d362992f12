"""What this package offers. `zoo list` reads this module, so it imports neither torch nor numpy."""

from __future__ import annotations

from zoo_core import AlgorithmEntry, Source, hookimpl

ALGORITHM = AlgorithmEntry(
    name="__NAME__",
    summary="Clone the actions that turned out better than expected, judged by a critic of the whole team.",
    factory="__PACKAGE__.algorithm:__CLASS__",
    source=Source(
        paper="Kostrikov et al. 2022, Offline Reinforcement Learning with Implicit Q-Learning",
        url="https://arxiv.org/abs/2110.06169",
        equations="Eqs. 5 to 7, with one critic of all agents' observations and actions",
    ),
    settings="__PACKAGE__:defaults.yaml",
    actions=("continuous", "discrete"),
    needs=("rows",),
)


@hookimpl
def zoo_algorithms() -> list[AlgorithmEntry]:
    return [ALGORITHM]
