"""The settings the family has in common."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_core import AlgorithmConfig, setting

CODE = "CFCQL continuous"


@dataclass(frozen=True)
class CriticConfig(AlgorithmConfig):
    """Settings of MACQL, CFCQL, ICQL-QS and SPaCQL; each adds its own."""

    iterations: int = setting(2001, "Passes of the loop.", source=f"{CODE} main.py, simple_spread and simple_tag")
    batch_size: int = setting(1024, "Rows in a batch.", source=f"{CODE} main.py")
    lr: float = setting(
        0.01, "Adam's rate, of critics and actors.", source=f"{CODE} main.py, simple_spread", at_least=1e-12
    )
    hidden: int = setting(64, "Width of both hidden layers of every network.", source=f"{CODE} main.py", at_least=1)
    heads: int = setting(2, "Critics in the ensemble.", source=f"{CODE} utils/networks.py (twin critic)", at_least=1)
    discount: float = setting(
        0.95,
        "γ.",
        source=f"{CODE} maddpg_cc.py: the default of init_from_env, which main.py never overrides",
        at_least=0,
        at_most=1,
    )
    tau: float = setting(
        0.01, "τ: how far targets move once an iteration.", source=f"{CODE} main.py", at_least=0, at_most=1
    )
    critic_steps: int = setting(
        5,
        "Critic updates in an iteration, each on its own batch; actors learn on the first.",
        source=f"{CODE} ca_ratio",
        at_least=1,
    )
    alpha: float = setting(1.0, "α: weight of the conservative penalty.", source=f"{CODE} cql_alpha", at_least=0)
    samples: int = setting(
        10, "Actions in each group of the penalty.", source=f"{CODE} num_sampled_actions", at_least=1
    )
    penalty: str = setting(
        "lse",
        "lse: logsumexp of Q − log p over the sampled actions; mean: their plain average (with penalty_actions=policy "
        "SPaCQL Eq. 5 to the letter).",
        source=f"{CODE} soft_q, lse_temp 1",
        choices=("lse", "mean"),
    )
    penalty_actions: str = setting(
        "uniform",
        "Where penalised actions come from. uniform; policy: π(o) plus noise; three_groups: uniform, π(o) and π(o') "
        "plus noise, `samples` each.",
        source=f"{CODE}: uniform on particle worlds, three groups on HalfCheetah",
        choices=("uniform", "policy", "three_groups"),
    )
    penalty_noise: float = setting(
        0.2, "Standard deviation of that noise.", source=f"{CODE} cql_sample_noise_level", at_least=1e-6
    )
    target_noise: float = setting(
        0.05,
        "Standard deviation of the noise on the policies' next actions.",
        source=f"{CODE} action_noise_scale",
        at_least=0,
    )
    next_policy: str = setting(
        "target",
        "Whose actions enter the target: target or online policies.",
        source=f"{CODE}; SPaCQL's Algorithm 1 keeps target policies but writes π in line 8",
        choices=("target", "online"),
    )
    truncation: str = setting(
        "skip",
        "Truncated steps, which have no logged a', where an update reads it. skip: never drawn; full: drawn, every "
        "agent replaced.",
        source=f"ours: {CODE} utils/buffer.py takes the next row's action, which is another episode's",
        choices=("skip", "full"),
    )
    norm: str = setting(
        "batch",
        "batch: inputs of every network by the batch's own statistics, also in targets; layer: hidden layers; none.",
        source=f"{CODE} utils/networks.py",
        choices=("none", "layer", "batch"),
    )
    clip: float = setting(0.5, "Largest gradient norm.", source=f"{CODE} maddpg_cc.py", at_least=1e-12)
    clip_per: str = setting(
        "all",
        "Clip the critics' gradient over all heads together, or for each head (member); each actor's always is.",
        source=f"{CODE} maddpg_cc.py",
        choices=("all", "member"),
    )
    action_l2: float = setting(
        1e-3, "Weight of the mean squared action in the actors' loss.", source=f"{CODE} maddpg_cc.py", at_least=0
    )
    reward_agent: int | None = setting(
        None, "Learn this agent's reward, counted from 0; null: the mean of the team's.", source="the team's objective"
    )
