"""OMIGA for the offline multi-agent RL zoo."""
