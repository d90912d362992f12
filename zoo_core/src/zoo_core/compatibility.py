"""What goes together, decided by declared capabilities alone."""

from __future__ import annotations

from collections.abc import Iterable

from zoo_core.entries import DATA_NEEDS, AlgorithmEntry, EnvEntry, MixerEntry
from zoo_core.errors import IncompatiblePair


def missing(algorithm: AlgorithmEntry, env: EnvEntry) -> list[str]:
    """The capabilities that keep this pair apart, in words; empty if they go together."""
    lacks: list[str] = []
    kinds = [kind for kind in env.gives if kind in ("continuous", "discrete")]
    if not set(kinds) & set(algorithm.actions):
        lacks.append(
            f"{env.name} has {'/'.join(kinds)} actions; {algorithm.name} handles {'/'.join(algorithm.actions)}"
        )
    gives = (DATA_NEEDS - {"action_mask"}) | set(env.gives)
    lacks += [
        f"{algorithm.name} needs {need}, which {env.name} does not give"
        for need in algorithm.needs
        if need not in gives
    ]
    return lacks


def require_pair(
    algorithm: AlgorithmEntry, env: EnvEntry, algorithms: Iterable[AlgorithmEntry], envs: Iterable[EnvEntry]
) -> None:
    """Raise `IncompatiblePair`, naming what is missing and pairs that do work."""
    lacks = missing(algorithm, env)
    if not lacks:
        return
    others = [e.label for e in envs if not missing(algorithm, e)]
    rivals = [a.name for a in algorithms if not a.online and not missing(a, env)]
    raise IncompatiblePair(
        "; ".join(lacks)
        + f".\n{algorithm.name} works with: {', '.join(others) or 'no installed environment'}."
        + f"\n{env.name} works with: {', '.join(rivals) or 'no installed algorithm'}."
    )


WITHOUT = {
    "linear": "it gives no weights w(s) and bias b(s) to share the team's value out by",
    "monotone": "its total may fall while an agent's value rises",
    "vector": "it has one total, not one for each agent",
}
"""What keeps a mixer that lacks a trait out."""


def require_mixer(algorithm: AlgorithmEntry, mixer: MixerEntry, mixers: Iterable[MixerEntry] = ()) -> None:
    """Raise `IncompatiblePair` if the algorithm takes no mixer or this one lacks a trait it requires.

    The message names those of `mixers` that do.
    """
    if algorithm.mixer is None:
        raise IncompatiblePair(f"{algorithm.name} takes no mixer: leave --mixer out")
    lacks = [trait for trait in algorithm.mixer if trait not in mixer.traits]
    if lacks:
        fitting = [other.name for other in mixers if set(algorithm.mixer) <= set(other.traits)]
        raise IncompatiblePair(
            f"{algorithm.name} requires a mixer that is {' and '.join(algorithm.mixer)}; "
            f"{mixer.name} is not {' or '.join(lacks)}: {'; '.join(WITHOUT[trait] for trait in lacks)}."
            + (f"\n{algorithm.name} works with: {', '.join(dict.fromkeys(fitting))}." if fitting else "")
        )
