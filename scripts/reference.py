"""docs/reference and the generated sections of docs/algorithms, written from the code.

python scripts/reference.py            compare, and exit 1 naming what differs
python scripts/reference.py --write    write what differs
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import reference_algorithms
import reference_commands
import reference_python

DOCS = Path(__file__).resolve().parent.parent / "docs"
MEND = "python scripts/reference.py --write"


def pages(docs: Path = DOCS) -> dict[Path, str]:
    """Path → what should stand there."""
    reference = docs / "reference"
    found = {reference / "hooks.md": reference_python.hooks_page(), reference / "cli.md": reference_commands.page()}
    for package, page in reference_python.PAGES.items():
        found[reference / f"{page}.md"] = reference_python.package_page(package)
    return found | reference_algorithms.pages(docs)


def stale(found: Mapping[Path, str]) -> list[Path]:
    """Those whose file is not what it should be, or is missing."""
    return [path for path, text in found.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the pages instead of comparing them")
    write = parser.parse_args().write
    found = pages()
    different = stale(found)
    for path in different:
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(found[path], encoding="utf-8")
        print(f"{'written' if write else 'differs from the code'}: {path.relative_to(DOCS.parent)}")
    if different and not write:
        print(f"Run `{MEND}`", file=sys.stderr)
    return int(bool(different) and not write)


if __name__ == "__main__":
    sys.exit(main())
