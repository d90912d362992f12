"""What MACQL, CFCQL, ICQL-QS and SPaCQL share: centralised conservative critics and the loop around them.

Four algorithms, one iteration; each differs from the others in its Bellman target and its penalty alone. `OwnCritics`
are the decentralised ones of OMAR, MA-TD3+BC and IQL.
"""

from zoo_critics.actors import TeamActor
from zoo_critics.algorithm import ConservativeCritics, Target, state_of
from zoo_critics.config import CriticConfig
from zoo_critics.critic import JointCritic, Sweep, disagreement
from zoo_critics.own import OwnCritics, TeamChooser
from zoo_critics.penalties import Candidates, conservative_value, gaussian_candidates, uniform_candidates
from zoo_critics.replacement import partial_replacement, singletons, uniform_subsets

__all__ = [
    "Candidates",
    "ConservativeCritics",
    "CriticConfig",
    "JointCritic",
    "OwnCritics",
    "Sweep",
    "Target",
    "TeamActor",
    "TeamChooser",
    "conservative_value",
    "disagreement",
    "gaussian_candidates",
    "partial_replacement",
    "singletons",
    "state_of",
    "uniform_candidates",
    "uniform_subsets",
]
