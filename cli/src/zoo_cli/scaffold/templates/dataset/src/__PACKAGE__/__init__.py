"""Offline multi-agent reinforcement learning: the dataset `__ENV__/__NAME__`."""
