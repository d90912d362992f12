"""What every environment must hold to."""

from __future__ import annotations

import math
import time
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from zoo_core.data.behaviour import uniform_actions
from zoo_core.entries import EnvEntry
from zoo_core.envs import BatchedEnv, Step
from zoo_core.testing.checks import Check, Claim, NotApplicable, Observer, demand, run_claims
from zoo_core.testing.factories import factory_claims
from zoo_core.testing.generators import global_states
from zoo_core.testing.kit import claim_about, package_of

SEEDS = (11, 12, 13)
FRESH = 99
"""The seed of an episode that one copy begins while the others go on."""

MOST_STEPS = 50
"""Longer episodes are compared over their first steps only, so that the kit stays quick."""

MOST_SECONDS = 10.0
"""What playing episodes to their end may take."""


def env_claims(entry: EnvEntry) -> list[Claim]:
    """The claims `check_env` tests, for parametrising a test. Those of a family are about its example."""
    entry = entry.resolve(entry.example) if entry.resolver else entry
    tests = [
        entry_agrees_with_team,
        steps_have_their_shapes,
        equal_seeds_give_equal_episodes,
        batched_equals_single,
        one_copy_resets_alone,
        bounds_are_accepted,
        episodes_end_and_stay_ended,
        global_generators_are_untouched,
        reference_scores_ascend,
    ]
    advice = (frames_are_pictures, convention_is_stated, reference_is_stated)
    claims = factory_claims(entry) + [claim_about(entry, test) for test in tests]
    return claims + [claim_about(entry, test, required=False) for test in advice]


def check_env(entry: EnvEntry, observer: Observer | None = None) -> list[Check]:
    """Seeding, shapes, bounds, endings and batching of an environment."""
    return run_claims(env_claims(entry), observer, package_of(entry))


def random_actions(env: BatchedEnv, step: Step, seeds: tuple[int, ...], t: int) -> NDArray:
    """Uniform available actions, each copy's a function of its own seed and the time."""
    return uniform_actions(env.team, step.action_mask, np.asarray(seeds), f"action {t}")


def play(env: BatchedEnv, seeds: tuple[int, ...], steps: int) -> list[Step]:
    """Reset and `steps` random steps, each as it was shown: an environment may write the next into the same arrays."""
    shown = [deepcopy(env.reset(seeds))]
    for t in range(steps):
        shown.append(deepcopy(env.step(random_actions(env, shown[-1], seeds, t))))
    return shown


def horizon(env: BatchedEnv) -> int:
    return min(env.team.episode_limit, MOST_STEPS)


def differ(one: Step, other: Step) -> list[str]:
    """Names of the fields in which two steps are not bit-equal."""
    return [
        name
        for name in Step._fields
        if (getattr(one, name) is None) != (getattr(other, name) is None)
        or (getattr(one, name) is not None and not np.array_equal(getattr(one, name), getattr(other, name)))
    ]


def rows(step: Step, copy: int) -> Step:
    """The view of one copy, as a batch of one."""
    return step._replace(
        **{name: field[copy : copy + 1] for name, field in step._asdict().items() if field is not None}
    )


def entry_agrees_with_team(entry: EnvEntry) -> None:
    env = entry.load()(2)
    team = env.team
    demand(env.num_envs == 2, f"built with num_envs=2, it says {env.num_envs}")
    demand(team.env == entry.name, f"the team says env={team.env!r}, the entry {entry.name!r}: use one name")
    demand(team.n == entry.agents, f"the entry says agents={entry.agents}; the team has {team.n} learning agents")
    demand(team.action_kind in entry.gives, f"add {team.action_kind!r} to the entry's gives")
    demand(team.episode_limit > 0, "the team needs an episode_limit > 0")
    masked = env.reset((0, 1)).action_mask is not None
    demand(
        masked == ("action_mask" in entry.gives),
        "the entry's gives and the steps disagree about action_mask: declare it if and only if steps carry one",
    )
    demand(team.reference == entry.reference, "the team's reference scores differ from the entry's: state them once")


def steps_have_their_shapes(entry: EnvEntry) -> None:
    env = entry.load()(len(SEEDS))
    team, copies = env.team, len(SEEDS)
    state = {"concat_obs": None, "stored": (copies, team.state_size), "per_agent": (copies, team.n, team.state_size)}
    wanted = {
        "obs": (copies, team.n, team.obs_size),
        "reward": (copies, team.n),
        "terminated": (copies,),
        "truncated": (copies,),
        "state": state[team.state_kind],
    }
    for t, step in enumerate(play(env, SEEDS, min(3, horizon(env)))):
        for name, shape in wanted.items():
            value = getattr(step, name)
            got = None if value is None else value.shape
            demand(got == shape, f"{name} after {t} steps must have shape {shape}, not {got}")
            demand(value is None or np.isfinite(value).all(), f"{name} is not finite after {t} steps")
        demand(step.terminated.dtype == step.truncated.dtype == np.bool_, "terminated and truncated must be bool")
        for i, size in enumerate(team.obs_sizes):
            demand(not step.obs[:, i, size:].any(), f"agent {i}'s observation is {size} wide: pad it with zeros")
        if step.action_mask is not None:
            demand(step.action_mask.shape == (copies, team.n, team.action_size), "action_mask must be [E, n, A]")
            demand(step.action_mask.any(-1).all(), f"an agent has no available action after {t} steps: leave one")
        demand(t > 0 or not step.reward.any(), "reset must show zero reward")
        if team.reward == "shared":
            demand((step.reward == step.reward[:, :1]).all(), "declared a shared reward, yet agents' rewards differ")


def equal_seeds_give_equal_episodes(entry: EnvEntry) -> None:
    env = entry.load()(len(SEEDS))
    steps = horizon(env)
    first = play(env, SEEDS, steps)
    for again in (play(env, SEEDS, steps), play(entry.load()(len(SEEDS)), SEEDS, steps)):
        for t, (one, other) in enumerate(zip(first, again, strict=True)):
            demand(
                not differ(one, other),
                f"with equal seeds and actions, {differ(one, other)} differ after {t} steps: draw everything from "
                "zoo_core.uniforms(seeds, …) and keep nothing from the last episode",
            )


def batched_equals_single(entry: EnvEntry) -> None:
    env = entry.load()(len(SEEDS))
    steps = horizon(env)
    together = play(env, SEEDS, steps)
    for copy, seed in enumerate(SEEDS):
        alone = play(entry.load()(1), (seed,), steps)
        for t, (one, other) in enumerate(zip(together, alone, strict=True)):
            found = differ(rows(one, copy), other)
            demand(
                not found,
                f"seed {seed} as copy {copy} of {len(SEEDS)} and alone differ in {found} after {t} steps: a copy "
                "must not read the others, nor its own index",
            )


def one_copy_resets_alone(entry: EnvEntry) -> None:
    """The others play on to their ends as if nothing had happened; the one plays as in an environment of its own."""
    calm, disturbed, alone = (entry.load()(copies) for copies in (len(SEEDS), len(SEEDS), 1))
    seeds = (SEEDS[0], FRESH, *SEEDS[2:])
    limit, started = calm.team.episode_limit, time.monotonic()
    begun = max(1, min(limit // 2, MOST_STEPS))
    before, as_before = (play(env, SEEDS, begun)[-1] for env in (calm, disturbed))
    if differ(before, as_before):
        raise NotApplicable("equal seeds do not give equal episodes: see equal_seeds_give_equal_episodes")
    after, fresh = deepcopy(disturbed.reset([FRESH], copies=[1])), deepcopy(alone.reset([FRESH]))
    after.reward[[0, 2]] = before.reward[[0, 2]]  # what the others show of the last reward is free
    for t in range(begun, begun + limit + 1):
        _compare_with_calm(before, after, fresh, t - begun)
        if (after.terminated | after.truncated).all():
            return
        if time.monotonic() - started > MOST_SECONDS:
            raise NotApplicable(f"{t - begun} steps took {MOST_SECONDS:.0f} seconds; all was well until there")
        before = deepcopy(calm.step(random_actions(calm, before, SEEDS, t)))
        after = deepcopy(disturbed.step(random_actions(disturbed, after, seeds, t)))
        fresh = deepcopy(alone.step(random_actions(alone, fresh, (FRESH,), t)))


def _compare_with_calm(before: Step, after: Step, fresh: Step, steps: int) -> None:
    for copy in (0, 2):
        found = differ(rows(before, copy), rows(after, copy))
        demand(
            not found,
            f"reset(seeds, copies=[1]) changed copy {copy}, whose {found} differ {steps} steps later: touch only the "
            "named copies, in every array, and their clocks",
        )
    found = differ(rows(after, 1), fresh)
    demand(
        not found,
        f"a copy reset alone plays another episode than a fresh environment with that seed, with other {found} after "
        f"{steps} steps: restart all of it, its clock too",
    )


def bounds_are_accepted(entry: EnvEntry) -> None:
    """The least and the greatest action of every agent: its bounds, or its first and last available one."""
    env = entry.load()(2)
    team = env.team
    for greatest in (False, True):
        shown = env.reset((0, 1))
        if team.discrete:
            own = np.arange(team.action_size) < np.asarray(team.action_sizes)[:, None]
            available = np.broadcast_to(own, (2, *own.shape)) if shown.action_mask is None else shown.action_mask & own
            last = team.action_size - 1 - available[..., ::-1].argmax(-1)
            action: NDArray = last if greatest else available.argmax(-1)
        else:
            action = np.full((2, team.n, team.action_size), team.action_high if greatest else team.action_low)
        step = env.step(action)
        demand(
            np.isfinite(step.obs).all() and np.isfinite(step.reward).all(),
            f"the {'greatest' if greatest else 'least'} actions, {action[0].tolist()}, are not survived",
        )


def episodes_end_and_stay_ended(entry: EnvEntry) -> None:
    env = entry.load()(len(SEEDS))
    limit, started = env.team.episode_limit, time.monotonic()
    before = deepcopy(env.reset(SEEDS))
    demand(not (before.terminated | before.truncated).any(), "reset must not show an ended episode")
    for t in range(1, limit + 2):
        step = env.step(random_actions(env, before, SEEDS, t))
        done = before.terminated | before.truncated
        demand(
            t >= limit or not step.truncated.any(),
            f"truncated after {t} steps, before the episode_limit of {limit}: say terminated instead",
        )
        demand(
            t < limit or (step.terminated | step.truncated).all(),
            f"after episode_limit = {limit} steps every copy must be terminated or truncated",
        )
        demand(not step.reward[done].any(), "an ended copy must give zero reward until it is reset")
        demand(
            np.array_equal(step.obs[done], before.obs[done]) and (step.terminated | step.truncated)[done].all(),
            "an ended copy must keep its last observation and stay ended until it is reset",
        )
        before = deepcopy(step)
        if time.monotonic() - started > MOST_SECONDS:
            raise NotApplicable(f"{t} of {limit} steps took {MOST_SECONDS:.0f} seconds; all was well until there")


def global_generators_are_untouched(entry: EnvEntry) -> None:
    before = global_states()
    play(entry.load()(len(SEEDS)), SEEDS, 2)
    demand(global_states() == before, "the environment drew from a global generator: use zoo_core.uniforms or normals")


def reference_scores_ascend(entry: EnvEntry) -> None:
    reference = entry.reference
    if reference is None:
        raise NotApplicable("it states no reference scores")
    demand(
        math.isfinite(reference.random) and math.isfinite(reference.expert) and reference.random < reference.expert,
        f"the reference scores are random = {reference.random:g} and expert = {reference.expert:g}, so that normalised "
        "scores say nothing or are upside down: expert must be the greater of two finite returns",
    )


# --- advice ------------------------------------------------------------------------------------------------------


def frames_are_pictures(entry: EnvEntry) -> None:
    env = entry.load()(1)
    env.reset([0])
    frame = env.render()
    demand(
        isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.shape[2] == 3 and frame.dtype == np.uint8,
        f"render must return uint8 [H, W, 3], not {_described(frame)}; `zoo render` draws with it",
    )


def _described(frame: object) -> str:
    return f"{frame.dtype} {list(frame.shape)}" if isinstance(frame, np.ndarray) else type(frame).__name__


def convention_is_stated(entry: EnvEntry) -> None:
    demand(
        entry.convention.strip(),
        "say in the entry's convention, in one line, whose physics, rewards and observations these are",
    )


def reference_is_stated(entry: EnvEntry) -> None:
    demand(
        entry.reference is not None,
        "without reference scores every result stays raw: give the entry and its team the returns that mean 0 and 100, "
        "reference=ReferenceScores(random=…, expert=…, source='…')",
    )
