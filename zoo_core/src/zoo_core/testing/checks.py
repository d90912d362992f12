"""What a check is: a named claim about an entry that holds or says how to mend it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from zoo_core.errors import ZooError


class Check(NamedTuple):
    """The outcome of one claim. `detail` says what was seen and how to mend it; empty if it passed."""

    name: str
    passed: bool
    detail: str = ""

    def __str__(self) -> str:
        return f"{'ok  ' if self.passed else 'FAIL'} {self.name}{': ' if self.detail else ''}{self.detail}"


class Broken(AssertionError):
    """A claim that does not hold."""


def demand(holds: object, mend: str) -> None:
    """Raise `Broken` with the advice `mend` unless `holds`."""
    if not holds:
        raise Broken(mend)


@dataclass(frozen=True)
class Claim:
    """A claim ready to be tested: call it, and it raises `Broken` (an `AssertionError`) if it does not hold.

    Parametrise a test with them: `@pytest.mark.parametrize("claim", algorithm_claims(entry), ids=str)`, body `claim()`.
    """

    name: str
    test: Callable[[], None]

    def __call__(self) -> None:
        self.test()

    def __str__(self) -> str:
        return self.name


def run_claims(claims: Iterable[Claim]) -> list[Check]:
    """Test every claim. One that raises is a failure with its reason, and does not stop the others."""
    checks = []
    for claim in claims:
        try:
            claim()
        except (Broken, ZooError) as error:
            checks.append(Check(claim.name, False, str(error)))
        except Exception as error:  # a plugin's own fault, of whatever type, is a failed check
            where = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            checks.append(Check(claim.name, False, detail))
        else:
            checks.append(Check(claim.name, True))
    return checks
