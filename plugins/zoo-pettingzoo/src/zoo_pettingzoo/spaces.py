"""One agent's Gymnasium spaces as the zoo's numbers: flat observations, actions in [-1, 1] or 0 … A - 1, masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import utils
from numpy.typing import NDArray

from zoo_core import PluginError, UsageError

MASK = "action_mask"

_REFUSED = {
    "MultiDiscrete": "several choices at a time; make it one Discrete choice among the combinations",
    "MultiBinary": "several switches at a time; make it one Discrete choice among the combinations",
    "Tuple": "several parts of different kinds; give each a Box of one vector or a Discrete of one choice",
    "Dict": "several parts of different kinds; give each a Box of one vector or a Discrete of one choice",
}


class Codec:
    """Translates for one agent.

    Attributes:
        obs_size: numbers in its flat observation. A `Discrete` part is one-hot, as Gymnasium flattens it.
        kind: `continuous` or `discrete`.
        action_size: dimensions of its action, or number of its actions.
    """

    def __init__(self, env: str, agent: Any, observation: spaces.Space, action: spaces.Space) -> None:
        self.where = f"{env}: {agent}"
        self.masked_obs = isinstance(observation, spaces.Dict) and MASK in observation.spaces
        self.parts = [key for key in observation.spaces if key != MASK] if self.masked_obs else []
        self.obs_space = _part(observation, self.parts) if self.masked_obs else observation
        self.obs_size = self._flat_size()
        self.space = action
        if isinstance(action, spaces.Discrete):
            self.kind, self.action_size = "discrete", int(action.n)
        elif isinstance(action, spaces.Box) and np.issubdtype(action.dtype, np.floating):
            self.kind, self.action_size = "continuous", int(np.prod(action.shape))
            self._require_bounds(action)
        else:
            why = _REFUSED.get(type(action).__name__, "neither one Discrete choice nor one Box of real numbers")
            raise UsageError(f"{self.where} acts in {action}: {why}")
        if min(self.obs_size, self.action_size) < 1:
            raise UsageError(f"{self.where} sees or does nothing: its spaces are {observation} and {action}")

    def observe(self, raw: Any) -> NDArray[np.float64]:
        """Its flat observation [obs_size]. Raises `PluginError` where the environment does not keep to its space."""
        raw = self._unmasked(raw)
        if isinstance(self.obs_space, spaces.Box):
            flat = np.asarray(raw, dtype=np.float64).reshape(-1)
        else:
            flat = np.asarray(utils.flatten(self.obs_space, raw), dtype=np.float64).reshape(-1)
        if flat.size != self.obs_size:
            raise PluginError(f"{self.where} observes {flat.size} numbers; its space has {self.obs_size}")
        return flat

    def available(self, raw: Any, info: Any) -> NDArray[np.bool_] | None:
        """Its action mask [action_size] from the observation or the info; None if neither has one."""
        mask = raw[MASK] if self.masked_obs else info.get(MASK) if isinstance(info, dict) else None
        if mask is None:
            return None
        found = np.asarray(mask).astype(bool).reshape(-1)
        if found.size != self.action_size:
            raise PluginError(f"{self.where} has an action mask of {found.size} for {self.action_size} actions")
        return found

    def act(self, action: Any) -> Any:
        """What the environment takes for an action of the zoo: [action_size] in [-1, 1], or a number."""
        if isinstance(self.space, spaces.Discrete):
            return int(self.space.start) + int(action)
        box = self.space
        unit = (np.asarray(action, dtype=np.float64)[: self.action_size].reshape(box.shape) + 1.0) / 2.0
        low, high = box.low.astype(np.float64), box.high.astype(np.float64)
        # Clipped last: low + 1.0 · (high − low) may exceed high by its last bit.
        return np.clip((low + unit * (high - low)).astype(box.dtype), box.low, box.high)

    def _unmasked(self, raw: Any) -> Any:
        if not self.masked_obs:
            return raw
        return raw[self.parts[0]] if len(self.parts) == 1 else {key: raw[key] for key in self.parts}

    def _flat_size(self) -> int:
        try:
            flat = utils.flatten_space(self.obs_space)
        except NotImplementedError:
            flat = None
        if not isinstance(flat, spaces.Box):
            raise UsageError(f"{self.where} observes {self.obs_space}, which has no fixed number of values")
        return int(np.prod(flat.shape))

    def _require_bounds(self, box: spaces.Box) -> None:
        if not (np.isfinite(box.low).all() and np.isfinite(box.high).all() and (box.low < box.high).all()):
            raise UsageError(
                f"{self.where} acts in {box}, which has no bounds: wrap the environment so that every dimension has a"
                " finite low and high"
            )


def _part(observation: spaces.Dict, parts: list[str]) -> spaces.Space:
    """The space of what is seen beside the mask: the one other part, or a Dict of several."""
    return observation[parts[0]] if len(parts) == 1 else spaces.Dict({key: observation[key] for key in parts})
