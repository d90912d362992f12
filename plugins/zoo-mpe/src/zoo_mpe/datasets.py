"""Recipes of the built-in datasets: each plays episodes of 25 steps and hands them to the build.

Every number in an episode is a function of its reset seed, so equal seeds give equal bits on one machine and set of
versions, however many episodes are played side by side. Agents draw their noise independently, save in `correlated`:
given the observations, the joint behaviour is a product over agents by construction, which the card says too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from zoo_core import DatasetError, derive, normals, uniforms
from zoo_core.data import Build, collect
from zoo_mpe.policies import Shipped, TanhPolicy, random_policy, shipped

COPIES = 1000
"""Episodes played side by side. Sets the speed and not the data: 100 and 2000 give the same bits."""

NOISE: Mapping[str, float] = {"mpe-cn": 0.45, "mpe-pp": 0.1, "mpe-world": 0.1}
"""Standard deviation of the expert's and the medium team's noise, before clipping to [-1, 1], by environment.

Chosen so that both datasets' mean returns come near the published ones, whose noise is not stated.
"""

SHARED = 0.9
"""Correlation of any two agents' noise in `correlated`, before clipping, in each dimension alike."""

FACTORISED = "yes, by construction: given their observations the agents act independently"

Act = Callable[[NDArray, NDArray[np.int64], int], NDArray]
"""obs [E, n, o], reset seeds [E], step → action [E, n, a]."""


def random(build: Build) -> None:
    """Uniform actions in [-1, 1], independent over agents and steps."""
    shape = (build.team.n, build.team.action_size)

    def act(obs: NDArray, seeds: NDArray[np.int64], t: int) -> NDArray:
        return 2.0 * uniforms(seeds, f"random action {t}", shape) - 1.0

    build.note("behaviour", "independent uniform actions in [-1, 1]")
    build.note("factorised", FACTORISED)
    _play(build, act, episode_seeds(build, "random"))


def random_network(build: Build) -> None:
    """The other reading of `random`: one randomly initialised policy, drawn from the build's seed, without noise."""
    team = build.team
    policy = random_policy(derive(build.seed, f"{team.env}/random-network"), team.n, team.obs_size, team.action_size)
    build.note("behaviour", "one randomly initialised tanh policy of two hidden layers of 64, without noise")
    build.note("factorised", FACTORISED)
    _play(build, _noisy(policy, 0.0), episode_seeds(build, "random-network"))


def medium(build: Build) -> None:
    """The last policy of the learner whose transitions are `medium-replay`, with noise."""
    _play_shipped(build, "medium")


def expert(build: Build) -> None:
    """The policy of a long run, with noise."""
    _play_shipped(build, "expert")


def correlated(build: Build) -> None:
    """`medium`, its noise drawn by the agents together: the behaviour that a product over agents cannot be."""
    _play_shipped(build, "medium", shared=SHARED)


def medium_replay(build: Build) -> None:
    """A learner's own first transitions, in the order it saw them: its recorded actions played again.

    There is one such replay: the build's seed changes nothing, and a smaller build takes its first episodes.
    """
    env = build.team.env
    record = shipped(f"{env}-medium-replay")
    seeds, actions = record.tensors["seeds"], record.tensors["actions"]
    episodes = _episodes(build)
    if episodes > len(seeds):
        raise DatasetError(
            f"{env}/medium-replay is a record of {len(seeds) * build.team.episode_limit:,} transitions; "
            f"it cannot give {build.transitions:,}. Build at most that many"
        )
    order = np.argsort(seeds)

    def act(obs: NDArray, seeds_played: NDArray[np.int64], t: int) -> NDArray:
        return actions[order[np.searchsorted(seeds, seeds_played, sorter=order)], t].astype(np.float32)

    _note_origin(build, record)
    part = "first to last" if episodes == len(seeds) else f"the first {episodes:,} of {len(seeds):,} episodes alone"
    build.note("behaviour", f"a MATD3 learner's own executed actions, {part}, its exploration included")
    build.note("factorised", "at each moment of training; over the whole replay the behaviour is a mixture of policies")
    build.note("seed_has_no_effect", True)
    _play(build, act, seeds[:episodes])


def episode_seeds(build: Build, quality: str) -> NDArray[np.int64]:
    """Reset seeds of the episodes of a build, counting up from a number drawn from its seed."""
    first = derive(build.seed, build.team.env, quality) % (1 << 62)
    return first + np.arange(_episodes(build))


def _episodes(build: Build) -> int:
    return -(-build.transitions // build.team.episode_limit)


def _play_shipped(build: Build, quality: str, shared: float = 0.0) -> None:
    env = build.team.env
    checkpoint = shipped(f"{env}-{quality}")
    _note_origin(build, checkpoint)
    build.note("behaviour", "the checkpoint's deterministic action plus Gaussian noise, clipped to [-1, 1]")
    build.note("noise_sd", NOISE[env])
    if shared:
        build.note("noise_correlation", shared)
    build.note("factorised", f"no: any two agents' noise has the correlation {shared}" if shared else FACTORISED)
    policy = _noisy(checkpoint.policy(), NOISE[env], shared)
    _play(build, policy, episode_seeds(build, "correlated" if shared else quality))


def _noisy(policy: TanhPolicy, sd: float, shared: float = 0.0) -> Act:
    """clip(π(o) + sd·ε, −1, 1) with ε standard normal, drawn for each episode from its own seed; any two agents' ε
    have the correlation `shared`."""

    def act(obs: NDArray, seeds: NDArray[np.int64], t: int) -> NDArray:
        action = policy(obs)
        if sd:
            noise = normals(seeds, f"behaviour noise {t}", action.shape[1:])
            if shared:
                common = normals(seeds, f"shared noise {t}", (1, *action.shape[2:]))
                noise = np.sqrt(shared) * common + np.sqrt(1.0 - shared) * noise
            action = action + sd * noise
        return np.clip(action, -1.0, 1.0)

    return act


def _note_origin(build: Build, file: Shipped) -> None:
    about = file.about
    build.note("checkpoint_sha256", file.sha256)
    build.note("trained_by", f"python -m zoo_matd3 ship --env {build.team.env} --out policies")
    build.note("training", {key: about[key] for key in ("algorithm", "seed", "transitions", "updates", "return_mean")})


def _play(build: Build, act: Act, seeds: NDArray[np.int64]) -> None:
    """Play one episode for each seed; the actions stored are the float32 numbers that were executed."""
    env = build.env(min(COPIES, len(seeds)))
    for group in collect(env, lambda obs, _, s, t: act(obs, s, t).astype(np.float32), seeds, copies=env.num_envs):
        build.add(**group)
