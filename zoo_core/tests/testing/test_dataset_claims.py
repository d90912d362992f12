"""The kit passes a sound dataset and catches each fault by the claim that is about it."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from zoo_core import DatasetEntry, EnvEntry, Source, uniforms
from zoo_core.data import Build, collect
from zoo_core.testing import GAMES, check_dataset, claims

TRACKING = next(game for game in GAMES if game.name == "test-tracking")
CLIMBING = next(game for game in GAMES if game.name == "test-climbing")


def play(build: Build, draw=uniforms, steps: int | None = None, first: int | None = None, **replaced) -> None:
    """Random episodes of the tracking game, seeded by the build."""
    shape = (build.team.n, build.team.action_size)
    episodes = -(-(steps or build.transitions) // build.team.episode_limit)
    seeds = 1000 * (build.seed if first is None else first) + np.arange(episodes)
    for group in collect(build.env(episodes), lambda obs, mask, s, t: 2 * draw(s, f"a{t}", shape) - 1, seeds):
        build.add(**(group | replaced))


def sound(build: Build) -> None:
    build.note("behaviour", "uniform actions")
    play(build)


def fixed(build: Build) -> None:
    """The same whatever the seed, and says so."""
    build.note("behaviour", "uniform actions")
    build.note("seed_has_no_effect", True)
    play(build, first=7)


def out_of_bounds(build: Build) -> None:
    sound(build)
    play(build, draw=lambda s, name, shape: 3 + uniforms(s, name, shape))


def ignores_the_size(build: Build) -> None:
    build.note("behaviour", "uniform actions")
    play(build, steps=40)


def without_masks(build: Build) -> None:
    build.note("behaviour", "available actions")
    seeds = 1000 * build.seed + np.arange(build.transitions)
    for group in collect(build.env(len(seeds)), lambda obs, mask, s, t: (s[:, None] * [1, 2]) % 3, seeds):
        del group["action_mask"]
        build.add(**group)


def miscounts_its_hash(build: Build) -> None:
    sound(build)
    build._writer._appenders["reward"]._sha.update(b"x")


def says_nothing(build: Build) -> None:
    play(build)


def embellishes_its_returns(build: Build) -> None:
    sound(build)
    build._writer._returns[0] += 1.0


def glues_episodes(build: Build) -> None:
    """Two episodes as one, as by a recipe that forgets to reset."""
    build.note("behaviour", "uniform actions")
    shape, env = (build.team.n, build.team.action_size), build.env(1)
    for seed in 1000 * build.seed + np.arange(0, build.transitions // 4, 2):
        two = [*collect(env, lambda obs, mask, s, t: 2 * uniforms(s, f"a{t}", shape) - 1, [seed, seed + 1])]
        joined = {key: np.concatenate([g[key] for g in two], axis=1) for key in ("action", "reward", "terminated")}
        joined["obs"] = np.concatenate([two[0]["obs"][:, :-1], two[1]["obs"]], axis=1)
        build.add(**joined, truncated=np.arange(8)[None] == 7)


def draws_afresh(build: Build) -> None:
    build.note("behaviour", "uniform actions")
    fresh = np.random.default_rng()
    play(build, draw=lambda s, name, shape: fresh.random((len(s), *shape)))


def ignores_its_seed(build: Build) -> None:
    build.note("behaviour", "uniform actions")
    play(build, first=7)


def seeds_globally(build: Build) -> None:
    build.note("behaviour", "uniform actions")
    np.random.seed(build.seed)  # noqa: NPY002
    play(build, draw=lambda s, name, shape: np.random.random((len(s), *shape)))  # noqa: NPY002


def entry(recipe=sound, env: EnvEntry = TRACKING, **fields) -> DatasetEntry:
    given = {"name": f"{env.name}/toy", "env": env.name, "quality": "toy", "transitions": 60}
    return DatasetEntry(
        summary="toy", factory=f"{__name__}:{recipe.__name__}", source=Source("made up"), **(given | fields)
    )


def outcomes(entry: DatasetEntry, *outcome: str) -> dict[str, str]:
    return {row.name: row.detail for row in check_dataset(entry, envs=GAMES) if row.outcome in (outcome or ("fail",))}


def test_a_sound_dataset_passes_every_claim():
    assert {row.outcome for row in check_dataset(entry(), envs=GAMES)} == {"pass"}


def test_a_build_larger_than_the_kits_is_cut_to_a_thousand_transitions():
    rows = check_dataset(entry(transitions=10**7), envs=GAMES)
    assert {row.outcome for row in rows} == {"pass"}


@pytest.mark.parametrize(
    ("recipe", "claim", "advice"),
    [
        (out_of_bounds, "it_builds", r"lies outside \[-1.0, 1.0\]"),
        (miscounts_its_hash, "hashes_verify_and_damage_is_found", "does not match its SHA-256"),
        (says_nothing, "the_card_is_complete", "build.note"),
        (embellishes_its_returns, "the_card_agrees_with_the_arrays", "not those of the rewards"),
        (glues_episodes, "no_episode_runs_into_the_next", "reset the environment"),
        (draws_afresh, "equal_seeds_give_equal_bits", "draw everything from build.seed"),
        (ignores_its_seed, "another_seed_gives_other_bits", "seed_has_no_effect"),
        (seeds_globally, "global_generators_are_untouched", "zoo_core.uniforms"),
    ],
)
def test_a_fault_fails_the_claim_about_it_and_no_other(recipe, claim, advice):
    found = outcomes(entry(recipe))
    assert set(found) == {claim}
    assert re.search(advice, found[claim])


def test_a_dataset_that_cannot_be_built_skips_what_is_about_its_content():
    skipped = outcomes(entry(out_of_bounds), "skip")
    assert "no_episode_runs_into_the_next" in skipped
    assert {skipped[name] for name in skipped} == {"it cannot be built: see it_builds"}


def test_masks_that_the_environment_gives_must_be_stored():
    found = outcomes(entry(without_masks, CLIMBING))
    assert set(found) == {"the_arrays_fit_the_team"}
    assert "pass build.add(action_mask=…)" in found["the_arrays_fit_the_team"]


def test_another_size_than_asked_for_is_a_warning():
    assert "stop at build.transitions" in outcomes(entry(ignores_the_size), "warn")["it_has_the_size_asked_for"]
    assert outcomes(entry(ignores_the_size)) == {}


def test_a_recipe_may_say_that_its_seed_has_no_effect():
    assert outcomes(entry(fixed)) == {}
    assert set(outcomes(entry(fixed), "skip")) == {"another_seed_gives_other_bits"}


def test_an_entry_that_contradicts_itself_is_named():
    assert "test-tracking/toy" in outcomes(entry(name="toy"))["the_entry_is_complete"]
    assert outcomes(entry(transitions=0)).keys() == {"the_entry_is_complete"}
    vague = dataclasses.replace(TRACKING, convention="")
    rows = {row.name: row for row in check_dataset(entry(), envs=[vague])}
    assert "states no convention" in rows["the_entry_is_complete"].detail


def test_a_dataset_of_an_environment_that_is_not_there_is_one_failure():
    lost = dataclasses.replace(entry(), name="nowhere/toy", env="nowhere")
    rows = {row.name: row for row in check_dataset(lost)}
    assert [name for name, row in rows.items() if row.outcome == "fail"] == ["it_builds"]
    assert "not installed" in rows["it_builds"].detail


def test_an_environment_that_is_none_is_named_as_the_cause():
    broken = [dataclasses.replace(game, factory="builtins:bytearray") for game in GAMES]
    rows = {row.name: row for row in check_dataset(entry(), envs=broken)}
    assert [name for name, row in rows.items() if row.outcome == "fail"] == ["it_builds"]
    assert "cannot be used: see the_factory_fits_its_kind of that one" in rows["it_builds"].detail


def test_the_observer_hears_of_every_claim():
    heard = []
    rows = check_dataset(entry(), heard.append, envs=GAMES)
    assert heard[::2] == [claim.name for claim in claims(entry())]
    assert heard[1::2] == rows
