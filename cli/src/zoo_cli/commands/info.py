"""`zoo info NAME`: a card of an algorithm, environment, dataset, mixer or plugin, installed or not."""

from __future__ import annotations

from importlib import metadata

import click

from zoo_cli.cards import Card, card, known_card, plugin_card
from zoo_cli.registry import load_registry
from zoo_cli.tables import show_facts, show_heading, show_json, show_table, show_text
from zoo_core.errors import UnknownName, UsageError
from zoo_core.plugins import Zoo, load_zoo


@click.command(
    "info",
    epilog="\b\nExamples:\n  zoo info mpe-cn\n  zoo info spacql --env mpe-cn --quality expert\n  zoo info vdn --json",
)
@click.argument("name")
@click.option("--env", default="", help="Resolve an algorithm's settings for this environment.")
@click.option("--quality", default="", help="Resolve them for this dataset quality of the environment.")
@click.option("--preset", default=None, help="Resolve them from this preset: published or zoo.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of cards.")
def info(name: str, env: str, quality: str, preset: str | None, as_json: bool) -> int:
    """Show the card of an algorithm, environment, dataset, mixer or plugin.

    NAME may also be DISTRIBUTION:NAME, where two plugins offer one name, or anything the catalogue knows and that is
    not installed here.
    """
    cards = _cards(load_zoo(), name, env, quality, preset)
    if as_json:
        show_json([shown.as_json() for shown in cards])
    else:
        for index, shown in enumerate(cards):
            if index:
                click.echo()
            _show(shown)
    return 1 if any("error" in (shown.settings or {}) for shown in cards) else 0


def _cards(zoo: Zoo, name: str, env: str, quality: str, preset: str | None) -> list[Card]:
    """All cards of a name; more than one where plugins or kinds share it. Raises `UnknownName` if there is none."""
    if offers := zoo.matching(name):
        return [card(zoo, offer, env=env, quality=quality, preset=preset) for offer in offers]
    registry = load_registry()
    rows = {row.distribution: row for row in zoo.plugins}
    known = next((plugin for plugin in registry if plugin.offers(name)), None)
    distribution = known.distribution if known else name
    if distribution in rows:
        return [plugin_card(rows[distribution], known)]
    if known:
        return [known_card(name, known)]
    if version := _installed(name):
        raise UsageError(
            f"{name} {version} is installed, but it is no plugin: it has no entry point in the group 'zoo'."
            f" `zoo plugin check {name}` shows the lines of pyproject.toml that make it one"
        )
    names = {offer.name for kind in ("algorithm", "env", "dataset", "mixer") for offer in zoo.offers(kind)}
    names |= {name for plugin in registry for provided in plugin.provides.values() for name in provided}
    names |= set(rows) | {plugin.distribution for plugin in registry}
    raise UnknownName("algorithm, environment, dataset, mixer or plugin", name, names, "`zoo list` shows them all.")


def _installed(distribution: str) -> str:
    """Its version; empty if no distribution of that name is installed, or it could not be one's."""
    try:
        return metadata.version(distribution)
    except (metadata.PackageNotFoundError, ValueError):
        return ""


def _show(shown: Card) -> None:
    show_heading(f"{shown.name}: {shown.kind}, from {shown.plugin}")
    if shown.summary:
        show_text(shown.summary)
        click.echo()
    show_facts(shown.facts)
    for heading, related in (("Goes with", shown.goes_with), ("The plugin provides", shown.provides)):
        if any(related.values()):
            show_heading(heading)
            show_facts({label: ", ".join(names) for label, names in related.items() if names})
    if shown.settings is not None:
        _show_settings(shown.settings)


def _show_settings(settings: dict) -> None:
    if "error" in settings:
        show_heading("Settings")
        click.echo(f"  cannot be shown: {settings['error']}")
        return
    place = "/".join(filter(None, (settings["env"], settings["quality"])))
    show_heading(f"Settings: preset {settings['preset']}, {place or settings['action_kind'] + ' actions'}")
    rows = [
        (name, _value(given["value"]), given["doc"], given["from"], given["source"])
        for name, given in settings["values"].items()
    ]
    show_table(("setting", "value", "meaning", "set by", "source"), rows)
    if len(settings["presets"]) > 1:
        click.echo(f"  Presets: {', '.join(settings['presets'])} (--preset NAME)")


def _value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
