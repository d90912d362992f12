"""What every algorithm must hold to, on data small enough for a second a claim."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import random
import subprocess
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo_core.algorithms import Update
from zoo_core.config import load_presets, resolve
from zoo_core.data import Dataset
from zoo_core.entries import DATA_NEEDS, DISCRETE, AlgorithmEntry, EnvEntry, Source
from zoo_core.errors import SettingError
from zoo_core.hookspecs import PROJECT
from zoo_core.seeding import generator
from zoo_core.testing.checks import Check, Claim, demand, run_claims
from zoo_core.testing.kit import package_of
from zoo_core.testing.tiny import play_out, random_obs, tiny_config, tiny_dataset, tiny_learner, tiny_team, weights
from zoo_core.training import Learner
from zoo_core.training.learner import draw_noise

HEAVY = ("torch", "numpy", "gymnasium", "pettingzoo", "matplotlib")


def algorithm_claims(entry: AlgorithmEntry) -> list[Claim]:
    """The claims `check_algorithm` tests: those on the entry, then those on each kind of action it declares."""
    claims = [
        Claim(test.__name__, functools.partial(test, entry)) for test in (words_are_known, unknown_settings_refused)
    ]
    if _hook_modules(entry):
        claims.append(Claim("hook_module_is_light", functools.partial(hook_module_is_light, entry)))
    for kind in entry.actions:
        for test in (
            settings_survive_json,
            twenty_iterations_stay_finite,
            equal_seeds_give_equal_weights,
            resumed_equals_uninterrupted,
            three_seeds_together_equal_three_apart,
            every_loss_descends,
            global_generators_are_untouched,
            acting_fits_the_team,
            acting_is_decentralised,
            a_loaded_policy_acts_the_same,
        ):
            if test is acting_is_decentralised and entry.centralised_acting:
                continue
            claims.append(Claim(f"{test.__name__}[{kind}]", functools.partial(test, entry, kind)))
    return claims


def check_algorithm(entry: AlgorithmEntry) -> list[Check]:
    """The contract of an algorithm: settings, determinism, resuming, seeds, losses, acting."""
    return run_claims(algorithm_claims(entry), package=package_of(entry))


@functools.cache
def _data(kind: str) -> Dataset:
    return tiny_dataset(tiny_team(kind), masked=kind == DISCRETE)


def _learner(entry: AlgorithmEntry, kind: str, *seeds: int) -> Learner:
    return tiny_learner(entry, _data(kind), tiny_config(entry, kind), seeds or (0,))


# --- settings ----------------------------------------------------------------------------------------------------


def words_are_known(entry: AlgorithmEntry) -> None:
    unknown = set(entry.needs) - DATA_NEEDS
    demand(not unknown, f"needs={sorted(unknown)} are no known needs; choose from {sorted(DATA_NEEDS)}")
    demand(entry.actions, "declare the kinds of action it handles: actions=('continuous',) or both")
    undocumented = [f.name for f in dataclasses.fields(_config_type(entry)) if not f.metadata.get("doc")]
    demand(not undocumented, f"document {undocumented}: make them with zoo_core.setting(default, 'what it means')")


def unknown_settings_refused(entry: AlgorithmEntry) -> None:
    try:
        _resolve(entry, entry.actions[0], None, {"no_such_setting": 1})
    except SettingError:
        return
    demand(False, "an unknown setting was accepted: Config must be a plain dataclass of settings")


def settings_survive_json(entry: AlgorithmEntry, kind: str) -> None:
    for preset in load_presets(entry) or (None,):
        first = _resolve(entry, kind, preset, {})
        values = {name: row["value"] for name, row in first.as_json()["settings"].items()}
        again = _resolve(entry, kind, preset, values)
        demand(
            again.config == first.config,
            f"preset {preset!r} does not survive being written as JSON and read back: keep settings to numbers, text, "
            "booleans and tuples",
        )


def hook_module_is_light(entry: AlgorithmEntry) -> None:
    for module in _hook_modules(entry):
        code = f"import sys, {module}; print(*[m for m in {HEAVY} if m in sys.modules])"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        demand(run.returncode == 0, f"import {module} fails:\n{run.stderr}")
        demand(
            not run.stdout.strip(),
            f"import {module} brings in {run.stdout.strip()}: import only entries there, and the algorithm lazily by "
            "its factory 'module:attribute'",
        )


def _hook_modules(entry: AlgorithmEntry) -> list[str]:
    package = entry.factory.partition(":")[0].partition(".")[0]
    points = importlib.metadata.entry_points(group=PROJECT)
    return sorted({point.module for point in points if point.module.partition(".")[0] == package})


def _config_type(entry: AlgorithmEntry) -> Any:
    return entry.load().Config  # type: ignore[attr-defined]


def _resolve(entry: AlgorithmEntry, kind: str, preset: str | None, overrides: dict[str, Any]) -> Any:
    env = EnvEntry("tiny", "", "", Source(""), gives=(kind,))
    return resolve(entry, _config_type(entry), env=env, action_kind=kind, preset=preset, overrides=overrides)


# --- training ----------------------------------------------------------------------------------------------------


def twenty_iterations_stay_finite(entry: AlgorithmEntry, kind: str) -> None:
    learner = _learner(entry, kind)
    before = weights(learner)
    for metrics in play_out(learner, 20):
        wild = [name for name, value in metrics.items() if not torch.isfinite(value).all()]
        demand(not wild, f"{wild} became NaN or infinite in iteration {learner.iteration}")
    learner.check_parameters()
    moved = any(not torch.equal(value, before[name]) for name, value in weights(learner).items())
    demand(moved, "20 iterations changed no weight: list the learned modules in Update(learns=…)")


def equal_seeds_give_equal_weights(entry: AlgorithmEntry, kind: str) -> None:
    first, second, other = (_learner(entry, kind, seed) for seed in (1, 1, 2))
    for learner in (first, second, other):
        play_out(learner, 5)
    unequal = _differing(weights(first), weights(second))
    demand(not unequal, f"two runs of seed 1 differ in {unequal}: take random numbers only from `noise`")
    demand(
        _differing(weights(first), weights(other)), "seeds 1 and 2 give equal weights: initialise by torch's own means"
    )


def resumed_equals_uninterrupted(entry: AlgorithmEntry, kind: str) -> None:
    whole, half, resumed = _learner(entry, kind, 1), _learner(entry, kind, 1), _learner(entry, kind, 5)
    play_out(whole, 6)
    play_out(half, 3)
    resumed.seeds = (1,)  # other weights to begin with, so that nothing of them may remain
    resumed.load_state([half.state()], half.iteration)
    play_out(resumed, 3)
    unequal = _differing(weights(whole), weights(resumed))
    demand(
        not unequal,
        f"a run resumed after 3 iterations differs from the uninterrupted one in {unequal}: keep what must survive in "
        "parameters or registered buffers, not in plain attributes",
    )


def three_seeds_together_equal_three_apart(entry: AlgorithmEntry, kind: str) -> None:
    seeds, iterations = (3, 4, 5), 3
    together = _learner(entry, kind, *seeds)
    play_out(together, iterations)
    for index, seed in enumerate(seeds):
        alone = _learner(entry, kind, seed)
        start = weights(alone)
        play_out(alone, iterations)
        reached, mapped = weights(alone), weights(together, index)
        # Rounding differs between the two ways to compute; seeds that meet would differ as much as training changes.
        change = sum(float((reached[k].double() - start[k].double()).square().sum()) for k in reached) ** 0.5
        apart = sum(float((reached[k].double() - mapped[k].double()).square().sum()) for k in reached) ** 0.5
        demand(
            apart <= 0.01 * change,
            f"seed {seed} trained beside others ends {apart / max(change, 1e-12):.1%} of its way from where it ends "
            "alone: write losses for one seed, without .item(), in-place writes or branches on tensor values",
        )


def every_loss_descends(entry: AlgorithmEntry, kind: str) -> None:
    declared = {
        (phase.name, step.name): None
        for phase in _learner(entry, kind).phases
        for step in phase.steps
        if isinstance(step, Update) and step.descends
    }
    for phase_name, update_name in declared:
        before, after = _descent(_learner(entry, kind), phase_name, update_name)
        demand(
            after < before,
            f"50 small steps on {update_name!r}, all else frozen, took its loss from {before:.6g} to {after:.6g}: "
            "mind the sign, or declare Update(descends=False) if it moves its own target",
        )


def _descent(learner: Learner, phase_name: str, update_name: str) -> tuple[float, float]:
    """The loss before and after 50 small Adam steps on one batch, with everything else frozen."""
    phase = next(phase for phase in learner.phases if phase.name == phase_name)
    step = next(step for step in phase.steps if isinstance(step, Update) and step.name == update_name)
    sampler = _data(learner.networks.algorithms[0].team.action_kind).sampler(phase.data)
    wanted = step.batch if isinstance(step.batch, tuple) else (step.batch,)
    batches = tuple(sampler.sample(generator(0, "descent", index)) for index in wanted)
    batch: Any = batches if isinstance(step.batch, tuple) else batches[0]
    source = generator(0, "descent noise")
    noise = {name: draw_noise(draw, source) for name, draw in step.noise.items()}
    names = tuple(name for attribute in step.learns for name in learner.networks.resolve(attribute, step.name))
    learned = [learner.networks.parameters[name] for name in names]
    optimiser = torch.optim.Adam(learned, lr=1e-4)
    learner.networks.train(True)
    values = []
    for _ in range(51):
        loss = learner.networks.loss(step.loss, names, batch, noise).value
        values.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, learned, allow_unused=True, materialize_grads=True)
        for parameter, gradient in zip(learned, gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
    return values[0], values[-1]


def global_generators_are_untouched(entry: AlgorithmEntry, kind: str) -> None:
    def states() -> tuple[Any, ...]:
        return random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()  # noqa: NPY002

    before = states()
    learner = _learner(entry, kind)
    play_out(learner, 2)
    _act(learner, random_obs(_data(kind).team, 4))
    demand(
        states() == before,
        "training or acting drew from a global generator: declare what is random as Update(noise={…: Draw(…)})",
    )


# --- acting ------------------------------------------------------------------------------------------------------


def acting_fits_the_team(entry: AlgorithmEntry, kind: str) -> None:
    learner = _learner(entry, kind)
    play_out(learner, 2)
    team = _data(kind).team
    action = _act(learner, random_obs(team, 8))
    if team.discrete:
        demand(action.shape == (8, team.n), f"act must return [E, n] = [8, {team.n}], not {list(action.shape)}")
        demand(action.dtype == torch.int64, f"discrete actions are int64, not {action.dtype}")
        chosen = _mask(8).gather(-1, action[..., None])
        demand(chosen.all(), "act chose an unavailable action: mask the logits before the argmax")
        return
    wanted = (8, team.n, team.action_size)
    demand(action.shape == wanted, f"act must return [E, n, a] = {list(wanted)}, not {list(action.shape)}")
    low, high = team.action_low, team.action_high
    demand(
        float(action.min()) >= low - 1e-6 and float(action.max()) <= high + 1e-6,
        f"act left the team's bounds [{low}, {high}]: scale the policy's head to them",
    )


def acting_is_decentralised(entry: AlgorithmEntry, kind: str) -> None:
    learner = _learner(entry, kind)
    play_out(learner, 2)
    team = _data(kind).team
    obs, strange = random_obs(team, 8), random_obs(team, 8, seed=1)
    action = _act(learner, obs)
    for agent in range(team.n):
        perturbed = strange.clone()
        perturbed[:, agent] = obs[:, agent]
        demand(
            _close(_act(learner, perturbed)[:, agent], action[:, agent]),
            f"agent {agent}'s action changed when only the others' observations did: act on each agent's own row, or "
            "declare centralised_acting=True",
        )
    demand(
        _close(_act(learner, obs[:1]), action[:1]),
        "an action depends on the other copies of the environment: no batch statistics when acting",
    )


def a_loaded_policy_acts_the_same(entry: AlgorithmEntry, kind: str) -> None:
    first, second = _learner(entry, kind, 1), _learner(entry, kind, 2)
    play_out(first, 3)
    obs = random_obs(_data(kind).team, 8)
    second.load_state([first.state()], first.iteration)
    action = _act(first, obs)
    demand(torch.equal(action, _act(first, obs)), "acting twice on the same observations gives different actions")
    demand(
        torch.equal(action, _act(second, obs)),
        "a policy loaded from the saved weights acts differently: keep what acting needs in parameters or buffers",
    )


def _act(learner: Learner, obs: Tensor) -> Tensor:
    algorithm = learner.algorithm()
    mask = _mask(len(obs)) if algorithm.team.discrete else None
    with torch.no_grad():
        action, _ = algorithm.act(obs, mask, algorithm.initial_memory(len(obs)), generator(0, "act"))
    return action


def _mask(copies: int) -> Tensor:
    """[E, n, A]: the first masks of the tiny dataset."""
    mask = _data(DISCRETE).action_mask
    assert mask is not None
    return mask[:copies]


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other) if one.dtype == torch.int64 else torch.allclose(one, other, atol=1e-5)


def _differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    return [name for name in one if not torch.equal(one[name], other[name])]
