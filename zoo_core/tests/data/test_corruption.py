"""Whatever happens to a file of a dataset, opening it says so; nothing damaged is ever used."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress

import numpy as np
import pytest
from toy_team import team, write_numbered

from zoo_core import DatasetError
from zoo_core.data import Dataset, EpisodeWriter
from zoo_core.data.card import _digest
from zoo_core.data.layout import HEADER_SIZE, array_path
from zoo_core.errors import DatasetCorrupt

SPEC = team(action_kind="discrete", action_sizes=(3, 4), state_kind="stored", state_size=4)
ARRAYS = ("obs", "state", "action_mask", "action", "reward", "terminated", "truncated", "episode_starts")
FILES = (*(f"{name}.safetensors" for name in ARRAYS), "card.json")


@pytest.fixture
def folder(tmp_path):
    """A dataset with every kind of array, opened (and so verified) once."""
    write_numbered(tmp_path / "set", [4, 2, 3], terminated=[True, False, True], spec=SPEC)
    Dataset.open(tmp_path / "set")
    return tmp_path / "set"


def edit_card(folder, change, *, rehash=True):
    card = json.loads((folder / "card.json").read_text())
    change(card)
    card.pop("card_sha256")
    if rehash:
        card["card_sha256"] = _digest(card)
    (folder / "card.json").write_text(json.dumps(card))


def test_the_dataset_holds_every_artefact_that_is_damaged_below(folder):
    assert sorted(p.name for p in folder.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", ["first", "header", "middle", "last"])
def test_a_flipped_bit_is_found(folder, name, part):
    path = folder / name
    content = bytearray(path.read_bytes())
    place = {"first": 0, "header": min(40, len(content) - 1), "middle": len(content) // 2, "last": len(content) - 1}[
        part
    ]
    if name == "card.json" and part == "last":
        place -= 3  # the last hexadecimal digit; a changed line break alone changes nothing
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError):
        Dataset.open(folder)


def test_no_flipped_bit_of_the_card_changes_what_is_read(folder):
    path = folder / "card.json"
    content, card = path.read_bytes(), Dataset.open(folder).card
    rng = np.random.default_rng(0)
    for place in rng.choice(len(content), size=150, replace=False):
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with suppress(DatasetError):
            assert Dataset.open(folder).card == card


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", ["nothing", "a few bytes", "all but one"])
def test_a_truncated_file_is_found(folder, name, keep):
    path = folder / name
    content = path.read_bytes().rstrip()
    path.write_bytes(content[: {"nothing": 0, "a few bytes": 9, "all but one": len(content) - 1}[keep]])
    with pytest.raises(DatasetCorrupt, match=name):
        Dataset.open(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(DatasetError, match=name):
        Dataset.open(folder)


@pytest.mark.parametrize("name", ARRAYS)
def test_verification_finds_a_change_that_kept_size_and_time(folder, name):
    path = array_path(folder, name)
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[HEADER_SIZE] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    Dataset.open(folder)  # by design: hashing a million transitions at every opening would cost half a second
    with pytest.raises(DatasetCorrupt, match=f"{name!r}.*SHA-256"):
        Dataset.open(folder, verify=True)
    with pytest.raises(DatasetCorrupt):  # and the mark is gone
        Dataset.open(folder)


def test_a_copy_on_this_machine_is_verified_before_its_first_use(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    path = array_path(copy, "reward")
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(DatasetCorrupt, match="reward"):
        Dataset.open(copy)


def test_a_damaged_verified_mark_only_costs_a_verification(folder):
    marks = list((folder.parent / "cache" / "verified").iterdir())
    assert len(marks) == 1
    for content in (b"", b"{", b"[]", b"\xff\xfe", b'{"identity": 3}'):
        marks[0].write_bytes(content)
        assert Dataset.open(folder).num_episodes == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["obs", "state", "reward"])
def test_a_dataset_with_valid_hashes_but_bad_numbers_is_refused(folder, name, bad):
    path = array_path(folder, name)
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32(bad).tobytes()
    path.write_bytes(content)
    sha = hashlib.sha256(content[HEADER_SIZE:]).hexdigest()
    edit_card(folder, lambda card: card["arrays"][name].update(sha256=sha))
    with pytest.raises(DatasetError, match=rf"array '{name}', row \d+: -?(nan|inf)"):
        Dataset.open(folder)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.update(format=2), "Upgrade zoo-core"),
        (lambda c: c.pop("format"), "not the card"),
        (lambda c: c.pop("team"), "incomplete"),
        (lambda c: c.update(transitions="nine"), "incomplete"),
        (lambda c: c.update(transitions=8), "arrays are not those"),
        (lambda c: c["arrays"].pop("reward"), "arrays are not those"),
        (lambda c: c["arrays"].update({"../evil": c["arrays"]["obs"]}), "arrays are not those"),
        (lambda c: c["arrays"]["obs"].update(shape=[1, 2]), "arrays are not those"),
        (lambda c: c["lengths"].update(min=4), "lengths"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(folder, change, word):
    edit_card(folder, change)
    with pytest.raises(DatasetError, match=word):
        Dataset.open(folder)


def test_an_edited_card_is_noticed(folder):
    edit_card(folder, lambda card: card.update(name="better"), rehash=False)
    with pytest.raises(DatasetCorrupt, match="changed after it was written"):
        Dataset.open(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 1', "[" * 100_000])
def test_a_broken_card_is_named(folder, content):
    (folder / "card.json").write_text(content)
    with pytest.raises(DatasetCorrupt, match=r"card\.json"):
        Dataset.open(folder)


def good_group():
    last = np.array([[False, True]])
    return {
        "obs": np.zeros((1, 3, 2, 3)),
        "action": np.zeros((1, 2, 2, 2)),
        "reward": np.zeros((1, 2, 2)),
        "terminated": last & False,
        "truncated": last,
    }


def with_value(name, index, value):
    def change(group):
        group[name] = np.array(group[name])
        group[name][index] = value

    return change


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (with_value("obs", (0, 1, 1, 2), np.nan), r"array 'obs', row 1: nan at index \[1, 1, 2\]"),
        (with_value("action", (0, 1, 0, 0), np.inf), "array 'action', row 1: inf"),
        (with_value("reward", (0, 0, 1), -np.inf), "array 'reward', row 0: -inf"),
        (with_value("reward", (0, 0, 1), 1e300), "array 'reward', row 0: inf"),
        (with_value("action", (0, 1, 1, 0), 1.1), r"row 1, agent 'b': 1\.1\d* lies outside \[-1\.0, 1\.0\]"),
        (with_value("truncated", (0, 1), False), "neither terminated nor truncated"),
        (with_value("terminated", (0, 0), True), "before its last step"),
        (lambda g: g.update(obs=np.zeros((1, 2, 2, 3))), r"obs: shape \[1, 2, 2, 3\] where \[1, 3, 2, 3\]"),
        (lambda g: g.update(reward=np.zeros((1, 2))), "reward: shape"),
        (lambda g: g.update(terminated=[True]), "terminated: shape"),
        (lambda g: g.update(obs=np.full((1, 3, 2, 3), None)), "object array"),
        (lambda g: g.update(state=np.zeros((1, 3, 4))), "takes no array 'state'"),
        (lambda g: g.update(lengths=[3]), "lengths must lie between 1 and 2"),
        (lambda g: g.update(lengths=[0]), "lengths must lie between 1 and 2"),
        (lambda g: g.update(terminated=np.full((1, 2), 2)), "other than 0 and 1"),
    ],
)
def test_bad_episodes_are_refused_before_anything_is_written(change, word, tmp_path):
    group = good_group()
    change(group)
    writer = EpisodeWriter(tmp_path, team())
    with pytest.raises(DatasetError, match=word):
        writer.add(**group)
    assert writer.transitions == 0
    writer.add(**good_group())
    assert writer.finish("good", {}).transitions == 2


def test_unavailable_and_impossible_discrete_actions_are_refused(tmp_path):
    spec = team(action_kind="discrete", action_sizes=(2, 3))
    group = good_group() | {"action": np.array([[[0, 2], [1, 0]]]), "action_mask": np.ones((1, 3, 2, 3), dtype=bool)}
    for agent, value, word in ((0, 2, "outside"), (1, -1, "outside"), (0, 0.5, "whole numbers")):
        bad = group | {"action": group["action"].astype(type(value))}
        bad["action"][0, 0, agent] = value
        with pytest.raises(DatasetError, match=word):
            EpisodeWriter(tmp_path, spec).add(**bad)
    group["action_mask"][0, 0, 1, 2] = False
    with pytest.raises(DatasetError, match="row 0, agent 'b': action 2 was not available"):
        EpisodeWriter(tmp_path, spec).add(**group)


def test_a_dataset_without_episodes_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="no episodes"):
        EpisodeWriter(tmp_path, team()).finish("empty", {})
