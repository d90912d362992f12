"""The returns that mean 0 and 100 for each robot; light, for the hook module reads it."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_core import ReferenceScores

REFERENCE: Mapping[str, ReferenceScores] = {
    "Ant": ReferenceScores(
        -62.3,
        1269.0,
        "ours: uniform actions, 60 episodes, and the mean action of our little trained expert, 20 episodes, in current "
        "MuJoCo (python -m zoo_mamujoco.reference)",
    ),
    "HalfCheetah": ReferenceScores(
        -283.4,
        3364.1,
        "ours: uniform actions and the mean action of our expert, 200 episodes each, in current MuJoCo "
        "(python -m zoo_mamujoco.reference --episodes 200)",
    ),
    "Hopper": ReferenceScores(
        18.7,
        2322.7,
        "ours: uniform actions, 1,000 episodes, and our expert as it acts in its data, 100 episodes, in current "
        "MuJoCo; its mean action alone returns 1,300 (python -m zoo_mamujoco.reference)",
    ),
}
"""By robot: how its joints are shared and what agents see changes no return of theirs."""
