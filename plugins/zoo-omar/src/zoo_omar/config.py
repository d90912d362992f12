"""The settings of OMAR."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_core import AlgorithmConfig, setting

CODE = "OMAR"


@dataclass(frozen=True)
class OMARConfig(AlgorithmConfig):
    iterations: int = setting(2001, "Passes of the loop: one update of each network.", source=f"{CODE} main.py")
    batch_size: int = setting(1024, "Rows in a batch.", source=f"{CODE} main.py")
    lr: float = setting(0.01, "Adam's rate, of critics and policies.", source=f"{CODE} main.py", at_least=1e-12)
    hidden: int = setting(64, "Width of both hidden layers of every network.", source=f"{CODE} main.py", at_least=1)
    discount: float = setting(
        0.95,
        "γ.",
        source=f"{CODE} maddpg.py: the default of init_from_env, which main.py never overrides",
        at_least=0,
        at_most=1,
    )
    tau: float = setting(
        0.01, "τ: how far targets move once an iteration.", source=f"{CODE} main.py", at_least=0, at_most=1
    )
    alpha: float = setting(1.0, "α: weight of the conservative penalty.", source=f"{CODE} main.py", at_least=0)
    samples: int = setting(
        10, "Actions in each group of the penalty.", source=f"{CODE} main.py num_sampled_actions", at_least=1
    )
    penalty_actions: str = setting(
        "uniform",
        "Where penalised actions come from. uniform; three_groups: uniform, π(o) and π(o') plus noise, `samples` each.",
        source=f"{CODE} maddpg.py: uniform on particle worlds, three groups on HalfCheetah",
        choices=("uniform", "three_groups"),
    )
    penalty_noise: float = setting(
        0.2, "Standard deviation of that noise.", source=f"{CODE} main.py cql_sample_noise_level", at_least=1e-6
    )
    rectification: float = setting(
        1.0,
        "c: weight of the regression towards the action found; 1 − c: of the policy gradient.",
        source=f"{CODE} main.py omar_coe",
        at_least=0,
        at_most=1,
    )
    search: str = setting(
        "softmax",
        "How a round moves the search. softmax: by all its samples, weighted by their values; elites: by the best.",
        source=f"{CODE} maddpg.py: softmax on particle worlds, elites on HalfCheetah",
        choices=("softmax", "elites"),
    )
    search_rounds: int = setting(3, "Rounds of the search.", source=f"{CODE} main.py omar_iters", at_least=1)
    search_samples: int = setting(10, "Actions in a round.", source=f"{CODE} main.py omar_num_samples", at_least=1)
    search_elites: int = setting(
        5, "With elites, how many are kept.", source=f"{CODE} main.py omar_num_elites on HalfCheetah", at_least=2
    )
    search_temperature: float = setting(
        1.0, "Temperature of the softmax.", source=f"{CODE} maddpg.py compute_softmax_acs", at_least=1e-12
    )
    search_start: float = setting(
        2.0,
        "Standard deviation of the first round, of actions scaled to (−1, 1).",
        source=f"{CODE} main.py omar_sigma",
        at_least=0,
    )
    search_keep: str = setting(
        "last",
        "With softmax, which rounds the action found is the best of.",
        source=f"{CODE} maddpg.py",
        choices=("last", "all"),
    )
    search_floor: float = setting(
        1e-10,
        "Least standard deviation of a round.",
        source="CFCQL maddpg_cc.py; OMAR has none, its code stops on present PyTorch where all samples are equal",
        at_least=0,
    )
    norm: str = setting(
        "batch",
        "batch: inputs of every network by the batch's own statistics, also in targets; layer: hidden layers; none.",
        source=f"{CODE} utils/networks.py",
        choices=("none", "layer", "batch"),
    )
    clip: float = setting(
        0.5, "Largest gradient norm, of each agent's critics and policy.", source=f"{CODE} maddpg.py", at_least=1e-12
    )
    action_l2: float = setting(
        1e-3, "Weight of the mean squared action in the policies' loss.", source=f"{CODE} maddpg.py", at_least=0
    )
