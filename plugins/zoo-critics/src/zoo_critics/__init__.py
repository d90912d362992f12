"""What MACQL, CFCQL, ICQL-QS and SPaCQL share: centralised conservative critics and the loop around them.

Four algorithms, one iteration; each differs from the others in its Bellman target and its penalty alone. `OwnCritics`
are the decentralised ones of OMAR, MA-TD3+BC and IQL. `AgentNet` and what is made of it are those of teams whose worth
is a mix of local values: OMIGA, OMCDA and their rivals, whose common base is `MixedAlgorithm`.
"""

from zoo_critics.actors import TeamActor
from zoo_critics.algorithm import ConservativeCritics, Target, state_of
from zoo_critics.config import CriticConfig
from zoo_critics.conservative import candidate_actions, conservative_loss
from zoo_critics.critic import JointCritic, Sweep, disagreement
from zoo_critics.decomposed import (
    AgentCritics,
    AgentNet,
    AgentValues,
    AvailableActions,
    credit,
    exchange_agents,
    joint_next_state,
    joint_state,
    joint_state_size,
    masked,
    mixer_of,
    own_dims,
)
from zoo_critics.exponential import steady_exp
from zoo_critics.mixed import MixedAlgorithm, MixedConfig, ScaledMixedAlgorithm, log_density, reward_scale
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
    "AvailableActions",
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
    "ScaledMixedAlgorithm",
    "Sweep",
    "TanhNormalPolicy",
    "Target",
    "TeamActor",
    "TeamChooser",
    "candidate_actions",
    "conservative_loss",
    "conservative_value",
    "credit",
    "disagreement",
    "exchange_agents",
    "gaussian_candidates",
    "joint_next_state",
    "joint_state",
    "joint_state_size",
    "log_density",
    "masked",
    "mixer_of",
    "own_dims",
    "partial_replacement",
    "policy_of",
    "reward_scale",
    "singletons",
    "state_of",
    "steady_exp",
    "uniform_candidates",
    "uniform_subsets",
]
