"""Recipes of the built-in datasets: each plays episodes and hands them to the build.

Every number in an episode is a function of its reset seed, so equal seeds give equal bits on one machine and set of
versions, however many episodes are played side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core import derive, uniforms
from zoo_core.data import Build, collect
from zoo_mamujoco.envs import MultiAgentMujoco
from zoo_mamujoco.policies import GaussianPolicy, Shipped, shipped

COPIES = 20
"""Episodes played side by side. Sets the speed and not the data."""

FACTORISED = "yes, by construction: given what they observe, agents act independently"

Act = Callable[[MultiAgentMujoco, NDArray[np.int64], int], NDArray]
"""The copies, their reset seeds [E], the step → control [E, actuators] in [-1, 1]."""


def random(build: Build) -> None:
    """Uniform actions in [-1, 1], independent over agents and steps."""
    build.note("behaviour", "independent uniform actions in [-1, 1]")
    build.note("factorised", FACTORISED)
    _play(build, uniform, "random", build.transitions)


def medium(build: Build) -> None:
    """The learner partly trained, its actions sampled."""
    _play_shipped(build, "medium", build.transitions)


def expert(build: Build) -> None:
    """The learner at its best that ships, its actions sampled."""
    _play_shipped(build, "expert", build.transitions)


def medium_expert(build: Build) -> None:
    """All of `medium`, then all of `expert`, of the same seed and half this size each."""
    half = build.transitions // 2
    _play_shipped(build, "medium", half)
    _play_shipped(build, "expert", build.transitions)
    files = [behaviour(build.team.env, quality) for quality in ("medium", "expert")]
    build.note("behaviour", f"{SAMPLED}: the medium policy, then the expert")
    build.note("checkpoint_sha256", [file.sha256 for file in files])
    build.note("training", [_training(file) for file in files])
    build.note("action_sd", [_action_sd(file) for file in files])
    build.note("factorised", "within each half; over both the behaviour is a mixture of two policies")


def medium_replay(build: Build) -> None:
    """What the learner was until it became the medium policy: snapshots at equal intervals, an equal share for each.

    It stands for the learner's replay and is not a record of it: each snapshot's episodes are played anew.
    """
    file = behaviour(build.team.env, "medium-replay")
    count, played = len(file.policies), 0
    for number, policy in enumerate(file.policies):
        share, before = -(-build.transitions * (number + 1) // count), build.added
        _play(build, sampling(policy), f"medium-replay {number}", share)
        played += build.added > before
    _note_origin(build, file)
    some = f"{count}" if played == count else f"{played} of {count}"  # episodes are whole: a few cannot hold them all
    build.note(
        "behaviour", f"{SAMPLED}: {some} snapshots of one learner, from its start to the medium policy, in order"
    )
    build.note("factorised", "for each snapshot; over the whole the behaviour is a mixture of policies")


TOLD = ("env", "algorithm", "seed", "transitions", "return_mean", "return_sd", "return_episodes", "note")
"""What a card says of the training."""

SAMPLED = "actions sampled from a Gaussian policy and clipped to [-1, 1]"


def behaviour(env: str, quality: str) -> Shipped:
    """The file with the policies that act in an environment's data."""
    return shipped(f"{env}-{quality}")


def uniform(env: MultiAgentMujoco, seeds: NDArray[np.int64], t: int) -> NDArray:
    """Independent uniform actions in [-1, 1]."""
    return 2.0 * uniforms(seeds, f"random action {t}", (env.team.n * env.team.action_size,)) - 1.0


def sampling(policy: GaussianPolicy) -> Act:
    """Sampled actions of a policy."""
    return lambda env, seeds, t: policy.sample(env.full_observation(), seeds, t)


def _play_shipped(build: Build, quality: str, until: int) -> None:
    file = behaviour(build.team.env, quality)
    _play(build, sampling(file.policies[0]), quality, until)
    _note_origin(build, file)
    build.note("behaviour", SAMPLED)
    build.note("action_sd", _action_sd(file))
    build.note("factorised", FACTORISED)


def _note_origin(build: Build, file: Shipped) -> None:
    build.note("checkpoint_sha256", file.sha256)
    build.note("trained_by", training_command(file))
    build.note("training", _training(file))


def training_command(file: Shipped) -> str:
    """What makes such a file; `training` on the card says where an earlier trainer's bits cannot be made again."""
    env, seed, planned = file.about["env"], file.about["seed"], file.about["settings"]["transitions"]
    medium, expert = (behaviour(env, quality).about["transitions"] for quality in ("medium", "expert"))
    return (
        f"python -m zoo_mamujoco.train --env {env} --seed {seed} --transitions {planned} --out FOLDER; "
        f"python -m zoo_mamujoco.ship FOLDER --medium {medium} --expert {expert}"
    )


def _training(file: Shipped) -> dict[str, Any]:
    return {key: file.about[key] for key in TOLD if key in file.about}


def _action_sd(file: Shipped) -> list[float]:
    """Of each actuator, before clipping."""
    return [round(float(sd), 4) for sd in file.policies[0].sd]


def _play(build: Build, act: Act, purpose: str, until: int) -> None:
    """Add whole episodes until the build has `until` transitions. The actions stored are the float32 ones executed."""
    seed = derive(build.seed, build.team.env, purpose) % (1 << 62)
    env: MultiAgentMujoco | None = None
    while build.added < until:
        copies = min(COPIES, -(-(until - build.added) // build.team.episode_limit))
        if env is None or env.num_envs != copies:
            made = build.env(copies)
            assert isinstance(made, MultiAgentMujoco)
            env = made
        for group in collect(env, dealt(env, act), seed + np.arange(copies)):
            keep = int(np.searchsorted(build.added + np.cumsum(group["lengths"]), until)) + 1
            build.add(**{key: values[:keep] for key, values in group.items()})
        seed += copies


def dealt(env: MultiAgentMujoco, act: Act) -> Callable[[NDArray, Any, NDArray[np.int64], int], NDArray]:
    """The policy that `collect` asks: each agent's part of the control, in float32."""
    return lambda _obs, _mask, seeds, t: env.deal(act(env, seeds, t)).astype(np.float32)
