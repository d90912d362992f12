"""What a CUDA graph demands of an iteration, checked without a GPU: fixed buffers and no look at a value.

A capture fails on the first read of a tensor's value by the host, on shapes that depend on values, and on tensors made
on the host. Here every operation of a recorded iteration is watched for them, with several seeds stacked.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zoo_core.plugins import load_zoo
from zoo_core.testing.subjects import learner
from zoo_core.training.replay import plainly

ALGORITHMS = ("bc", "cfcql", "icql-qs", "iql", "macql", "omar", "spacql", "td3bc")
READS = {"_local_scalar_dense", "equal", "is_nonzero", "lift_fresh", "masked_select", "nonzero", "_unique2"}


class Watched(TorchDispatchMode):
    """Refuses operations that a capture could not contain."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split(".")[0]
        if name in ("index", "index_put", "index_put_"):
            assert all(i is None or i.dtype != torch.bool for i in args[1]), f"{func}: as many rows as a mask says"
        assert name not in READS, f"{func}: the host waits for a value, or makes one"
        return func(*args, **(kwargs or {}))


def watched(run):
    with Watched():
        run()
    return run


def test_a_read_is_found():
    def loss():
        return torch.ones(3).sum().item()

    for run in (loss, lambda: torch.ones(3)[torch.ones(3) > 0], lambda: torch.tensor([1.0, 2.0])):
        with pytest.raises(AssertionError):
            watched(run)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_an_iteration_can_be_recorded(name, seeds):
    entry = load_zoo().find("algorithm", name)
    checked = learner(entry, "continuous", *seeds)
    checked.replay_with(watched)
    for _ in range(2):
        checked.step()


@pytest.mark.parametrize("name", ["spacql", "td3bc"])
def test_recorded_seeds_train_to_the_bits_of_plain_ones(name):
    entry = load_zoo().find("algorithm", name)
    plain, recorded = (learner(entry, "continuous", 0, 1) for _ in range(2))
    recorded.replay_with(plainly)
    for _ in range(4):
        plain.step()
        recorded.step()
    for index in range(2):
        found = recorded.state(index)
        assert all(torch.equal(tensor, found[path]) for path, tensor in plain.state(index).items())
