"""A checkpoint folder gives a whole checkpoint or a clear error, whatever happened to it."""

from __future__ import annotations

import builtins
import contextlib
import errno
import os

import pytest
import torch

from zoo_core.errors import CheckpointCorrupt, RunError
from zoo_core.training import checkpoints
from zoo_core.training.checkpoints import Checkpoint


def moment(iteration):
    tensors = {"model/weight": torch.full((3, 4), float(iteration)), "optimiser/a/weight/step": torch.tensor(1.0)}
    return Checkpoint(iteration, tensors, {"metrics": {"a/loss": [0.1, iteration]}})


def ignore(message):
    pass


def latest(folder):
    found = checkpoints.load(folder, ignore)
    assert found is not None
    assert torch.equal(found.tensors["model/weight"], torch.full((3, 4), float(found.iteration)))
    return found.iteration


class Fault(BaseException):
    """Not an Exception: like a kill, nothing may catch it and carry on."""


class Injector:
    """Counts the file-system calls of a write and raises at the one it was told to."""

    def __init__(self, patch, error):
        self.calls, self.at, self.error = 0, -1, error
        for owner, name in ((os, "replace"), (os, "fsync"), (builtins, "open"), (os, "unlink")):
            patch.setattr(owner, name, self.wrap(getattr(owner, name)))

    def wrap(self, function):
        def call(*args, **kwargs):
            self.calls += 1
            if self.calls - 1 == self.at:
                raise self.error()
            return function(*args, **kwargs)

        return call


def count_calls(tmp_path):
    """How many steps a checkpoint's write has, with older ones to prune."""
    folder = tmp_path / "counted"
    for iteration in (1, 2):
        checkpoints.save(folder, moment(iteration))
    with pytest.MonkeyPatch.context() as patch:
        injector = Injector(patch, Fault)
        checkpoints.save(folder, moment(3))
    return injector.calls


@pytest.mark.parametrize("error", [Fault, lambda: OSError(errno.ENOSPC, "No space left on device")])
def test_a_fault_at_any_step_of_a_write_leaves_a_loadable_run(tmp_path, error):
    steps = count_calls(tmp_path)
    assert steps >= 9  # three files: open, fsync, rename each
    for step in range(steps):
        folder = tmp_path / f"fault-{step}"
        for iteration in (1, 2):
            checkpoints.save(folder, moment(iteration))
        with pytest.MonkeyPatch.context() as patch:
            injector = Injector(patch, error)
            injector.at = step
            # What only fails to sync a folder or to delete an old file is no reason to stop.
            with contextlib.suppress(Fault, RunError):
                checkpoints.save(folder, moment(3))
        assert latest(folder) in (2, 3)
        checkpoints.save(folder, moment(4))
        assert latest(folder) == 4


def test_a_full_disk_is_named_and_the_old_checkpoint_said_to_be_safe(tmp_path, monkeypatch):
    checkpoints.save(tmp_path, moment(1))
    injector = Injector(monkeypatch, lambda: OSError(errno.ENOSPC, "No space left on device"))
    injector.at = 1
    with pytest.raises(RunError, match=r"disk is full.*untouched.*same command"):
        checkpoints.save(tmp_path, moment(2))
    assert latest(tmp_path) == 1


def test_the_first_write_failing_leaves_nothing_to_load(tmp_path, monkeypatch):
    injector = Injector(monkeypatch, Fault)
    injector.at = 2
    with pytest.raises(Fault):
        checkpoints.save(tmp_path / "c", moment(1))
    assert checkpoints.load(tmp_path / "c", ignore) is None


def test_the_two_newest_are_kept(tmp_path):
    for iteration in (1, 5, 9, 12):
        checkpoints.save(tmp_path, moment(iteration))
    assert sorted(p.name for p in tmp_path.glob("*.safetensors")) == [
        "iteration-0000000009.safetensors",
        "iteration-0000000012.safetensors",
    ]
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "delete"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, suffix, damage):
    for iteration in (1, 2):
        checkpoints.save(tmp_path, moment(iteration))
    path = tmp_path / f"iteration-0000000002.{suffix}"
    hurt(path, damage)
    warnings = []
    found = checkpoints.load(tmp_path, warnings.append)
    assert found.iteration == 1
    if not (suffix == "json" and damage == "delete"):  # without its JSON it was never completed
        assert "iteration-0000000002" in warnings[0]


def test_no_byte_of_a_checkpoint_can_flip_unnoticed(tmp_path):
    checkpoints.save(tmp_path, moment(1))
    for suffix in ("safetensors", "json"):
        path = tmp_path / f"iteration-0000000001.{suffix}"
        whole = path.read_bytes()
        for position in range(0, len(whole), 7):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
            with pytest.raises(CheckpointCorrupt):
                checkpoints.load(tmp_path, ignore)
        path.write_bytes(whole)
    assert latest(tmp_path) == 1


def test_all_damaged_is_an_error_that_says_what_to_do(tmp_path):
    for iteration in (1, 2):
        checkpoints.save(tmp_path, moment(iteration))
    for path in tmp_path.glob("*.safetensors"):
        hurt(path, "truncate")
    with pytest.raises(CheckpointCorrupt, match="--again"):
        checkpoints.load(tmp_path, ignore)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"iteration-0000000007\n", b"iteration-0000000002\n"])
def test_a_damaged_or_old_latest_still_gives_a_whole_checkpoint(tmp_path, content):
    for iteration in (1, 2):
        checkpoints.save(tmp_path, moment(iteration))
    (tmp_path / "LATEST").write_bytes(content)
    assert latest(tmp_path) == 2


def test_loading_gives_back_equal_bits_and_extra(tmp_path):
    tensors = {"a": torch.randn(5, generator=torch.Generator().manual_seed(0)), "b": torch.tensor([1, 2])}
    checkpoints.save(tmp_path, Checkpoint(3, tensors, {"x": 0.1 + 0.2}))
    found = checkpoints.load(tmp_path, ignore)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in tensors.items())
    assert found.extra == {"x": 0.1 + 0.2}


def hurt(path, damage):
    data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data[:-5] + bytes([data[-5] ^ 16]) + data[-4:])
    elif damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
