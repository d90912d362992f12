"""What an iteration frees serves the next one, where the C library is glibc; elsewhere nothing happens."""

import ctypes
import platform
import resource

import pytest
import torch

from zoo_core.training import allocation
from zoo_core.training.allocation import keep_freed_memory
from zoo_core.training.modes import Modes, computing


@pytest.fixture(autouse=True)
def uncached():
    keep_freed_memory.cache_clear()
    yield
    keep_freed_memory.cache_clear()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_not_asked_of_the_system_again():
    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            torch.zeros(1 << 20).add(1.0)  # two arrays of a thousand pages each
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with computing(Modes()):
        faults()
        assert faults() < 5_000


@pytest.mark.parametrize(("given", "told"), [("0", False), (" OFF ", False), ("1", True), ("", True)])
def test_a_variable_keeps_the_allocator_as_it_is(monkeypatch, given, told):
    calls = []

    class Agrees:
        def mallopt(self, parameter: int, value: int) -> int:
            calls.append(parameter)
            return 1

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Agrees())
    monkeypatch.setenv("ZOO_KEEP_MEMORY", given)
    with computing(Modes()):
        pass
    assert bool(calls) is told
    assert keep_freed_memory() is told


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocation.ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False


def test_an_allocator_that_refuses_is_no_error(monkeypatch):
    class Refuses:
        def mallopt(self, parameter: int, value: int) -> int:
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Refuses())
    assert keep_freed_memory() is False
