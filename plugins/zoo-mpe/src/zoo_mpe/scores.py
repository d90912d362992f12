"""The returns that mean 0 and 100 in each game; light, for the hook module reads it."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_core import ReferenceScores

OWN_PREY = "own prey: uniform predators and our expert without noise (python -m zoo_mpe.reference)"

REFERENCE: Mapping[str, ReferenceScores] = {
    "mpe-cn": ReferenceScores(159.8, 516.8, "OMAR and CFCQL (published random and expert returns)"),
    "mpe-pp": ReferenceScores(-5.1, 205.5, OWN_PREY),
    "mpe-world": ReferenceScores(-7.6, 84.8, OWN_PREY),
}
"""In games with a prey, against the one that ships with this package and no other."""
