"""What a CUDA graph demands of an iteration, checked without a GPU: fixed buffers and no look at a value.

A capture fails on the first read of a tensor's value by the host, on shapes that depend on values, and on tensors made
on the host. Here every operation of a recorded iteration is watched for them, with several seeds stacked: of every
installed algorithm, in every phase, for every set of steps that some iteration takes.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zoo_core.plugins import load_zoo
from zoo_core.testing.subjects import learner
from zoo_core.training.replay import alike, plainly

ALGORITHMS = {offer.qualified_name: offer.entry for offer in load_zoo().algorithms if not offer.entry.online}
KINDS = [(name, kind) for name, entry in ALGORITHMS.items() for kind in entry.actions]
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


def each_kind_of_iteration(checked):
    """The learner before the first iteration of each kind of each phase."""
    begun = 0
    while begun < checked.total:
        phase, _, length = checked.phase_at(begun)
        for numbers in alike(phase, length):
            checked.iteration = begun + numbers[0] - 1
            yield numbers[0]
        begun += length


@pytest.mark.parametrize("seeds", [(0,), (0, 1)], ids=["one", "stacked"])
@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_iteration_can_be_recorded(name, kind, seeds):
    """The last phase is long enough for steps that act every thousand iterations."""
    checked = learner(ALGORITHMS[name], kind, *seeds, iterations=2000)
    checked.replay_with(watched)
    for _ in each_kind_of_iteration(checked):
        checked.step()


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_recorded_seeds_train_to_the_bits_of_plain_ones(name, kind):
    plain, recorded = (learner(ALGORITHMS[name], kind, 0, 1) for _ in range(2))
    recorded.replay_with(plainly)
    for _ in each_kind_of_iteration(plain):
        recorded.iteration = plain.iteration
        for _ in range(2):
            plain.step()
            recorded.step()
    for index in range(2):
        found = recorded.state(index)
        assert all(torch.equal(tensor, found[path]) for path, tensor in plain.state(index).items())
