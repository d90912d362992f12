"""The returns that mean 0 and 100 for each robot; light, for the hook module reads it."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_core import ReferenceScores

REFERENCE: Mapping[str, ReferenceScores] = {
    "Ant": ReferenceScores(
        -53.0,
        2838.7,
        "ours: 0 is uniform actions, 1,000 episodes; 100 the mean action of our expert, 200 episodes; in current "
        "MuJoCo (python -m zoo_mamujoco.reference)",
    ),
    "HalfCheetah": ReferenceScores(
        -283.4,
        3364.1,
        "ours: 0 is uniform actions, 100 the mean action of our expert, 200 episodes each; in current MuJoCo "
        "(python -m zoo_mamujoco.reference --episodes 200)",
    ),
    "Hopper": ReferenceScores(
        18.7,
        2322.7,
        "ours: 0 is uniform actions, 1,000 episodes; 100 our expert as it acts in its data, its actions sampled, 100 "
        "episodes, for its mean action returns 1,300 alone; in current MuJoCo (python -m zoo_mamujoco.reference)",
    ),
}
"""By robot, for every way to share its joints and to see it: neither changes what an action returns.

0 is uniform actions everywhere. 100 is of two kinds, and each robot's text says which: the cheetah's and the ant's
expert by its mean action; Hopper's with its noise, without which it falls.
"""

OWN: Mapping[str, ReferenceScores] = {
    "mamujoco-halfcheetah-2x3": ReferenceScores(
        -283.4,
        3693.1,
        "ours: 0 is uniform actions, 100 the mean action of our expert, whose agents see their own joints alone, 200 "
        "episodes each; in current MuJoCo (python -m zoo_mamujoco.reference --episodes 200)",
    ),
}
"""By name, tasks whose expert is another than their robot's."""


def reference_of(task: str, robot: str) -> ReferenceScores | None:
    """The pair of a task: its own, else its robot's."""
    return OWN.get(task, REFERENCE.get(robot))
