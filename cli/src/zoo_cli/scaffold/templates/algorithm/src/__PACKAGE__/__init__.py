"""Offline multi-agent reinforcement learning: the algorithm `__NAME__`."""
