"""Whether a plugin keeps to the public API: read from its source, nothing of it is imported."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo_core.plugins.installed import installed_plugins

PUBLIC = ("zoo_core", "zoo_core.nn", "zoo_core.data", "zoo_core.testing")


def private_imports(packages: Sequence[str]) -> list[str]:
    """`file:line imports what` for every import, in these packages or modules, that a plugin should do without.

    That is whatever is not public of the zoo, and other plugins: they come and go without each other.
    """
    found, strangers = [], {"zoo_core", "zoo_cli", *_plugin_packages()} - {Path(place).stem for place in packages}
    for place in map(Path, packages):
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            shown = file.relative_to(place.parent)
            for what, line in _imports(file):
                if what.split(":")[0].split(".")[0] in strangers and not _is_public(what):
                    found.append(f"{shown}:{line} imports {what}")
    return found


def _plugin_packages() -> set[str]:
    return {module.partition(".")[0] for plugin in installed_plugins() for module in plugin.modules}


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """What a file imports, as `module` or `module:name`, and in which line."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return  # whoever imports it will hear of it
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((f"{node.module}:{alias.name}", node.lineno) for alias in node.names)


def _is_public(what: str) -> bool:
    module, _, name = what.partition(":")
    if module not in PUBLIC:
        return False
    return not name or f"{module}.{name}" in PUBLIC or name in importlib.import_module(module).__all__
