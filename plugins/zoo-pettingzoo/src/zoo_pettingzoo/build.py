"""From a task to the PettingZoo environment it names, or to what is wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from zoo_core import SettingError, UsageError, did_you_mean
from zoo_pettingzoo.generators import undisturbed
from zoo_pettingzoo.locate import locate, quiet
from zoo_pettingzoo.task import LIMIT, OWN, Task

_LIMITS = ("max_cycles", "max_steps", "max_episode_steps", "_max_episode_steps", "episode_limit")
_INNER = ("unwrapped", "env", "aec_env", "par_env", "single_agent_env", "spec")


class Maker:
    """What builds the environments of one task.

    Attributes:
        module: the top-level module it comes from.
        keywords: names it takes, with their defaults; `open` if it may take others too.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.module = task.target.partition(":")[0].partition(".")[0]
        self.make, module = locate(task)
        self.keywords, self.open = _keywords(self.make, module)
        self.options = {k: v for k, v in task.options.items() if k not in OWN or (k == LIMIT and k in self.keywords)}
        self._require_known()

    def build(self) -> Any:
        """A new environment that can draw itself, if it says it can. Raises `UsageError` if it cannot be built."""
        drawn = {"render_mode": "rgb_array"} if self.open or "render_mode" in self.keywords else {}
        try:
            with quiet(), undisturbed():
                try:
                    env = self.make(**self.options, **drawn)
                except TypeError as error:
                    if not drawn or "render_mode" not in str(error):
                        raise
                    env = self.make(**self.options)
                return self._parallel(env)
        except UsageError:
            raise
        except TypeError as error:
            named = [key for key in self.options if f"'{key}'" in str(error)]
            if "unexpected keyword" in str(error) and named:
                raise SettingError(f"{self.task.name}: the environment takes no {named[0]!r}{self._takes()}") from error
            missing = self._takes() if "missing" in str(error) else ""
            raise UsageError(f"{self._failed(error)}{missing}") from error
        except Exception as error:  # the environment's own code may raise anything
            raise self._failed(error) from error

    def limit(self, env: Any) -> int:
        """Steps of an episode: `max_steps` of the task, else what the environment says. Raises `SettingError`."""
        given = self.task.options.get(LIMIT)
        if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
            raise SettingError(f"{self.task.name}: {LIMIT} must be a whole number of steps, not {given!r}")
        stated = (self.keywords.get(name) for name in _LIMITS)
        found = given or _stated_limit(env) or next(filter(_is_limit, stated), None)
        if found is None:
            raise SettingError(
                f"{self.task.name} does not say after how many steps an episode ends: add {LIMIT}, for example"
                f" {self.task.name},{LIMIT}=100"
            )
        return int(found)

    def _parallel(self, env: Any) -> Any:
        """The environment itself, or one that acts in turns as a parallel one where that changes nothing."""
        from pettingzoo import AECEnv
        from pettingzoo.utils.conversions import aec_to_parallel

        if isinstance(env, AECEnv):
            if not env.metadata.get("is_parallelizable", False):
                raise UsageError(
                    f"{self.task.name} acts in turns (an AEC environment that does not declare is_parallelizable):"
                    " the zoo's teams act at the same time"
                )
            env = aec_to_parallel(env)
        needed = ("reset", "step", "observation_space", "action_space", "possible_agents")
        lacking = [name for name in needed if not hasattr(env, name)]
        if lacking or not callable(env.observation_space):
            raise UsageError(
                f"{self.task.name} built a {type(env).__name__}, which is no PettingZoo parallel environment"
                f" (it lacks {', '.join(lacking) or 'observation_space(agent)'})"
            )
        if not env.possible_agents:
            raise UsageError(f"{self.task.name} has no possible_agents: a team is a fixed list of agents")
        return env

    def _require_known(self) -> None:
        if "render_mode" in self.options:
            raise SettingError(f"{self.task.name}: leave render_mode out; `zoo render` sets it")
        for key in self.options:
            if key not in self.keywords and not self.open:
                raise SettingError(f"{self.task.name}: the environment takes no {key!r}{self._takes(key)}")

    def _takes(self, key: str = "") -> str:
        names = [name for name in self.keywords if name != "render_mode"]
        known = {name.lower(): name for name in (*names, *OWN)}
        near = f" Did you mean {known[key.lower()]!r}?" if key.lower() in known else did_you_mean(key, known.values())
        meant = near if "?" in near else ""
        return f".{meant} It takes {', '.join(names) or 'no keywords'}; the zoo itself reads {', '.join(OWN)}"

    def _failed(self, error: Exception) -> UsageError:
        return UsageError(f"{self.task.name} cannot be built: {type(error).__name__}: {error}")


def _keywords(make: Callable[..., Any], module: Any) -> tuple[dict[str, Any], bool]:
    """Names and defaults of a maker's keywords, and whether it may take others.

    PettingZoo's `parallel_env(**kwargs)` hands everything to the `raw_env` of its module.
    """
    found, is_open = _signature(make)
    raw = getattr(module, "raw_env", None) if isinstance(module, ModuleType) else None
    if is_open and callable(raw):
        more, is_open = _signature(raw)
        found |= more
    return found, is_open


def _signature(make: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        return {}, True
    named = {p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return named, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _stated_limit(env: Any) -> int | None:
    """What an environment or one it wraps says of its episodes' length, the outermost first; None if none does."""
    seen: list[Any] = []
    queue = [env]
    with quiet():
        while queue and len(seen) < 16:
            owner = queue.pop(0)
            if owner is None or any(owner is known for known in seen):
                continue
            seen.append(owner)
            for name in _LIMITS:
                if _is_limit(value := _attribute(owner, name)):
                    return int(value)
            queue += [_attribute(owner, name) for name in _INNER]
    return None


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name, None)
    except Exception:  # wrappers raise what they like for what they do not have
        return None


def _is_limit(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10_000_000
