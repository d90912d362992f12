"""The settings of OMAR with mixed critics."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_core import AlgorithmConfig, setting

PORT = "ComaDICE agents/continuous/omar.py"
RUNNER = "ComaDICE runner/omar/continuous.py"


@dataclass(frozen=True)
class OMARMixConfig(AlgorithmConfig):
    iterations: int = setting(
        195_313, "Updates of each network.", source="ComaDICE run.py: 25 epochs of a million rows in batches of 128"
    )
    batch_size: int = setting(128, "Rows in a batch.", source=RUNNER)
    lr: float = setting(1e-4, "Adam's rate, of every network.", source="ComaDICE main.py", at_least=1e-12)
    hidden: int = setting(256, "Width of both hidden layers.", source=RUNNER, at_least=1)
    share_weights: bool = setting(
        True, "One set of weights for all agents and a one-hot id; false: weights of each agent's own.", source=PORT
    )
    discount: float = setting(0.99, "γ.", source=RUNNER, at_least=0, at_most=1)
    tau: float = setting(0.005, "How far targets move once an iteration.", source=RUNNER, at_least=0, at_most=1)
    alpha: float = setting(1.0, "α: weight of the conservative penalty.", source=PORT, at_least=0)
    samples: int = setting(
        10, "Penalised actions of each kind: uniform, of π(o), of π(o').", source=f"{PORT} _cql_n_action", at_least=1
    )
    penalty_bias: str = setting(
        "each",
        "The mixer's bias in the penalty. each: in every agent's soft maximum; once: as it is in Q_tot.",
        source=PORT,
        choices=("each", "once"),
    )
    rectification: float = setting(
        0.5,
        "c: weight of the regression towards the action found; 1 − c: of the policy gradient.",
        source=f"{PORT} _omar_coe",
        at_least=0,
        at_most=1,
    )
    search_rounds: int = setting(2, "Rounds of the search.", source=f"{PORT} _omar_iteration", at_least=1)
    search_samples: int = setting(20, "Actions in a round.", source=f"{PORT} _omar_n_action", at_least=2)
    search_elites: int = setting(5, "How many are kept.", source=f"{PORT} _omar_n_elites", at_least=2)
    search_start: float = setting(
        2.0, "Standard deviation of the first round, of actions scaled to (−1, 1).", source=f"{PORT} _sigma", at_least=0
    )
    clip: float = setting(
        1.0, "Largest gradient norm: of critics and mixer together, of policies.", source=RUNNER, at_least=1e-12
    )
    timeouts: str = setting(
        "terminal",
        "What a truncated step is worth. terminal: its reward; bootstrap: the value of what would follow, too.",
        source="the data's time limits are stored as ends of the task",
        choices=("terminal", "bootstrap"),
    )
