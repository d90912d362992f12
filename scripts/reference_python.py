"""The reference of hooks and public names, read from the source: nothing is imported, so every Python gives one text.

A class is shown as its header, its fields and the headers of its public methods, each word as in the source.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "zoo_core" / "src"
DOCUMENTED_BY_HOOKS = "zoo_core.entries"

TITLES = {
    "zoo_core.algorithms": "Algorithms",
    "zoo_core.batch": "Batches",
    "zoo_core.config": "Settings",
    "zoo_core.team": "Teams",
    "zoo_core.envs": "Environments",
    "zoo_core.mixers": "Mixers",
    "zoo_core.seeding": "Randomness",
    "zoo_core.hookspecs": "Hooks",
    "zoo_core.entries": "Entries",
    "zoo_core.plugins": "What is installed",
    "zoo_core.plugins.zoo": "What is installed",
    "zoo_core.plugins.discovery": "What is installed",
    "zoo_core.api": "Training from Python",
    "zoo_core.runs": "Runs",
    "zoo_core.acting": "Trained policies",
    "zoo_core.errors": "Errors",
    "zoo_core.data.build": "Building",
    "zoo_core.data.writer": "Writing",
    "zoo_core.data.rollouts": "Rolling out a policy",
    "zoo_core.data.catalogue": "Names",
    "zoo_core.data.views": "As arrays and episodes",
    "zoo_core.data.dataset": "Datasets",
    "zoo_core.data.card": "Cards",
    "zoo_core.data.correlation": "Action correlation",
    "zoo_core.data.sampling": "Sampling",
    "zoo_core.data.importers": "Importing",
    "zoo_core.data.exporters.minari": "Exporting",
    "zoo_core.data.restricted": "Files of other people",
    "zoo_core.testing.kit": "Any entry",
    "zoo_core.testing.checks": "Checks",
    "zoo_core.testing.algorithms": "Algorithms",
    "zoo_core.testing.learning": "Learning",
    "zoo_core.testing.envs": "Environments",
    "zoo_core.testing.datasets": "Datasets",
    "zoo_core.testing.mixers": "Mixers",
    "zoo_core.testing.games": "Games",
    "zoo_core.testing.tiny": "Tiny data and learners",
}
"""Headings of the groups, in their order on the page; a module without one comes last, headed by its name."""

PAGES = {"zoo_core": "zoo_core", "zoo_core.nn": "nn", "zoo_core.data": "data", "zoo_core.testing": "testing"}
"""Public package → its page."""

ENTRIES = {
    "zoo_envs": ("EnvEntry", "zoo_core.md#environments"),
    "zoo_datasets": ("DatasetEntry", "data.md#build"),
    "zoo_mixers": ("MixerEntry", "zoo_core.md#mixers"),
    "zoo_algorithms": ("AlgorithmEntry", "zoo_core.md#algorithms"),
}
"""Hook → the entry it returns, and where the contract of what its factory makes is described."""

LONGEST_VALUE = 15
"""Lines of a constant that are shown whole; of a longer one its first line."""

WRITTEN = "<!-- Written by `python scripts/reference.py --write` from the source; do not edit. -->\n\n"


@dataclass(frozen=True)
class Module:
    """A module's text and tree."""

    name: str
    text: str
    tree: ast.Module

    def find(self, name: str) -> ast.stmt | None:
        """The statement that defines a name at the module's top."""
        return next((node for node in self.tree.body if name in defined(node)), None)

    def after(self, node: ast.stmt) -> str:
        """The string below an assignment, which documents it."""
        return following_string(self.tree.body, node)

    def doc(self) -> str:
        return ast.get_docstring(self.tree) or ""


@cache
def module(name: str) -> Module:
    """Read a module of zoo_core by its dotted name."""
    path = SOURCE.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = file.read_text(encoding="utf-8")
    return Module(name, text, ast.parse(text))


def defined(node: ast.stmt) -> list[str]:
    """Names that a statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [
            n.id for t in node.targets for n in (t.elts if isinstance(t, ast.Tuple) else [t]) if isinstance(n, ast.Name)
        ]
    return []


def exports(package: str) -> dict[str, str]:
    """Public name → the module that defines it. From the package's lazy table, or its imports."""
    found = module(package)
    table = found.find("_EXPORTS")
    if isinstance(table, ast.Assign):
        homes = {name: home for home, names in ast.literal_eval(table.value).items() for name in names}
    else:
        public = set(ast.literal_eval(found.find("__all__").value))  # type: ignore[union-attr]
        homes = {name: home for name, home in imports(found).items() if name in public}
    return {name: definer(home, name) for name, home in homes.items()}


def imports(found: Module) -> dict[str, str]:
    """Name → module, for every `from module import name` at the top."""
    froms = (node for node in found.tree.body if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.asname or alias.name: node.module for node in froms for alias in node.names if node.module}


def definer(home: str, name: str) -> str:
    """The module that defines a name which `home` may only pass on."""
    found = module(home)
    return home if found.find(name) else definer(imports(found)[name], name)


# --- one definition ----------------------------------------------------------------------------------------------


def stub(found: Module, node: ast.stmt) -> str:
    """A definition without its body: header, fields, headers of public methods."""
    if isinstance(node, ast.FunctionDef):
        return header(found, node) + ": ..."
    if not isinstance(node, ast.ClassDef):
        text = source(found, node)
        return text if text.count("\n") < LONGEST_VALUE else text.partition("\n")[0] + " …"
    members = [f"    {line}".rstrip() for line in class_members(found, node)]
    return "\n".join([header(found, node) + ":" + ("" if members else " ..."), *members])


def class_members(found: Module, node: ast.ClassDef) -> Iterator[str]:
    fields = False
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and is_public(member.name):
            yield from [""] * fields
            fields = False
            yield from (header(found, member) + ": ...").splitlines()
        elif any(is_public(name) for name in defined(member)) and not isinstance(member, ast.FunctionDef):
            yield from source(found, member).splitlines()
            fields = True


def is_public(name: str) -> bool:
    return not name.startswith("_") or name in ("__init__", "__call__")


def header(found: Module, node: ast.ClassDef | ast.FunctionDef) -> str:
    """`@decorators` and `class X(Y)` or `def f(...) -> T`, as written, without the colon."""
    lines = found.text.splitlines()
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    body = node.body[0]
    start = min([body.lineno, *(d.lineno for d in getattr(body, "decorator_list", []))])
    if body.lineno == node.lineno:  # one line
        text = [*lines[first - 1 : body.lineno - 1], lines[body.lineno - 1][: body.col_offset]]
    else:
        text = lines[first - 1 : start - 1]
    joined = inspect.cleandoc("\n".join(line for line in text if line.strip() and not line.strip().startswith("#")))
    return re.sub(r":\s*(#[^\n]*)?$", "", joined)


def source(found: Module, node: ast.stmt) -> str:
    """A statement as written, a trailing comment included."""
    lines = found.text.splitlines()[node.lineno - 1 : node.end_lineno]
    return inspect.cleandoc("\n".join([lines[0].lstrip(), *lines[1:]])) if len(lines) == 1 else dedent(lines)


def dedent(lines: list[str]) -> str:
    indent = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[indent:] for line in lines)


def following_string(body: list[ast.stmt], node: ast.stmt) -> str:
    position = body.index(node) + 1
    if position < len(body):
        after = body[position]
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            return inspect.cleandoc(after.value.value)
    return ""


def describe(found: Module, node: ast.stmt, level: str = "###") -> str:
    """A heading, the stub, the docstring, and a list of the members that have docs of their own."""
    (name, *_) = defined(node)
    parts = [f"{level} {name}", f"```python\n{stub(found, node)}\n```"]
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        parts.append(prose(ast.get_docstring(node) or ""))
    else:
        parts.append(prose(found.after(node)))
    if isinstance(node, ast.ClassDef):
        parts.append("\n".join(member_docs(node)))
    return "\n\n".join(part for part in parts if part)


def member_docs(node: ast.ClassDef) -> Iterator[str]:
    """One bullet for each documented field and public method."""
    for member in node.body:
        if isinstance(member, ast.FunctionDef):
            doc = ast.get_docstring(member) if is_public(member.name) else ""
        else:
            doc = following_string(node.body, member) if defined(member) else ""
        if doc:
            text = re.sub(r"\n(?=.)", "\n  ", prose(doc))
            yield f"- `{(getattr(member, 'name', '') or defined(member)[0])}`: {text}"


# --- docstrings --------------------------------------------------------------------------------------------------

SECTION = re.compile(r"^(Attributes|Args|Returns|Raises|Yields):$")


def prose(doc: str) -> str:
    """A docstring as Markdown: lists for its sections, code kept, everything else escaped."""
    lines: list[str] = []
    section, code = False, False
    for line in inspect.cleandoc(doc).splitlines() if doc else []:
        indent = len(line) - len(line.lstrip())
        if match := SECTION.match(line):
            lines += [f"{match.group(1)}:", ""]
            section = True
        elif section and indent == 4 and (item := re.match(r"([\w*, /]+): (.*)", line.strip())):
            lines.append(f"- `{item.group(1)}`: {escape(item.group(2))}")
        elif section and indent >= 4:
            lines.append("  " + escape(line.strip()))
        elif indent >= 4:
            code = True
            lines.append(line)
        else:
            section = section and not line
            if code and line and lines[-1]:
                lines.append("")
            code = False
            lines.append(escape(line))
    return "\n".join(lines).strip()


def escape(text: str) -> str:
    """Markdown's own characters outside `code` and *emphasis*."""
    parts = re.split(r"(`[^`]*`|\*{1,2}\b[^*]+\b\*{1,2})", text)
    return "".join(
        part if position % 2 else re.sub(r"([\[*])", r"\\\1", part).replace("<", "&lt;")
        for position, part in enumerate(parts)
    )


# --- pages -------------------------------------------------------------------------------------------------------


def package_page(package: str) -> str:
    """Every public name of a package, grouped by the module that defines it."""
    homes = exports(package)
    parts = [f"# {package}", prose(module(package).doc())]
    order = [*TITLES, *sorted(set(homes.values()) - TITLES.keys())]
    for home in sorted(set(homes.values()), key=order.index):
        found = module(home)
        names = [name for name in homes if homes[name] == home]
        parts += [f"## {TITLES.get(home, home.rpartition('.')[2].replace('_', ' ').capitalize())}"]
        if home == DOCUMENTED_BY_HOOKS:
            parts.append(", ".join(f"`{name}`" for name in names) + ": see [hooks](hooks.md).")
            continue
        parts.append(f"`{home}`: {prose(found.doc().partition(chr(10) * 2)[0])}")
        nodes = sorted((found.find(name) for name in names), key=lambda node: node.lineno if node else 0)
        parts += [describe(found, node) for node in dict.fromkeys(nodes) if node]
    return WRITTEN + "\n\n".join(part for part in parts if part) + "\n"


def hooks_page() -> str:
    """The four hooks, the entries they return and what the factories are called with."""
    hooks, entries = module("zoo_core.hookspecs"), module(DOCUMENTED_BY_HOOKS)
    parts = ["# Hooks", prose(hooks.doc())]
    for name, (entry, contract) in ENTRIES.items():
        node = hooks.find(name)
        assert isinstance(node, ast.FunctionDef), f"hookspecs.py has no hook {name}"
        parts += [f"## {name}", f"```python\n{stub(hooks, node)}\n```", prose(ast.get_docstring(node) or "")]
        parts.append(f"What its factory must give: [{contract.rpartition('#')[2]}]({contract}).")
        entry_node = entries.find(entry)
        assert entry_node, f"entries.py has no {entry}"
        parts.append(describe(entries, entry_node))
    parts.append("## What all entries have")
    shared = [node for node in entries.tree.body if node_is_shared(node)]
    parts += [describe(entries, node) for node in shared]
    return WRITTEN + "\n\n".join(part for part in parts if part) + "\n"


def node_is_shared(node: ast.stmt) -> bool:
    """Definitions of entries.py that are public and not one of the four entries."""
    names = defined(node)
    shown = {entry for entry, _ in ENTRIES.values()} | {"KINDS", "entry_from_json", "CONTINUOUS"}
    return bool(names) and is_public(names[0]) and names[0] not in shown
