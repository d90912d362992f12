"""What every episode must satisfy, whoever made it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_core.errors import DatasetError
from zoo_core.team import TeamSpec

_BOUND_SLACK = 1e-5
"""How far outside its bounds a float32 action may lie by rounding alone."""


def as_array(name: str, values: Any, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """`values` as an array of this type and shape (None: any size).

    Raises:
        DatasetError: an object array, another shape, or numbers that `dtype` cannot hold.
    """
    array = np.asarray(values)
    if array.dtype == object:
        raise DatasetError(f"{name}: an object array; only numbers are read, nothing is unpickled")
    fits = len(array.shape) == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("*" if size is None else str(size) for size in shape)
        raise DatasetError(f"{name}: shape {list(array.shape)} where [{wanted}] is expected")
    if dtype == "int64" and array.dtype.kind == "f":
        if not np.array_equal(array, np.trunc(array)):
            raise DatasetError(f"{name}: discrete actions must be whole numbers")
    elif dtype == "bool" and array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise DatasetError(f"{name}: values other than 0 and 1")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(array, dtype=dtype)


def require_finite(name: str, array: NDArray[Any], first_row: int = 0) -> None:
    """Raise `DatasetError` naming the array and the row of the first NaN or infinity."""
    finite = np.isfinite(array)
    if not finite.all():
        index = np.argwhere(~finite)[0]
        value = array[tuple(index)]
        place = [first_row + int(index[0]), *(int(i) for i in index[1:])]
        raise DatasetError(
            f"array {name!r}, row {place[0]}: {value} at index {place} ({int((~finite).sum()):,} such values in this "
            "part of the data). Remove these episodes, or mend the source and read it again"
        )


def require_actions_allowed(
    team: TeamSpec, action: NDArray[Any], mask: NDArray[np.bool_] | None, first_row: int = 0
) -> None:
    """Raise `DatasetError` if an action lies outside the team's bounds or number of actions, or was not available.

    `action`: [k, n, a] or [k, n]; `mask`: [k, n, A], the masks of the same steps.
    """
    if team.discrete:
        outside = (action < 0) | (action >= np.asarray(team.action_sizes))
        allowed = f"0 … {list(team.action_sizes)} − 1"
    else:
        slack = _BOUND_SLACK * max(1.0, abs(team.action_low), abs(team.action_high))
        outside = (action < team.action_low - slack) | (action > team.action_high + slack)
        allowed = f"[{team.action_low}, {team.action_high}]"
    if outside.any():
        index = np.argwhere(outside)[0]
        raise DatasetError(
            f"array 'action', row {first_row + int(index[0])}, agent {team.agents[index[1]]!r}: "
            f"{action[tuple(index)]} lies outside {allowed} ({int(outside.sum()):,} such values in this part)"
        )
    if mask is not None and team.discrete:
        available = np.take_along_axis(mask, action[..., None], axis=-1)[..., 0]
        if not available.all():
            index = np.argwhere(~available)[0]
            raise DatasetError(
                f"array 'action', row {first_row + int(index[0])}, agent {team.agents[index[1]]!r}: action "
                f"{action[tuple(index)]} was not available according to the action mask"
            )


def require_ends(
    terminated: NDArray[np.bool_], truncated: NDArray[np.bool_], lengths: NDArray[np.int64], first_episode: int = 0
) -> None:
    """Raise `DatasetError` unless each episode ends exactly on its last step. Flat arrays [k] of whole episodes."""
    ends = terminated | truncated
    last = np.cumsum(lengths) - 1
    if not ends[last].all():
        episode = first_episode + int(np.argmin(ends[last]))
        raise DatasetError(
            f"episode {episode}: its last step is neither terminated nor truncated. An episode that was merely cut "
            "off is truncated"
        )
    if int(ends.sum()) != len(last):
        inner = ends.copy()
        inner[last] = False
        step = int(np.argmax(inner))
        episode = first_episode + int(np.searchsorted(last, step))
        raise DatasetError(f"episode {episode}: terminated or truncated before its last step")
