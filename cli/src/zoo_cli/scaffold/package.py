"""From the templates to a folder: a complete package of one kind.

The templates are the files below `templates/`: those in `common/`, then those of the kind. Placeholders are words such
as `__NAME__`, so that a template is itself a module that linters read. In file names `dot.` stands for a leading dot,
and the ending `.template` is left out.
"""

from __future__ import annotations

import ast
import importlib.resources
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path

from zoo_cli.scaffold.naming import Names
from zoo_core.errors import UsageError

KINDS = ("algorithm", "env", "dataset", "mixer")


def render(kind: str, values: Mapping[str, str]) -> dict[str, str]:
    """Path → content of every file of a package. `values`: what each placeholder stands for, without underscores."""
    templates = importlib.resources.files("zoo_cli.scaffold") / "templates"
    return {
        _filled(path, values): _filled(text, values)
        for folder in ("common", kind)
        for path, text in _texts(templates / folder)
    }


def require_class_name(kind: str, names: Names) -> None:
    """Raise `UsageError` if the package's class would be called like something its modules import or define."""
    templates = importlib.resources.files("zoo_cli.scaffold") / "templates" / kind
    for path, text in _texts(templates):
        if path.endswith(".py") and names.class_name in set(_bound(ast.parse(text))):
            raise UsageError(
                f"{names.name!r} cannot name a plugin of this kind: its class would be called {names.class_name}, like "
                f"something that its modules use. Add a word, for example 'my-{names.name}'"
            )


def write_package(target: Path, files: Mapping[str, str]) -> None:
    """Write all files or none. Raises `UsageError` if the folder exists or cannot be made; nothing is overwritten."""
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already, and nothing of it was changed: choose another name or --out")
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        for name, text in files.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        staging.chmod(0o777 & ~_umask())  # mkdtemp's folders are their owner's alone
        staging.rename(target)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror or error}. --out names another folder") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _texts(folder: Traversable, at: str = "") -> Iterator[tuple[str, str]]:
    """Every template below a folder: the path it is written to, placeholders still in it, and its text."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        name = re.sub(r"^dot\.", ".", item.name).removesuffix(".template")
        if item.is_dir() and name != "__pycache__":
            yield from _texts(item, f"{at}{name}/")
        elif item.is_file():
            yield f"{at}{name}", item.read_text(encoding="utf-8")


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"__([A-Z]+(?:_[A-Z]+)*)__", lambda found: values[found[1]], text)


def _bound(tree: ast.Module) -> Iterator[str]:
    """Names that a module imports or defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
