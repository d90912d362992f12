"""Compare two rows of the results ledger by the seeds that both have: their last returns, seed by seed.

    python scripts/compare.py mamujoco-halfcheetah-6x1/medium-replay omcda omiga

Rows are named as in docs/results.md. Of each budget at which both were run: the differences, first minus second, and
their mean with its 95% t interval, which with few seeds is wide, as a return and on the normalised scale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from results_page import PUBLISHED, read

from zoo_core import UsageError, ZooError, did_you_mean
from zoo_core.training.scores import Score

RESULTS = Path(__file__).resolve().parent.parent / "results"


def compare(folder: Path, quality: str, first: str, second: str) -> Iterator[str]:
    """A line for each budget. Raises `UsageError` where no seed has both rows."""
    if not folder.is_dir():
        known = [path.name for path in folder.parent.iterdir() if path.is_dir()]
        raise UsageError(f"there are no results of {folder.name!r}.{did_you_mean(folder.name, known)}")
    names, said = set(), False
    for budget, found in read(folder).items():
        names |= {name for at, name in found if at == quality}
        one, two = ({r["seed"]: r for r in found.get((quality, name), ())} for name in (first, second))
        if seeds := sorted(one.keys() & two.keys()):
            at = "published budget" if budget == PUBLISHED else f"{budget:,} iterations"
            apart = {seed: one[seed]["final"]["mean"] - two[seed]["final"]["mean"] for seed in seeds}
            reference = one[seeds[0]]["reference"]
            scale = 100 / (reference["expert"] - reference["random"])
            each = ", ".join(f"{difference:+.1f} (seed {seed})" for seed, difference in apart.items())
            mean, normalised = (_interval([by * x for x in apart.values()]) for by in (1, scale))
            yield f"{at}: {first} - {second}: {each}; mean {mean}, normalised {normalised}"
            said = True
    for name in (first, second):
        if name not in names:
            raise UsageError(f"no row of {folder.name}/{quality} is called {name!r}.{did_you_mean(name, names)}")
    if not said:
        raise UsageError(f"{first} and {second} have no seed in common at any budget: docs/results.md has their rows")


def _interval(values: list[float]) -> str:
    score = Score.of(values)
    return f"{score.mean:+.1f}" + (f" ± {score.half_width:.1f}" if score.count > 1 else "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="ENVIRONMENT/QUALITY")
    parser.add_argument("first", help="a row's name")
    parser.add_argument("second", help="another's")
    given = parser.parse_args()
    env, _, quality = given.data.partition("/")
    try:
        for line in compare(RESULTS / env, quality, given.first, given.second):
            print(line)
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
