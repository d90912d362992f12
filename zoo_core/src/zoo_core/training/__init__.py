"""Training: the learner that carries out an algorithm's steps, run folders, checkpoints and scores."""

from zoo_core.training.construct import build_algorithm
from zoo_core.training.learner import Learner

__all__ = ["Learner", "build_algorithm"]
