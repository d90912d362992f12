"""What MACQL, CFCQL, ICQL-QS and SPaCQL share: centralised conservative critics and the loop around them.

Four algorithms, one iteration; each differs from the others in its Bellman target and its penalty alone.
"""

from zoo_critics.actors import TeamActor
from zoo_critics.algorithm import ConservativeCritics, Target, state_of
from zoo_critics.config import CriticConfig
from zoo_critics.critic import JointCritic, Sweep, disagreement
from zoo_critics.penalties import conservative_value
from zoo_critics.replacement import partial_replacement, singletons, uniform_subsets

__all__ = [
    "ConservativeCritics",
    "CriticConfig",
    "JointCritic",
    "Sweep",
    "Target",
    "TeamActor",
    "conservative_value",
    "disagreement",
    "partial_replacement",
    "singletons",
    "state_of",
    "uniform_subsets",
]
