"""The generated sections of docs/algorithms/<name>.md: settings, what the presets differ in, results.

A page holds `<!-- generated: settings -->` … `<!-- end -->`, and the same for `presets` and `results`. Settings come
from the algorithm's config and its defaults.yaml as the core resolves them, results from the tables of docs/results.md.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from zoo_core import AlgorithmEntry, EnvEntry, Source, load_zoo, resolve
from zoo_core.config import Resolved, load_presets, qualities_with_settings

BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
QUALITIES = ("random", "medium-replay", "medium", "expert")
ELSEWHERE = "any other environment"


def pages(docs: Path) -> dict[Path, str]:
    """Every page of an installed algorithm, with its generated sections as they should be."""
    entries = {offer.name: offer.entry for offer in load_zoo().algorithms}
    found = {}
    for name, entry in sorted(entries.items()):
        path = docs / "algorithms" / f"{name}.md"
        if path.exists():
            found[path] = filled(path.read_text(encoding="utf-8"), entry, docs)
    return found


def write_sections(docs: Path) -> None:
    """Bring the generated sections of all algorithms' pages up to date."""
    for path, text in pages(docs).items():
        path.write_text(text, encoding="utf-8")


def filled(text: str, entry: AlgorithmEntry, docs: Path) -> str:
    """A page with its blocks written anew."""
    makers: dict[str, Callable[[], Iterable[str]]] = {
        "settings": lambda: settings(entry),
        "environments": lambda: environments(entry),
        "presets": lambda: presets(entry),
        "results": lambda: results(entry, docs),
    }

    def write(match: re.Match[str]) -> str:
        return match.group(1) + "\n" + "\n".join(makers[match.group(2)]()) + "\n\n" + match.group(3)

    return BLOCK.sub(write, text)


def resolved(entry: AlgorithmEntry, preset: str | None, env: str = "", quality: str = "") -> Resolved:
    """The settings of a preset, on one environment or on one that no preset knows."""
    stranger = EnvEntry(env or "elsewhere", "", "", Source(""))
    return resolve(
        entry, entry.load().Config, env=stranger, action_kind=entry.actions[0], quality=quality, preset=preset
    )


def settings(entry: AlgorithmEntry) -> list[str]:
    """Every setting on an environment without settings of its own: name, value, meaning, source."""
    found = resolved(entry, None)
    docs = {f.name: f.metadata.get("doc", "") for f in dataclasses.fields(found.config)}
    rows = [
        [f"`{name}`", shown(getattr(found.config, name)), docs[name], origin.source or "our choice"]
        for name, origin in found.origins.items()
    ]
    return table(["setting", "value", "meaning", "source"], rows)


def environments(entry: AlgorithmEntry) -> list[str]:
    """The settings that depend on the environment or its data, one column for each environment."""
    first = next(iter(load_presets(entry)), None)
    names = [
        key for key in load_presets(entry).get(first or "", {}) if key not in ("continuous", "discrete", "extends")
    ]
    columns = {env: by_quality(entry, first, env) for env in names} | {ELSEWHERE: by_quality(entry, first, "")}
    varying = [
        name for name in resolved(entry, first).origins if len({cell(column, name) for column in columns.values()}) > 1
    ]
    rows = [[f"`{name}`", *(cell(column, name) for column in columns.values())] for name in varying]
    return table(["setting", *(f"`{env}`" if env in names else env for env in columns)], rows)


def by_quality(entry: AlgorithmEntry, preset: str | None, env: str) -> dict[str, Any]:
    """Quality → config. A single "" where the data make no difference."""
    own = qualities_with_settings(entry, env) if env else []
    ordered = sorted(own, key=lambda q: QUALITIES.index(q) if q in QUALITIES else len(QUALITIES))
    return {quality: resolved(entry, preset, env, quality).config for quality in ordered or [""]}


def cell(configs: dict[str, Any], name: str) -> str:
    """One value, or one for each quality."""
    values = {quality: shown(getattr(config, name)) for quality, config in configs.items()}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return "<br>".join(f"{quality} {value}" for quality, value in values.items())


def presets(entry: AlgorithmEntry) -> list[str]:
    """What the second preset changes: the reason that `zoo` has and, where `zoo` comes first, `published`'s source."""
    names = list(load_presets(entry))
    first, second = (resolved(entry, name) for name in names)  # a third would need a table of another form
    head, origins = ["setting", f"`{names[0]}` (default)", f"`{names[1]}`"], [second.origins]
    if names[0] == "zoo":
        head, origins = [*head, "why `zoo` has its own", f"source of `{names[1]}`"], [first.origins, second.origins]
    else:
        head.append("why")
    rows = []
    for key in second.origins:
        before, after = getattr(first.config, key), getattr(second.config, key)
        if before != after:
            rows.append([f"`{key}`", shown(before), shown(after), *(each[key].source for each in origins)])
    return table(head, rows)


def results(entry: AlgorithmEntry, docs: Path) -> list[str]:
    """The rows of this algorithm in the tables of docs/results.md."""
    kept = (
        "data",
        "its return",
        "preset",
        "iterations",
        "seeds",
        "return (last)",
        "± 95%",
        "normalised (last)",
        "published",
    )
    head, rows, env = [], [], ""
    for line in (docs / "results.md").read_text(encoding="utf-8").splitlines():
        cells = [part.strip() for part in line.strip("|").split("|")]
        if line.startswith("## "):
            env = line.removeprefix("## ").split(",")[0].strip()  # what follows is the budget
        elif line.startswith("| data |"):
            head = cells
        elif line.startswith("| ") and head and cells[head.index("algorithm")] == entry.name:
            values = dict(zip(head, cells, strict=True))
            rows.append([f"`{env}/{values['data']}`", *(values[column] for column in kept[1:])])
    if not rows:
        return ["No run of it stands in the [results](../results.md) yet."]
    return [
        *table(list(kept), rows),
        "",
        "All algorithms beside each other, and what each column means: [results](../results.md).",
    ]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(part.replace("|", "\\|") for part in line) + " |" for line in lines]


def shown(value: Any) -> str:
    """A value as `--set` takes it, with separators for thousands."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
