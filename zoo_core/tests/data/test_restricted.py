"""The restricted loader reads tensors and runs nothing."""

from __future__ import annotations

import os
import pickle
import subprocess
import zipfile

import pytest
import torch

from zoo_core import DatasetError
from zoo_core.data import safe_torch_load


class Evil:
    """Unpickled by an ordinary loader, this creates a file."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


class EvilProcess(Evil):
    def __reduce__(self):
        return subprocess.check_call, (["touch", self.mark],)


def test_state_dicts_in_nested_containers_are_read(tmp_path):
    saved = {"agent_params": [{"policy": {"fc1.weight": torch.arange(6.0).view(2, 3)}, "rate": 0.01, "name": "prey"}]}
    torch.save(saved, tmp_path / "model.pt")
    torch.save(saved, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("model.pt", "old.pt"):
        (agent,) = safe_torch_load(tmp_path / name)["agent_params"]
        assert torch.equal(agent["policy"]["fc1.weight"], torch.arange(6.0).view(2, 3))
        assert (agent["rate"], agent["name"]) == (0.01, "prey")


@pytest.mark.parametrize("evil", [Evil, EvilProcess])
@pytest.mark.parametrize("how", ["zip", "legacy", "bare"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, evil, how):
    path, mark = tmp_path / "model.pt", tmp_path / "it-ran"
    content = {"weights": torch.zeros(2), "extra": evil(mark)}
    if how == "bare":
        path.write_bytes(pickle.dumps(evil(mark)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(DatasetError, match=r"model\.pt"):
        safe_torch_load(path)
    assert not mark.exists()
    torch.load(path, weights_only=False) if how != "bare" else pickle.loads(path.read_bytes())
    assert mark.exists(), "the file should be dangerous for an ordinary loader, or this test shows nothing"


def test_whole_modules_and_scripts_are_refused(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "script.pt")
    for name in ("module.pt", "script.pt"):
        with pytest.raises(DatasetError, match=name):
            safe_torch_load(tmp_path / name)


def test_missing_and_damaged_files_are_one_clear_error(tmp_path):
    with pytest.raises(DatasetError, match="no file"):
        safe_torch_load(tmp_path / "absent.pt")
    torch.save({"w": torch.arange(1000.0)}, tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    damaged = [b"", b"text", content[:100], content[: len(content) // 2], (tmp_path / "empty.zip").read_bytes()]
    for i, part in enumerate(damaged):
        path = tmp_path / f"damaged{i}.pt"
        path.write_bytes(part)
        with pytest.raises(DatasetError, match=path.name):
            safe_torch_load(path)
