"""OMIGA's `.hdf5` and ComaDICE's `.npz`: what is read, what is worked out, and what is refused."""

from __future__ import annotations

import hashlib
import shutil
import tracemalloc
from dataclasses import replace

import h5py
import mujoco_files
import numpy as np
import pytest
import toy_team
from mujoco_files import ACTION, AGENTS, LIMIT, OBS, comadice_arrays, episodes, omiga_arrays, write_hdf5

from zoo_core import DatasetEntry, DatasetError, EnvEntry, Source
from zoo_core.data import Dataset, ImportOptions, import_dataset
from zoo_core.data.importers import read_source, write_reading
from zoo_core.errors import UsageError
from zoo_core.plugins import Offer, Zoo

LENGTHS = (LIMIT, 2, LIMIT, 5, LIMIT)
DATA = episodes(LENGTHS)
LAYOUTS = ("hdf5", "npz")
SPEC = toy_team.team(
    agents=("hip", "knee", "foot"), obs_sizes=(OBS,) * 3, action_sizes=(ACTION,) * 3, episode_limit=LIMIT
)
ENV = EnvEntry("toy", "a toy robot", "toy_team:OfSpec", Source("none"), agents=AGENTS, convention="a toy's")
EXPERT = DatasetEntry(
    "toy/medium-expert", "both", "none:none", Source("none"), "toy", "medium-expert", 100, published_return=7.5
)


@pytest.fixture(autouse=True)
def robot(monkeypatch):
    """One environment, of three agents; the only one installed."""
    monkeypatch.setattr(toy_team.OfSpec, "team", SPEC, raising=False)
    zoo = Zoo.assemble([Offer(ENV, "zoo-toy", "1"), Offer(EXPERT, "zoo-toy", "1")], [])
    monkeypatch.setattr("zoo_core.plugins.load_zoo", lambda: zoo)


def write(folder, layout, data=None, name="robot", **changed):
    """A file of `data`, with some arrays changed (None: left out)."""
    arrays = (omiga_arrays if layout == "hdf5" else comadice_arrays)(data or DATA)
    arrays = {key: values for key, values in (arrays | changed).items() if values is not None}
    path = folder / f"{name}.{layout}"
    if layout == "hdf5":
        return write_hdf5(path, arrays)
    np.savez(path, **arrays)
    return path


def load(path, target=None, **options):
    target = target or path.parent / f"imported-{path.suffix[1:]}"
    write_reading(read_source("", str(path), ImportOptions(env="toy", **options)), target, "imported")
    return Dataset.open(target)


def expected(name):
    """All episodes' arrays, one after another."""
    return np.concatenate([getattr(episode, name) for episode in DATA]).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_number_arrives_at_its_place_and_actions_are_clipped(tmp_path, layout):
    dataset = load(write(tmp_path, layout))
    assert (dataset.num_episodes, dataset.num_transitions) == (5, sum(LENGTHS))
    assert dataset.team == SPEC
    np.testing.assert_array_equal(dataset.obs, expected("obs"))
    np.testing.assert_array_equal(dataset.action, expected("action").clip(-1, 1))
    np.testing.assert_array_equal(dataset.reward, np.repeat(expected("reward")[:, None], AGENTS, 1))


def test_both_layouts_of_the_same_data_give_the_same_dataset(tmp_path):
    assert len({load(write(tmp_path, layout)).hash for layout in LAYOUTS}) == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_time_limits_are_relabelled_and_real_terminations_stay(tmp_path, layout):
    dataset = load(write(tmp_path, layout))
    ends = np.cumsum(LENGTHS) - 1
    assert np.flatnonzero(dataset.terminated).tolist() == [ends[1], ends[3]]
    assert np.flatnonzero(dataset.truncated).tolist() == [ends[0], ends[2], ends[4]]
    card = dataset.card
    assert "3 time limits stored as terminals relabelled as truncated" in card.repairs
    assert "3 of 5 episodes have a done at the time limit, 2 an earlier one" in card.notes["dones_found"]
    assert "--timeouts-are-terminal" in card.notes["dones_assumed"]
    assert "the limit of 'toy'; --episode-length" in card.notes["episode_length"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_time_limits_stay_terminal_on_request(tmp_path, layout):
    dataset = load(write(tmp_path, layout), timeouts_are_terminal=True)
    assert int(dataset.terminated.sum()) == 5
    assert not any("relabelled" in repair for repair in dataset.card.repairs)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_card_carries_source_hash_clipping_states_and_returns(tmp_path, layout):
    path = write(tmp_path, layout)
    card = load(path).card
    stored = np.concatenate([e.action.ravel() for e in DATA]).astype(np.float32)
    outside = int((np.abs(stored) > 1).sum())
    assert card.source["file"] == path.name
    assert card.source["format"] == {"hdf5": "omiga", "npz": "comadice"}[layout]
    assert card.source["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"{outside} of {stored.size} action values clipped to [-1, 1]" in "".join(card.repairs)
    assert card.notes["actions"] == f"from {stored.min():.4g} to {stored.max():.4g}"
    assert card.notes["states"] == "equal to the observations and not kept twice"
    assert card.notes["observations"].startswith("not standardised")
    assert card.returns["mean"] == pytest.approx(np.mean([e.reward.sum() for e in DATA]), rel=1e-5)


def test_standardised_observations_are_recognised(tmp_path):
    obs = omiga_arrays(DATA)["o"]
    obs = (obs - obs.mean(-1, keepdims=True)) / obs.std(-1, keepdims=True)
    card = load(write(tmp_path, "hdf5", o=obs)).card
    assert card.notes["observations"].startswith("each vector is standardised")
    assert card.notes["states"].startswith("not kept, although up to")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_stored_actions_can_be_scaled_before_they_are_clipped(tmp_path, layout):
    quarter = [replace(episode, action=episode.action / 4) for episode in DATA]
    dataset = load(write(tmp_path, layout, quarter), action_scale=4.0)
    np.testing.assert_allclose(dataset.action, expected("action").clip(-1, 1), atol=1e-6)
    assert "times 4" in dataset.card.notes["actions"]


def test_the_card_says_what_is_assumed_of_the_scale_of_comadices_actions(tmp_path):
    assert "--action-scale 4" in load(write(tmp_path, "npz")).card.notes["action_scale"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_are_read_in_pieces_of_any_size(tmp_path, monkeypatch, layout):
    path = write(tmp_path, layout)
    whole = load(path)
    monkeypatch.setattr(f"zoo_core.data.importers.{whole.card.source['format']}.ROWS_AT_ONCE", 8)
    assert load(path, tmp_path / "pieces").hash == whole.hash


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_held_in_memory_does_not_grow_with_the_file(tmp_path, monkeypatch, layout):
    monkeypatch.setattr(f"zoo_core.data.importers.{'omiga' if layout == 'hdf5' else 'comadice'}.ROWS_AT_ONCE", 512)
    paths = [write(tmp_path, layout, episodes([LIMIT] * count), name=str(count)) for count in (700, 2100)]
    load(paths[0], tmp_path / "warm")  # imports and caches are no part of what is measured
    peaks = []
    for path in paths:
        tracemalloc.start()
        load(path, tmp_path / path.stem)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    added = paths[1].stat().st_size - paths[0].stat().st_size
    assert added > 2e6
    assert peaks[1] - peaks[0] < added / 8


def test_rows_behind_the_last_done_are_an_episode_that_was_cut(tmp_path):
    d = omiga_arrays(DATA)["d"]
    d[-1] = False
    d[sum(LENGTHS[:4]) + 3] = False  # the fourth episode and the fifth, with the rows of both, are now one of 12 steps
    with pytest.raises(DatasetError, match=r"episode 3 has 12 steps where the limit is 6.*--episode-length"):
        load(write(tmp_path, "hdf5", d=d))
    short = episodes([LIMIT, 3])
    d = omiga_arrays(short)["d"]
    d[-1] = False
    dataset = load(write(tmp_path, "hdf5", short, d=d), tmp_path / "short")
    assert np.diff(dataset.episode_starts).tolist() == [LIMIT, 3]
    assert not dataset.terminated.any()
    assert dataset.card.notes["cut"].startswith("1 episodes end before the limit without a done")


def test_episodes_without_a_step_are_left_out_and_said_so(tmp_path):
    arrays = omiga_arrays(DATA)
    doubled = {key: np.concatenate([values[: LIMIT + 1], values[LIMIT:]]) for key, values in arrays.items()}
    dataset = load(write(tmp_path, "hdf5", **doubled))
    np.testing.assert_array_equal(dataset.obs, expected("obs"))
    assert "1 episodes of no step left out" in dataset.card.repairs
    padded = comadice_arrays(DATA)
    with_empty = {
        key: np.concatenate([values[:2], np.zeros_like(values[:1]), values[2:]]) for key, values in padded.items()
    }
    same = load(write(tmp_path, "npz", **with_empty))
    assert same.hash == dataset.hash
    assert "1 episodes without an active step left out" in same.card.repairs


def test_a_file_without_terminal_rows_is_refused_and_can_be_read_one_step_shorter(tmp_path):
    steps = [replace(e, obs=e.obs[:-1], action=e.action[:-1], reward=e.reward[:-1]) for e in episodes([LIMIT] * 4)]
    path = write(tmp_path, "hdf5", steps)
    with pytest.raises(DatasetError, match=r"4 episodes have 6 rows and none has 7.*--episode-length 5"):
        load(path)
    dataset = load(path, episode_length=LIMIT - 1)
    assert np.diff(dataset.episode_starts).tolist() == [LIMIT - 1] * 4
    assert int(dataset.truncated.sum()) == 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_team_can_be_inferred(tmp_path, layout):
    path = write(tmp_path, layout)
    dataset = load(path, infer_team=True, episode_length=LIMIT)
    team = dataset.team
    assert (team.n, team.obs_sizes, team.action_sizes) == (AGENTS, (OBS,) * 3, (ACTION,) * 3)
    assert (team.state_kind, team.reward) == ("concat_obs", "shared")
    assert "inferred from the file: 3 agents" in dataset.card.notes["team"]
    other = {"s" if layout == "hdf5" else "states": np.ones_like(expected_states(layout))}
    told = load(write(tmp_path, layout, **other), tmp_path / "other", infer_team=True)
    assert (told.team.state_kind, told.team.state_size, told.team.episode_limit) == ("per_agent", 4, 1000)
    assert bool((told.state == 1).all())
    assert "assumed: the benchmark's" in told.card.notes["episode_length"]
    with pytest.raises(DatasetError, match="--agents 2 would leave some of a team out"):
        load(path, tmp_path / "two", infer_team=True, agents=2)


def expected_states(layout):
    obs = (omiga_arrays if layout == "hdf5" else comadice_arrays)(DATA)
    return obs["o" if layout == "hdf5" else "obs"][..., :4]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_number_of_agents_than_the_partition_has_is_refused(tmp_path, layout):
    path = write(tmp_path, layout, episodes(LENGTHS, agents=2))
    with pytest.raises(
        DatasetError, match=r"holds 2 agents with 5 observations and 2 actions each; 'toy' has 3 with 5"
    ):
        load(path)


def test_the_installed_environments_with_that_many_agents_are_named(tmp_path, monkeypatch):
    others = [Offer(replace(ENV, name=name, agents=n), "zoo-toy", "1") for name, n in (("pair", 2), ("trio", 3))]
    zoo = Zoo.assemble([Offer(ENV, "zoo-toy", "1"), *others], [])
    monkeypatch.setattr("zoo_core.plugins.load_zoo", lambda: zoo)
    with pytest.raises(DatasetError, match=r"Installed environments of 2 agents: pair\. --infer-team"):
        load(write(tmp_path, "hdf5", episodes(LENGTHS, agents=2)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("team", "word"),
    [
        (toy_team.team(action_kind="discrete"), "continuous actions; 'toy' has discrete"),
        (replace(SPEC, obs_sizes=(9,) * 3, state_size=27), "'toy' has 3 with 9 and 2"),
        (replace(SPEC, state_kind="per_agent", state_size=8), "a state of 5 numbers for each agent; 'toy' has 8"),
    ],
)
def test_a_file_of_another_team_is_refused(tmp_path, monkeypatch, layout, team, word):
    monkeypatch.setattr(toy_team.OfSpec, "team", team)
    with pytest.raises(DatasetError, match=word):
        load(write(tmp_path, layout))


ONE = omiga_arrays(DATA)
FALL = np.where(np.arange(len(ONE["d"]))[:, None] == 3, 0.5, ONE["d"])
NAN = np.where(np.arange(len(ONE["o"]))[:, None, None] == 9, np.nan, ONE["o"])
HUGE = np.where(np.arange(len(ONE["r"]))[:, None] == 4, 1e300, ONE["r"])


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"o": None}, r"no array o; this layout has s, o, a, r, d, the file holds a float64 \[30, 3, 2\], d bool"),
        ({"r": None, "d": None, "rewards": ONE["r"]}, r"no array r, d; .*the file holds .*rewards float64 \[30, 1\]"),
        ({"a": ONE["a"][:-1]}, r"unequal lengths; the file holds .*a float64 \[29, 3, 2\]"),
        ({"a": ONE["a"][:, :2]}, r"equal numbers of agents; found s \[30, 3, 5\], o \[30, 3, 5\], a \[30, 2, 2\]"),
        ({"o": ONE["o"][..., 0]}, r"must be \[rows, agents, size\]"),
        ({"r": np.repeat(ONE["r"], 2, 1)}, r"r has shape \[30, 2\] where one number a row, or one for each of 3"),
        ({"a": ONE["a"].astype("S8")}, "a is no array of real numbers"),
        ({"d": ONE["d"].astype(complex)}, "d is no array of real numbers"),
        ({"d": FALL}, r"d, row 3: \[0\.5\]; it must be 0 or 1"),
        ({"d": np.repeat(ONE["d"], 3, 1) & [True, True, False]}, "and the same for all agents"),
        ({"d": np.zeros_like(ONE["d"])}, "episode 0 has 29 steps where the limit is 6"),
        ({"d": np.ones_like(ONE["d"])}, "no episode of at least one step"),
        ({key: values[:0] for key, values in ONE.items()}, "its arrays are empty"),
        ({"o": NAN}, "the episode that begins at row 7, step 2: 'obs' holds a number that is NaN"),
        ({"r": HUGE}, "the episode that begins at row 0, step 4: 'reward' holds a number .* too large for float32"),
    ],
)
def test_a_malformed_hdf5_is_explained_and_nothing_is_left_behind(tmp_path, changed, word):
    refused(write(tmp_path, "hdf5", **changed), word)


def refused(path, word):
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(DatasetError, match=word):
        import_dataset(str(path), "theirs/robot", ImportOptions(env="toy"))
    assert sorted(path.parent.rglob("*")) == before


ROW = comadice_arrays(DATA)
GAP = ROW["actives"].copy()
GAP[0, 2] = False
EARLY = ROW["dones"].copy()
EARLY[0, 1] = True


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"actives": None}, r"no array actives; this layout has states, .*holds actions float64 \[5, 7, 3, 2\], dones"),
        ({"states": None, "avails": GAP}, r"no array states.*avails: it is of the battle environments"),
        ({"obs": ROW["obs"][:, :-1]}, r"shapes that disagree: .*obs \[5, 6, 3, 5\].*expected are"),
        ({"actions": ROW["actions"][:, :, :2]}, r"shapes that disagree: .*actions \[5, 7, 2, 2\]"),
        ({"rewards": ROW["rewards"][:3]}, r"shapes that disagree: .*rewards \[3, 6\]"),
        ({"rewards": ROW["rewards"][..., None].repeat(2, 2)}, r"shapes that disagree: .*rewards \[5, 6, 2\]"),
        ({"actives": ROW["actives"][0]}, r"shapes that disagree: .*actives \[6\]"),
        (
            {k: ROW[k][:, :1] for k in ("obs", "states", "actions")}
            | {k: ROW[k][:, :0] for k in ("rewards", "dones", "actives")},
            r"shapes that disagree: .*actives \[5, 0",
        ),
        ({"actives": GAP}, "episode 0, step 2 is inactive, and later ones are active"),
        ({"dones": EARLY}, "episode 0, step 1 is done, and the episode goes on"),
        ({"dones": ROW["dones"] * 0.5}, "dones and actives must be 0 or 1"),
        ({"actives": np.zeros_like(GAP)}, "no episode of at least one step"),
        ({key: values[:0] for key, values in ROW.items()}, "its arrays are empty"),
        ({"actions": ROW["actions"].astype("U4")}, "actions: an array of <U4; only numbers are read"),
        ({"obs": np.asfortranarray(ROW["obs"])}, "obs: stored column by column"),
        ({"obs": np.where(np.isnan(ROW["obs"]), 0, np.inf)}, "episode 0, step 0: 'obs' holds a number that is NaN"),
    ],
)
def test_a_malformed_npz_is_explained_and_nothing_is_left_behind(tmp_path, changed, word):
    refused(write(tmp_path, "npz", **changed), word)


class Evil:
    def __reduce__(self):
        return pytest.fail, ("a pickle was executed",)


def test_objects_in_an_npz_are_refused_and_never_unpickled(tmp_path):
    refused(
        write(tmp_path, "npz", rewards=np.array([Evil()], dtype=object)), "rewards: an array of objects; .*unpickled"
    )


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_named_as_such(tmp_path, layout, fraction):
    path = write(tmp_path, layout)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    refused(path, "downloaded to its end|damaged")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_flipped_byte_in_an_npz_is_found_by_its_checksum(tmp_path, compressed):
    path = tmp_path / "robot.npz"
    (np.savez_compressed if compressed else np.savez)(path, **comadice_arrays(DATA))
    content = bytearray(path.read_bytes())
    at = content.index(b"obs.npy") + 400
    content[at] ^= 0xFF
    path.write_bytes(content)
    refused(path, "damaged")


def read_or_refuse(path, target):
    """Whether a perhaps damaged file could be read; anything but an error of our own fails the test."""
    try:
        load(path, target, infer_team=True, episode_length=LIMIT)
    except DatasetError:
        return False
    shutil.rmtree(target)
    return True


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_damaged_file_is_read_or_refused_and_fails_in_no_other_way(tmp_path, layout):
    path = write(tmp_path, layout, episodes([LIMIT, 2]))
    whole, rng = path.read_bytes(), np.random.default_rng(7)
    read = 0
    for _ in range(40):
        content = bytearray(whole)
        for at in rng.integers(0, min(len(whole), 4000), 4):  # the headers are at the beginning
            content[at] = rng.integers(256)
        path.write_bytes(content)
        read += read_or_refuse(path, tmp_path / "read")
    assert read < 40
    assert not list(tmp_path.glob(".read.partial-*"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_compressed_files_are_read_alike(tmp_path, layout):
    plain = load(write(tmp_path, layout))
    path = tmp_path / f"packed.{layout}"
    if layout == "hdf5":
        write_hdf5(path, omiga_arrays(DATA), chunks=True, compression="gzip")
    else:
        np.savez_compressed(path, **comadice_arrays(DATA))
    assert load(path, tmp_path / "packed").hash == plain.hash


def test_other_types_and_shapes_that_say_the_same_are_read_alike(tmp_path):
    plain = load(write(tmp_path, "hdf5"))
    d = np.repeat(ONE["d"], AGENTS, 1)[..., None].astype(np.uint8)
    same = {"d": d, "r": np.repeat(ONE["r"], AGENTS, 1), "o": ONE["o"].astype(">f8"), "s": ONE["s"].astype("f4")}
    assert load(write(tmp_path, "hdf5", **same), tmp_path / "same").hash == plain.hash
    per_agent = {"rewards": ROW["rewards"][..., None], "actives": ROW["actives"].astype(float)}
    without = {"actions": ROW["actions"][:, :-1]}
    assert load(write(tmp_path, "npz", **per_agent, **without)).hash == plain.hash


def test_a_group_where_an_array_should_be_is_explained(tmp_path):
    path = write(tmp_path, "hdf5", o=None)
    with h5py.File(path, "a") as file:
        file.create_group("o")
    refused(path, r"no array o; .*o/ \(a group\)")


def test_size_and_return_are_compared_with_the_published_where_the_quality_is_known(tmp_path):
    path = write(tmp_path, "hdf5", name="Toy-v2-3x2-medium-expert")
    card = import_dataset(str(path), "theirs", ImportOptions(env="toy")).card
    mean = card.returns["mean"]
    assert card.notes["published"] == (
        f"toy/medium-expert as published: 100 transitions, mean return 7.50; here: 25, {mean:.2f} "
        f"(difference {mean - 7.5:+.2f})"
    )
    assert card.source["quality"] == (
        "medium-expert (from its path, 'Toy-v2-3x2-medium-expert.hdf5'; --quality changes it)"
    )
    plain = write(tmp_path, "hdf5", name="Toy-v2-3x2-medium-experts")
    assert "published" not in import_dataset(str(plain), "plain", ImportOptions(env="toy")).card.notes
    told = import_dataset(str(plain), "told", ImportOptions(env="toy", quality="medium-expert")).card
    assert told.notes["published"] == card.notes["published"]
    with pytest.raises(UsageError, match=r"quality 'expert'\. Did you mean 'medium-expert'"):
        import_dataset(str(plain), "wrong", ImportOptions(env="toy", quality="expert"))


def test_without_h5py_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    path = write(tmp_path, "hdf5")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DatasetError, match=r'pip install "zoo-core\[hdf5\]"'):
        load(path)


def test_the_helpers_terminal_rows_are_placeholders():
    """What the tests above rely on: nothing of a terminal row but its observation is a number."""
    arrays = omiga_arrays(DATA)
    assert np.isnan(arrays["a"][arrays["d"][:, 0]]).all()
    assert mujoco_files.LIMIT == LIMIT
