"""Offline multi-agent reinforcement learning: the environment `__NAME__`."""
