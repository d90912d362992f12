"""OMAR with mixed critics for the offline multi-agent RL zoo."""
