"""TensorBoard logs, on request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError


class Board:
    """Writes scalars; steps are iterations."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add(self, values: Mapping[str, float | None], iteration: int) -> None:
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, iteration)

    def close(self) -> None:
        self._writer.close()


def open_tensorboard(folder: Path, iteration: int) -> Board:
    """A board in `folder/tensorboard`; what it showed after `iteration` is dropped. Raises `UsageError`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("--tensorboard needs TensorBoard: pip install tensorboard") from None
    writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=iteration + 1)  # type: ignore[no-untyped-call]
    return Board(writer)
