"""Running out of memory is one error, whoever says so."""

from __future__ import annotations

import pytest
import torch

from zoo_core.errors import OutOfMemory
from zoo_core.training import train
from zoo_toy.algorithm import Toy

pytestmark = pytest.mark.usefixtures("toy_zoo")


@pytest.mark.parametrize("where", ["__init__", "critic_loss"])
def test_arrays_that_do_not_fit_into_memory_are_one_error_that_says_what_to_lower(ask, monkeypatch, where):
    monkeypatch.setattr(Toy, where, lambda *args, **kwargs: torch.empty(1 << 48))
    with pytest.raises(
        OutOfMemory,
        match=r"toy on toy-line/random ran out of memory: an array of 1,048,576\.0 GiB\. Lower .* batch_size \(now 8\)",
    ) as raised:
        train(ask(settings={"batch_size": 8, "lr": 0.02}))
    assert raised.value.exit_code == 1


def test_a_gpu_without_memory_is_the_same_error(ask, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has …")

    monkeypatch.setattr(Toy, "critic_loss", full)
    with pytest.raises(OutOfMemory, match=r"array of 20\.0 GiB"):
        train(ask())
