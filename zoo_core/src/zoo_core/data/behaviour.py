"""Who acts while a dataset is collected: uniform random actions, or a trained policy, with or without noise.

Every random number is a function of an episode's own seed and the step, as `zoo_core.data.collect` asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.rollouts import Policy
from zoo_core.entries import EnvEntry
from zoo_core.errors import UsageError, did_you_mean
from zoo_core.seeding import normals, uniforms
from zoo_core.team import TeamSpec

if TYPE_CHECKING:
    from zoo_core.algorithms import Algorithm
    from zoo_core.plugins import Zoo
    from zoo_core.training import TrainedPolicy

RANDOM = "random"
"""The policy that needs no run."""


@dataclass(frozen=True)
class Behaviour:
    """A behaviour policy and what a card says of it.

    Attributes:
        act: see `zoo_core.data.rollouts.Policy`; gives actions within the team's bounds, and available ones.
        source: facts that reproduce it, for the card's `source`.
        notes: the same in words, for the card's `notes`.
    """

    act: Policy
    source: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)


def uniform_actions(
    team: TeamSpec, mask: NDArray[np.bool_] | None, seeds: NDArray[np.int64], purpose: str
) -> NDArray[Any]:
    """Independent uniform actions: [E, n, a] within the bounds, or [E, n] among the available ones of `mask`."""
    u = uniforms(seeds, purpose, (team.n, team.action_size))
    if not team.discrete:
        return (team.action_low + (team.action_high - team.action_low) * u).astype(np.float32)
    own = np.arange(team.action_size) < np.asarray(team.action_sizes)[:, None]
    available = own if mask is None else own & mask
    return np.asarray(np.where(available, u, -1.0).argmax(-1))  # the largest of equal draws is uniform among them


def random_behaviour(team: TeamSpec) -> Behaviour:
    """Uniform actions, independent over agents and steps."""

    def act(obs: NDArray[Any], mask: NDArray[np.bool_] | None, seeds: NDArray[np.int64], t: int) -> NDArray[Any]:
        return uniform_actions(team, mask, seeds, f"random action {t}")

    if team.discrete:
        words = "independent uniform actions among those available"
    else:
        words = f"independent uniform actions in [{team.action_low:g}, {team.action_high:g}]"
    return Behaviour(act, {"policy": RANDOM}, {"behaviour": words, "factorised": _FACTORISED})


def trained_behaviour(trained: TrainedPolicy, team: TeamSpec, noise: float, *, centralised: bool) -> Behaviour:
    """The deterministic policy of a run, plus noise.

    Continuous: Gaussian, its deviation `noise` times half the range of an action, then clipped to the bounds. Discrete:
    with probability `noise` an agent takes a uniform available action instead. Raises `UsageError` for a `noise` that
    is negative, or no probability where it has to be one.
    """
    if noise < 0 or (team.discrete and noise > 1):
        what = "a probability, from 0 to 1, for discrete actions" if team.discrete else "at least 0"
        raise UsageError(f"noise must be {what}, not {noise:g}")
    acting = _Acting(trained.algorithm)
    reach = noise * (team.action_high - team.action_low) / 2

    def act(obs: NDArray[Any], mask: NDArray[np.bool_] | None, seeds: NDArray[np.int64], t: int) -> NDArray[Any]:
        action = acting(obs, mask, seeds, t)
        if team.discrete:
            strays = uniforms(seeds, f"stray {t}", (team.n,)) < noise
            return np.asarray(np.where(strays, uniform_actions(team, mask, seeds, f"stray action {t}"), action))
        if noise:
            action = action + reach * normals(seeds, f"noise {t}", action.shape[1:])
        return np.asarray(np.clip(action, team.action_low, team.action_high), dtype=np.float32)

    config = trained.config
    source = {
        "policy": "run",
        "run": str(trained.folder.path.resolve()),
        "algorithm": config["algorithm"],
        "trained_on": config["dataset"],
        "training_seed": config["seed"],
        "iteration": trained.iteration,
        "weights_sha256": weights_hash(trained.algorithm),
        "noise": noise,
    }
    notes = {"behaviour": f"the run's deterministic policy{_noise_in_words(team, noise)}"}
    return Behaviour(act, source, notes if centralised else {**notes, "factorised": _FACTORISED})


def find_trained(policy: str | Path, zoo: Zoo) -> TrainedPolicy:
    """The one run at or below a folder. Raises `UsageError` if there are several, or no such folder."""
    import warnings

    from zoo_core.training import find_runs, load_policy

    path = Path(policy).expanduser()
    if not path.is_dir():
        near = did_you_mean(str(policy), [RANDOM])
        raise UsageError(f"a policy is {RANDOM!r} or the folder of a run; there is no folder {str(policy)!r}.{near}")
    runs = find_runs(path)
    if len(runs) > 1:
        shown = ", ".join(str(run.path) for run in runs[:3])
        raise UsageError(f"{path} holds {len(runs)} runs: name one of them, such as {shown}")
    return load_policy(runs[0].path, zoo, lambda text: warnings.warn(text, stacklevel=2))


def require_same_team(trained: TrainedPolicy, env: EnvEntry, team: TeamSpec) -> None:
    """Raise `UsageError` unless the policy fits the environment's team."""
    own = trained.algorithm.team
    for part in ("n", "obs_sizes", "action_sizes", "action_kind", "action_low", "action_high"):
        if getattr(own, part) != getattr(team, part):
            raise UsageError(
                f"the policy of {trained.folder.path} cannot act in {env.name}: {part} is {getattr(team, part)} there"
                f" and was {getattr(own, part)} in {own.env}, where it was trained"
            )


def weights_hash(algorithm: Algorithm) -> str:
    """SHA-256 over names and bits of an algorithm's parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted([*algorithm.named_parameters(), *algorithm.named_buffers()]):
        digest.update(name.encode() + b"\0")
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


_FACTORISED = "yes: given what they see the agents act independently"


class _Acting:
    """A policy's memory is that of one group of episodes, which begins at step 0."""

    def __init__(self, algorithm: Algorithm) -> None:
        from zoo_core.evaluation import Policy as Act

        self._make, self._algorithm = Act, algorithm
        self._policy: Act | None = None

    def __call__(
        self, obs: NDArray[Any], mask: NDArray[np.bool_] | None, seeds: NDArray[np.int64], t: int
    ) -> NDArray[Any]:
        if t == 0 or self._policy is None:
            self._policy = self._make(self._algorithm, len(seeds), int(seeds[0]))
        return self._policy.act(obs, mask)


def _noise_in_words(team: TeamSpec, noise: float) -> str:
    if not noise:
        return ", without noise"
    if team.discrete:
        return f"; with probability {noise:g} an agent takes a uniform available action instead"
    return f" plus Gaussian noise, its deviation {noise:g} of half the range of an action, clipped to the bounds"
