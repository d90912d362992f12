"""`zoo list`: what is installed, what is broken and why, what could be installed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from zoo_cli.registry import ORIGINS, Known, load_registry
from zoo_cli.tables import show_facts, show_heading, show_json, show_table, show_text
from zoo_core.plugins import Offer, PluginRow, Zoo, discover, load_zoo

KINDS = {"algos": "algorithm", "envs": "env", "datasets": "dataset", "mixers": "mixer"}
NEXT = "\n"
TITLES = {"algos": "Algorithms", "envs": "Environments", "datasets": "Datasets", "mixers": "Mixers"}


@click.command(
    "list",
    epilog="\b\nExamples:\n  zoo list\n  zoo list algos\n  zoo list plugins --refresh\n  zoo list envs --json",
)
@click.argument("what", required=False, type=click.Choice([*KINDS, "plugins"]))
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one list per kind, and the plugins.")
@click.option("--refresh", is_flag=True, help="Look at every plugin again, whatever the cache says.")
@click.option("--available", is_flag=True, help="Show only what could be installed, and the command that does.")
def list_command(what: str | None, as_json: bool, refresh: bool, available: bool) -> None:
    """Show what is installed, what is broken and what could be installed.

    The first run after an installation looks at the new plugin in a process of its own; later runs read what was
    found from a cache.
    """
    zoo = discover(refresh=True, progress=_progress) if refresh else load_zoo(_progress)
    missing = _missing(zoo)
    if as_json:
        show_json(_as_json(zoo, missing, what, available))
    elif available:
        _show_missing(missing, what)
    elif what == "plugins":
        _show_plugins(zoo)
    elif what:
        _show_offers(what, zoo.offers(KINDS[what]))
        _show_broken(zoo.plugins)
    else:
        for kind in KINDS:
            _show_offers(kind, zoo.offers(KINDS[kind]))
        _show_broken(zoo.plugins)
        if missing:
            show_heading("\nCould be installed (zoo list --available says how)")
            show_table(("plugin", "what it is"), [(known.distribution, known.summary) for known in missing])


def _progress(distribution: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"looking at {distribution}", err=True)


def _missing(zoo: Zoo) -> list[Known]:
    """Known plugins that are not installed."""
    installed = {row.distribution for row in zoo.plugins if row.version}
    return [known for known in load_registry() if known.distribution not in installed]


def _as_json(zoo: Zoo, missing: Sequence[Known], what: str | None, available: bool) -> dict[str, Any]:
    """Only what was asked for; everything without a word."""
    found: dict[str, Any] = {}
    if not available:
        for kind in KINDS if what is None else [what] if what in KINDS else []:
            found[kind] = [
                {**offer.entry.as_json(), "distribution": offer.distribution, "version": offer.version}
                for offer in zoo.offers(KINDS[kind])
            ]
        if what in (None, "plugins"):
            shared = zoo.shared_names()
            found["plugins"] = [{**row.as_json(), "shared": _shared(row, shared)} for row in zoo.plugins]
    if available or what is None:
        found["available"] = [
            {
                "distribution": known.distribution,
                "summary": known.summary,
                "origin": known.origin,
                "core_range": known.core,
                "homepage": known.homepage,
                "provides": {kind: list(names) for kind, names in known.provides.items()},
                "install": known.install_command(),
            }
            for known in _providing(missing, what)
        ]
    return found


def _providing(known: Sequence[Known], what: str | None) -> list[Known]:
    return [plugin for plugin in known if what not in KINDS or KINDS[what] in plugin.provides]


def _show_offers(what: str, offers: Sequence[Offer[Any]]) -> None:
    show_heading(f"{TITLES[what]} ({len(offers)})")
    if not offers:
        click.echo(f"  none installed: zoo list {what} --available")
        return
    count = Counter(offer.name for offer in offers)
    extra = {"datasets": ("transitions",), "envs": ("default quality",)}.get(what, ())
    rows = [
        (
            offer.entry.label if count[offer.name] == 1 else f"{offer.distribution}:{offer.entry.label}",
            *_extra(what, offer.entry),
            offer.entry.summary,
            f"{offer.distribution} {offer.version}",
        )
        for offer in offers
    ]
    show_table(("name", *extra, "what it is", "plugin"), rows)


def _extra(what: str, entry: Any) -> tuple[str, ...]:
    if what == "datasets":
        return (f"{entry.transitions:,}",)
    return (entry.default_quality,) if what == "envs" else ()


def _show_plugins(zoo: Zoo) -> None:
    """A line per plugin; on a terminal, which is narrower, some columns stand below others."""
    rows, shared = zoo.plugins, zoo.shared_names()
    show_heading(f"Plugins ({len(rows)})")
    broken = [index for index, row in enumerate(rows) if row.state == "broken"]
    cost = [f"{row.import_seconds * 1000:.0f} ms" if row.healthy else "" for row in rows]
    if sys.stdout.isatty():
        cells = [
            tuple(
                NEXT.join(filter(None, lines))
                for lines in (
                    (row.distribution, row.version),
                    (row.state, ms),
                    (row.core_range,),
                    (_offered(row, shared, NEXT), _place(row)),
                )
            )
            for row, ms in zip(rows, cost, strict=True)
        ]
        headers = (f"plugin{NEXT}version", f"state{NEXT}import", "core", f"provides, or why not{NEXT}source")
        show_table(headers, cells, red=broken)
        return
    cells = [
        (row.distribution, row.version, row.state, row.core_range, ms, _place(row), _offered(row, shared))
        for row, ms in zip(rows, cost, strict=True)
    ]
    show_table(("plugin", "version", "state", "core", "import", "source", "provides, or why not"), cells, red=broken)


SharedNames = Mapping[tuple[str, str], tuple[str, ...]]


def _offered(row: PluginRow, shared: SharedNames, separator: str = "; ") -> str:
    """What a plugin provides, and what is wrong with it."""
    parts = [row.reason] if row.reason else [f"{kind}: {', '.join(names)}" for kind, names in row.provides.items()]
    parts += [f"{name} is offered by {' and '.join(others)} too" for name, others in _shared(row, shared).items()]
    parts += [f"imports {', '.join(row.heavy)} at once, as it should not"] if row.heavy else []
    return separator.join(parts)


def _shared(row: PluginRow, shared: SharedNames) -> dict[str, list[str]]:
    """`kind name` → the other plugins that offer it, for what this one shares with them."""
    return {
        f"{kind} {name}": [owner for owner in owners if owner != row.distribution]
        for (kind, name), owners in shared.items()
        if row.distribution in owners
    }


def _place(row: PluginRow) -> str:
    """The source, a folder below the working directory by its short name."""
    kind, _, place = row.source.partition(" ")
    here = Path.cwd()
    return f"{kind} ./{Path(place).relative_to(here)}" if place and here in Path(place).parents else row.source


def _show_broken(rows: Sequence[PluginRow]) -> None:
    broken = [row for row in rows if row.state == "broken"]
    if broken:
        show_heading(f"\nBroken ({len(broken)}); everything else works")
        cells = [(row.distribution, row.version, row.reason) for row in broken]
        show_table(("plugin", "version", "why"), cells, red=range(len(broken)))


def _show_missing(missing: Sequence[Known], what: str | None) -> None:
    chosen = _providing(missing, what)
    if not chosen:
        click.echo("Every known plugin of this kind is installed." if what else "Every known plugin is installed.")
    for index, known in enumerate(chosen):
        show_heading(f"{NEXT if index else ''}{known.distribution} ({ORIGINS[known.origin]})")
        show_text(known.summary)
        provides = {kind: ", ".join(names) for kind, names in known.provides.items()}
        show_facts({**provides, "zoo-core": known.core, "install": known.install_command()})
