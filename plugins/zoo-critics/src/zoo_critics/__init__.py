"""What MACQL, CFCQL, ICQL-QS and SPaCQL share: centralised conservative critics and the loop around them.

Four algorithms, one iteration; each differs from the others in its Bellman target and its penalty alone. `OwnCritics`
are the decentralised ones of OMAR, MA-TD3+BC and IQL. `AgentNet` and what is made of it are those of teams whose worth
is a mix of local values: OMIGA, OMCDA and their rivals.
"""

from zoo_critics.actors import TeamActor
from zoo_critics.algorithm import ConservativeCritics, Target, state_of
from zoo_critics.config import CriticConfig
from zoo_critics.critic import JointCritic, Sweep, disagreement
from zoo_critics.decomposed import (
    AgentCritics,
    AgentNet,
    AgentValues,
    credit,
    exchange_agents,
    joint_next_state,
    joint_state,
    joint_state_size,
    mixer_of,
)
from zoo_critics.mixed import MixedAlgorithm, MixedConfig, reward_scale
from zoo_critics.own import OwnCritics, TeamChooser
from zoo_critics.penalties import Candidates, conservative_value, gaussian_candidates, uniform_candidates
from zoo_critics.policies import (
    DISTRIBUTIONS,
    CategoricalPolicy,
    ClippedNormalPolicy,
    NormalPolicy,
    TanhNormalPolicy,
    policy_of,
)
from zoo_critics.replacement import partial_replacement, singletons, uniform_subsets

__all__ = [
    "DISTRIBUTIONS",
    "AgentCritics",
    "AgentNet",
    "AgentValues",
    "Candidates",
    "CategoricalPolicy",
    "ClippedNormalPolicy",
    "ConservativeCritics",
    "CriticConfig",
    "JointCritic",
    "MixedAlgorithm",
    "MixedConfig",
    "NormalPolicy",
    "OwnCritics",
    "Sweep",
    "TanhNormalPolicy",
    "Target",
    "TeamActor",
    "TeamChooser",
    "conservative_value",
    "credit",
    "disagreement",
    "exchange_agents",
    "gaussian_candidates",
    "joint_next_state",
    "joint_state",
    "joint_state_size",
    "mixer_of",
    "partial_replacement",
    "policy_of",
    "reward_scale",
    "singletons",
    "state_of",
    "uniform_candidates",
    "uniform_subsets",
]
