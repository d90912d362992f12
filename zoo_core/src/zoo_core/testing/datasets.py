"""What every dataset that is built here must hold to, seen on a small build of it."""

from __future__ import annotations

import functools
import itertools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from zoo_core.algorithms import Rows
from zoo_core.data import Dataset, build_dataset
from zoo_core.data.card import Card, read_card
from zoo_core.data.layout import array_path, check_header, layout, map_array
from zoo_core.data.sampling import RowSampler
from zoo_core.data.validation import require_actions_allowed, require_finite
from zoo_core.data.verification import verify_folder
from zoo_core.entries import DatasetEntry, EnvEntry
from zoo_core.errors import DatasetError, UnknownName
from zoo_core.testing.checks import Broken, Check, Claim, NotApplicable, Observer, demand, run_claims
from zoo_core.testing.factories import factory_claims, fits
from zoo_core.testing.generators import global_states
from zoo_core.testing.kit import claim_about, package_of

TRANSITIONS = 1000
"""What the kit builds of a dataset, or all of a smaller one."""

MOST = 100_000
"""Transitions that are sampled, should a recipe build more than it was asked for."""


def dataset_claims(entry: DatasetEntry, *, envs: Sequence[EnvEntry] = ()) -> list[Claim]:
    """The claims about a dataset. Its environment is looked up among `envs`, then among the installed ones."""
    builds = Builds(entry, envs)

    def about(test: Callable[[Builds], None], required: bool = True) -> Claim:
        return claim_about(entry, lambda _: test(builds), name=test.__name__, required=required)

    tests = [
        the_entry_is_complete,
        it_builds,
        the_arrays_fit_the_team,
        hashes_verify_and_damage_is_found,
        the_card_is_complete,
        the_card_agrees_with_the_arrays,
        no_episode_runs_into_the_next,
        equal_seeds_give_equal_bits,
        another_seed_gives_other_bits,
        global_generators_are_untouched,
    ]
    return factory_claims(entry) + [about(test) for test in tests] + [about(it_has_the_size_asked_for, required=False)]


def check_dataset(
    entry: DatasetEntry, observer: Observer | None = None, *, envs: Sequence[EnvEntry] = ()
) -> list[Check]:
    """Schema, hashes, card, seeding and episode boundaries of a dataset, tested on a small build."""
    return run_claims(dataset_claims(entry, envs=envs), observer, package_of(entry))


class Builds:
    """Small builds of a dataset in a temporary folder, each made once and shared by the claims."""

    def __init__(self, entry: DatasetEntry, envs: Sequence[EnvEntry]) -> None:
        self.entry, self._envs = entry, envs
        self._made: dict[tuple[int, int], Path] = {}

    @functools.cached_property
    def _home(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="zoo-dataset-")  # removed with the last claim that refers to it

    @functools.cached_property
    def env(self) -> EnvEntry:
        """Raises `UnknownName` if no such environment is installed."""
        known = [env for env in self._envs if env.name == self.entry.env]
        if known:
            return known[0]
        from zoo_core.plugins import load_zoo

        return load_zoo().find("env", self.entry.env)

    @property
    def asked(self) -> int:
        return min(self.entry.transitions, TRANSITIONS)

    def fresh(self, seed: int, number: int = 0) -> Path:
        """The folder of a build; another `number` builds the same again. Raises whatever the recipe does."""
        folder = Path(self._home.name) / f"seed{seed}-{number}"
        if (seed, number) not in self._made:
            build_dataset(
                self.entry,
                folder,
                self.env.load(),
                seed=seed,
                transitions=self.asked,
                distribution=package_of(self.entry),
                convention=self.env.convention,
            )
            self._made[seed, number] = folder
        return folder

    def folder(self) -> Path:
        """The first build. Raises `NotApplicable` if it fails: one claim says so for all."""
        try:
            return self.fresh(0)
        except Exception:  # the recipe's own code may raise anything; `it_builds` reports it
            raise NotApplicable("it cannot be built: see it_builds") from None

    def card(self) -> Card:
        return read_card(self.folder())

    def dataset(self) -> Dataset:
        """The first build, opened as it is: that it verifies is a claim of its own."""
        folder, card = self.folder(), self.card()
        return Dataset(folder, card, {name: map_array(folder, name) for name in card.arrays})


# --- the entry ---------------------------------------------------------------------------------------------------


def the_entry_is_complete(builds: Builds) -> None:
    entry = builds.entry
    demand(entry.name == f"{entry.env}/{entry.quality}", f"call it env/quality: {entry.env}/{entry.quality}")
    demand(entry.summary.strip(), "say in the entry's summary whose behaviour it holds")
    demand(entry.source.paper.strip(), "say where it comes from: source=Source('…')")
    demand(entry.transitions >= 1, "say in the entry how many transitions it has")
    demand(entry.version >= 1, "count versions from 1")
    try:
        env = builds.env
    except UnknownName:
        return  # `it_builds` says so
    demand(
        env.convention.strip(),
        f"the environment {env.name!r} states no convention, so no card of its data does: say in its entry whose "
        "physics, rewards and observations these are",
    )


def it_builds(builds: Builds) -> None:
    try:
        env = builds.env
    except UnknownName as error:
        raise Broken(
            f"its environment is not installed, so nothing about its data can be tested: {error} Correct the entry's "
            "env, or install the plugin that offers it, which belongs among this one's dependencies"
        ) from error
    demand(fits(env), f"its environment {env.name!r} cannot be used: see the_factory_fits_its_kind of that one")
    if builds.asked < 1:
        raise NotApplicable("it states no size: see the_entry_is_complete")
    builds.fresh(0)
    team, ours = builds.card().team, env.load()(1).team
    demand(team == ours, f"it was recorded by another team than {env.name!r} has: build with build.env(…)")


def it_has_the_size_asked_for(builds: Builds) -> None:
    card = builds.card()
    most = builds.asked + card.lengths["max"]
    demand(
        builds.asked <= card.transitions < most,
        f"asked for {builds.asked:,} transitions it built {card.transitions:,}: stop at build.transitions, at most one "
        "episode late",
    )


# --- the arrays --------------------------------------------------------------------------------------------------


def the_arrays_fit_the_team(builds: Builds) -> None:
    data = builds.dataset()
    card, masked = data.card, "action_mask" in builds.env.gives
    wanted = layout(card.team, card.transitions, card.episodes, action_mask=masked)
    demand(
        ("action_mask" in card.arrays) == masked,
        f"the environment {'gives' if masked else 'has no'} action_mask and the dataset "
        f"{'lacks it' if masked else 'has one'}: pass build.add(action_mask=…) what its steps show",
    )
    for name, record in wanted.items():
        check_header(data.folder, name, record)
        array = map_array(data.folder, name)
        found = (str(array.dtype).removeprefix("torch."), tuple(array.shape))
        demand(found == (record.dtype, record.shape), f"array {name!r} is {found}, not {(record.dtype, record.shape)}")
        if array.is_floating_point():
            require_finite(name, array.numpy())
    mask = None if data.action_mask is None else data.action_mask[data.obs_rows].numpy()
    require_actions_allowed(card.team, data.action.numpy(), mask)


def hashes_verify_and_damage_is_found(builds: Builds) -> None:
    folder, card = builds.folder(), builds.card()
    _verify(folder, card)
    for name in ("obs", "action", "reward", "episode_starts"):
        copy = folder.parent / f"damaged-{name}"
        shutil.copytree(folder, copy)
        with array_path(copy, name).open("r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)[0]
            file.seek(-1, 2)
            file.write(bytes([last ^ 1]))
        found = _is_damaged(copy, card)
        shutil.rmtree(copy)
        demand(found, f"a flipped bit in the array {name!r} went unnoticed: leave the files to build.add")


def _verify(folder: Path, card: Card) -> None:
    for name, record in card.arrays.items():
        check_header(folder, name, record)
    verify_folder(folder, card)


def _is_damaged(folder: Path, card: Card) -> bool:
    try:
        _verify(folder, card)
    except DatasetError:
        return True
    return False


def no_episode_runs_into_the_next(builds: Builds) -> None:
    data = builds.dataset()
    limit, lengths = data.team.episode_limit, data.lengths
    demand(
        not limit or int(lengths.max()) <= limit,
        f"an episode has {int(lengths.max())} steps, more than the environment's limit of {limit}: reset the "
        "environment after each, and add them apart",
    )
    ends = torch.zeros(data.num_transitions, dtype=torch.bool)
    ends[lengths.cumsum(0) - 1] = True
    demand(
        torch.equal(data.terminated | data.truncated, ends),
        "an episode ends before its last step, or goes on after it: mark the last step terminated or truncated",
    )
    sampler = data.sampler(Rows(1, next_action=True, truncation="full"))
    assert isinstance(sampler, RowSampler)
    steps = torch.arange(min(data.num_transitions, MOST))
    batch = sampler.take(steps)
    assert batch.next_action is not None
    inner = steps[~ends[steps]]
    demand(
        batch.has_next_action is not None and torch.equal(batch.has_next_action, ~ends[steps]),
        "a sampled last step has a next action, which is another episode's",
    )
    demand(
        torch.equal(batch.next_action[inner], data.action[inner + 1]),
        "a sampled next action is not the one its episode goes on with",
    )
    start = torch.cat([torch.arange(a, b) + e for e, (a, b) in enumerate(itertools.pairwise(data.episode_starts))])
    demand(
        torch.equal(batch.obs, data.obs[start[steps]]) and torch.equal(batch.next_obs, data.obs[start[steps] + 1]),
        "a sampled next observation is not the one its step led to",
    )


# --- the card ----------------------------------------------------------------------------------------------------


def the_card_is_complete(builds: Builds) -> None:
    card, entry = builds.card(), builds.entry
    wanted = {"kind": "built", "recipe": entry.factory, "version": entry.version, "seed": 0}
    wrong = [key for key, value in wanted.items() if card.source.get(key) != value]
    demand(not wrong, f"the card's source says {dict(card.source)}: {', '.join(wrong)} should be {wanted}")
    demand(card.name == entry.name, f"the card is called {card.name!r}, the entry {entry.name!r}")
    demand(card.convention.strip(), "the card states no convention: give the environment's entry one")
    demand(
        card.notes,
        "the card says nothing of who acted: build.note('behaviour', '…'), and its noise, checkpoint and the like",
    )
    absent = [name for name in ("python", "zoo-core", "numpy", "torch") if name not in card.versions]
    demand(not absent, f"the card lacks the versions of {absent}")


def the_card_agrees_with_the_arrays(builds: Builds) -> None:
    data = builds.dataset()
    card, starts = data.card, data.episode_starts.tolist()
    demand(
        (card.transitions, card.episodes) == (len(data.reward), len(starts) - 1),
        f"the card counts {card.transitions} transitions in {card.episodes} episodes, the arrays hold "
        f"{len(data.reward)} in {len(starts) - 1}",
    )
    lengths = [stop - start for start, stop in itertools.pairwise(starts)]
    demand(
        card.lengths == {"min": min(lengths), "max": max(lengths)},
        f"the card's lengths {dict(card.lengths)} are not those of the episodes, {min(lengths)} to {max(lengths)}",
    )
    reward = data.reward.double()
    returns = [float(reward[start:stop].mean(1).sum()) for start, stop in itertools.pairwise(starts)]
    recomputed = {
        "mean": float(np.mean(returns)),
        "std": float(np.std(returns)),
        "min": min(returns),
        "max": max(returns),
    }
    wrong = [k for k, v in recomputed.items() if not np.isclose(card.returns.get(k, np.nan), v, rtol=1e-6, atol=1e-6)]
    demand(not wrong, f"the card's returns {dict(card.returns)} are not those of the rewards, {recomputed}")


def equal_seeds_give_equal_bits(builds: Builds) -> None:
    first = builds.card()
    again = read_card(builds.fresh(0, 1))
    unequal = [name for name, record in first.arrays.items() if record != again.arrays.get(name)]
    demand(
        not unequal,
        f"two builds of seed 0 differ in {unequal}: draw everything from build.seed, with zoo_core.uniforms, normals "
        "or generator",
    )


def another_seed_gives_other_bits(builds: Builds) -> None:
    card = builds.card()
    if card.notes.get("seed_has_no_effect"):
        raise NotApplicable("its card says that the seed has no effect")
    demand(
        read_card(builds.fresh(1)).hash != card.hash,
        "seeds 0 and 1 build the same data: use build.seed, or say so with build.note('seed_has_no_effect', True)",
    )


def global_generators_are_untouched(builds: Builds) -> None:
    builds.folder()
    before = global_states()
    builds.fresh(0, 2)
    demand(
        global_states() == before,
        "the recipe drew from a global generator or seeded one: use zoo_core.uniforms, normals or generator",
    )
