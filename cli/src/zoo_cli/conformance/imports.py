"""Whether a plugin keeps to the public API: read from its source, nothing of it is imported."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

PUBLIC = ("zoo_core", "zoo_core.nn", "zoo_core.data", "zoo_core.testing")


def private_imports(packages: Sequence[str]) -> list[str]:
    """`file:line imports what` for every import, in these packages or modules, of the zoo that is not public."""
    found = []
    for place in map(Path, packages):
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            shown = file.relative_to(place.parent)
            found += [f"{shown}:{line} imports {what}" for what, line in _imports(file) if not _is_public(what)]
    return found


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """What a file imports of the zoo, as `module` or `module:name`, and in which line."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return  # whoever imports it will hear of it
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}:{alias.name}" for alias in node.names]
        else:
            continue
        yield from (
            (name, node.lineno) for name in names if name.split(":")[0].split(".")[0] in ("zoo_core", "zoo_cli")
        )


def _is_public(what: str) -> bool:
    module, _, name = what.partition(":")
    if module not in PUBLIC:
        return False
    return not name or f"{module}.{name}" in PUBLIC or name in importlib.import_module(module).__all__
