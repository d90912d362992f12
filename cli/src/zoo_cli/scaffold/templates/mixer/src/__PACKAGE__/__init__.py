"""Offline multi-agent reinforcement learning: the mixer `__NAME__`."""
