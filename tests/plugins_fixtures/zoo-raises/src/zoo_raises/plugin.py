"""Raises when it is imported."""

raise RuntimeError("the sky is falling")
