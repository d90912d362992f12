"""The returns that mean 0 and 100 in each environment; light, for the hook module reads it."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_core import ReferenceScores

CHEETAH = ReferenceScores(
    -283.4,
    3364.1,
    "ours: uniform actions and the mean action of our expert, 200 episodes each, in current MuJoCo "
    "(python -m zoo_mamujoco.reference --episodes 200)",
)

REFERENCE: Mapping[str, ReferenceScores] = {
    "mamujoco-halfcheetah-2x3": CHEETAH,  # one robot and one expert: who drives which joint changes no return
    "mamujoco-halfcheetah-6x1": CHEETAH,
}
