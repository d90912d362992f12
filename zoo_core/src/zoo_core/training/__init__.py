"""Training: the learner that carries out an algorithm's steps, run folders, checkpoints and scores.

result = train(TrainRequest(algo="bc", env="mpe-cn", seeds=(0, 1)))
result.runs[0].evaluations.final.score.mean
"""

from zoo_core.training.construct import build_algorithm
from zoo_core.training.folder import RunFolder
from zoo_core.training.learner import Learner
from zoo_core.training.load import TrainedPolicy, find_runs, load_policy
from zoo_core.training.plan import Plan, TrainRequest, make_plan
from zoo_core.training.scores import Evaluation, Evaluations, Score
from zoo_core.training.train import FinishedRun, TrainResult, train

__all__ = [
    "Evaluation",
    "Evaluations",
    "FinishedRun",
    "Learner",
    "Plan",
    "RunFolder",
    "Score",
    "TrainRequest",
    "TrainResult",
    "TrainedPolicy",
    "build_algorithm",
    "find_runs",
    "load_policy",
    "make_plan",
    "train",
]
