"""Which functions may be compiled, decided by the run and not by the author.

    @compilable
    def head_penalty(...): ...

runs eagerly, or through `torch.compile` while a run has compilation switched on.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar, cast

import torch

P = ParamSpec("P")
R = TypeVar("R")

_enabled: ContextVar[bool] = ContextVar("zoo_compile", default=False)


def compilable(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a pure tensor function as worth compiling. Shapes should not vary between calls."""
    compiled: list[Callable[P, R]] = []

    @functools.wraps(function)
    def dispatch(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _enabled.get():
            return function(*args, **kwargs)
        if not compiled:
            compiled.append(cast(Callable[P, R], torch.compile(function, dynamic=False)))
        return compiled[0](*args, **kwargs)

    return dispatch


@contextmanager
def compiling(enabled: bool) -> Iterator[None]:
    """Within this block, `compilable` functions are compiled (or not)."""
    token = _enabled.set(enabled)
    try:
        yield
    finally:
        _enabled.reset(token)
