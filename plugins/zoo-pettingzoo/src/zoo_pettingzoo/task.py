"""How a task is written: `module.env_name[,key=value…]` or `module:function[,key=value…]`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from zoo_core import ReferenceScores, SettingError, UsageError

FAMILY = "pettingzoo"
LIMIT, SCORES = "max_steps", ("random_score", "expert_score")
OWN = (LIMIT, *SCORES)
"""Keys that this plugin reads itself; an environment that has a keyword `max_steps` is handed it too."""

_TARGET = re.compile(r"\w+(\.\w+)*(:\w+(\.\w+)*)?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_PLAIN = re.compile(r"[\w./+-]+")


@dataclass(frozen=True)
class Task:
    """An environment and its keywords, sorted by key; values are JSON values."""

    target: str
    options: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The one spelling of this task, which `parse` reads back equal."""
        return ",".join([self.target, *(f"{key}={_text(value)}" for key, value in self.options.items())])

    @property
    def name(self) -> str:
        """The environment's name in the zoo."""
        return f"{FAMILY}:{self.text}"

    @property
    def reference(self) -> ReferenceScores | None:
        """The scale that the task itself states. Raises `SettingError` for half of one, or one without extent."""
        given = [self.options[key] for key in SCORES if key in self.options]
        if not given:
            return None
        numbers = [v for v in given if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)]
        if len(numbers) != 2 or numbers[0] == numbers[1]:
            raise SettingError(f"{self.name}: give {' and '.join(SCORES)} together, two different numbers")
        return ReferenceScores(float(numbers[0]), float(numbers[1]), "stated in the environment's name")


def parse(text: str) -> Task:
    """Read a task. Raises `UsageError` for one that cannot be read."""
    target, *pieces = (piece.strip() for piece in _pieces(text))
    if not _TARGET.fullmatch(target):
        raise UsageError(
            f"{FAMILY}:{text} names no environment: write {FAMILY}:MODULE or {FAMILY}:MODULE:FUNCTION, keywords after"
            f" commas, for example {FAMILY}:mpe2.simple_spread_v3,N=4"
        )
    options: dict[str, Any] = {}
    for piece in pieces:
        key, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not key.isidentifier():
            raise SettingError(f"{FAMILY}:{target}: {piece!r} is no key=value; for example max_cycles=25")
        if key in options:
            raise SettingError(f"{FAMILY}:{target}: {key} is given twice")
        options[key] = _value(target, key, value)
    return Task(target, dict(sorted(options.items())))


def _pieces(text: str) -> Iterator[str]:
    """The text between commas that stand outside brackets and quotes."""
    start, depth, quote = 0, 0, ""
    for position, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[{(":
            depth += 1
        elif letter in "]})":
            depth -= 1
        elif letter == "," and depth <= 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def _value(target: str, key: str, text: str) -> Any:
    """A YAML scalar or collection of plain values; `1e-3` is a number, which YAML takes for a text."""
    try:
        value = yaml.safe_load(text)
        json.dumps(value, allow_nan=False)
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise SettingError(f"{FAMILY}:{target}: cannot read the value of {key}={text}: {error}") from error
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(text) else value


def _text(value: Any) -> str:
    """The shortest text that `_value` reads back equal."""
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value)
    if plain and yaml.safe_load(value) == value:
        return str(value)
    return repr(value) if isinstance(value, float) else json.dumps(value, separators=(",", ":"))
