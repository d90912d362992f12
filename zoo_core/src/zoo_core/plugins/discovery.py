"""From what is installed to the zoo: metadata, then the cache, then a probe for what the cache does not know."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zoo_core.entries import entry_from_json
from zoo_core.errors import did_you_mean
from zoo_core.paths import cache_home
from zoo_core.plugins import cache
from zoo_core.plugins.installed import Installed, canonical, installed_plugins
from zoo_core.plugins.zoo import OPTIONS, Offer, PluginRow, Zoo

Progress = Callable[[str], None]


_found: dict[tuple[Any, ...], Zoo] = {}
"""What this process has found so far, by all that decides it."""


def load_zoo(progress: Progress | None = None) -> Zoo:
    """What is installed here; honours `ZOO_PLUGINS` and `ZOO_PLUGINS_OFF`. Repeated calls in a process are free.

    `progress` is called with the name of each plugin that has to be probed because the cache does not know it.
    """
    key = (*sys.path, os.environ.get("ZOO_PLUGINS"), os.environ.get("ZOO_PLUGINS_OFF"), cache_home())
    if key not in _found:
        _found[key] = discover(progress=progress)
    return _found[key]


def discover(*, refresh: bool = False, progress: Progress | None = None) -> Zoo:
    """Look again at what is installed.

    Args:
        refresh: probe every plugin again, whatever the cache says.
        progress: called with a plugin's name before it is probed.

    Raises `UsageError` for a malformed `ZOO_PROBE_SECONDS`; no fault of a plugin raises.
    """
    plugins = installed_plugins()
    rows, active = _switch(plugins)
    findings = {} if refresh else {p.distribution: found for p in active if (found := cache.read(p)) is not None}
    offers: list[Offer[Any]] = []
    unknown = [p for p in active if not _take(p, findings.get(p.distribution), offers, rows)]
    for plugin, finding in zip(unknown, _probe_all(unknown, progress), strict=True):
        if _take(plugin, finding, offers, rows):
            cache.write(plugin, finding)
        else:
            rows.append(_row(plugin, "broken", "what its probe found cannot be read back"))
    return Zoo.assemble(offers, rows)


def _switch(plugins: Sequence[Installed]) -> tuple[list[PluginRow], list[Installed]]:
    """Apply `ZOO_PLUGINS` and `ZOO_PLUGINS_OFF`: rows for what they leave out, and the plugins that stay."""
    only, off = _names("ZOO_PLUGINS"), _names("ZOO_PLUGINS_OFF")
    known = [plugin.distribution for plugin in plugins]
    absent = {name: "ZOO_PLUGINS" if name in only else "ZOO_PLUGINS_OFF" for name in sorted((only | off) - set(known))}
    rows = [
        PluginRow(name, "", "broken", f"{variable} names it, but it is not installed.{did_you_mean(name, known)}")
        for name, variable in absent.items()
    ]
    active = []
    for plugin in plugins:
        if plugin.distribution in off:
            rows.append(_row(plugin, "off", "ZOO_PLUGINS_OFF names it"))
        elif only and plugin.distribution not in only:
            rows.append(_row(plugin, "off", "ZOO_PLUGINS does not name it"))
        else:
            active.append(plugin)
    return rows, active


def _names(variable: str) -> set[str]:
    return {canonical(name) for name in os.environ.get(variable, "").split(",") if name.strip()}


def _probe_all(plugins: Sequence[Installed], progress: Progress | None) -> list[dict[str, Any]]:
    """Findings in the order given; a few child processes at a time, so that one that hangs holds up no other."""
    if not plugins:
        return []
    import threading  # only a cold start pays for these
    from concurrent.futures import ThreadPoolExecutor

    from zoo_core.plugins import probe

    seconds, stop = probe.deadline(), threading.Event()

    def one(plugin: Installed) -> dict[str, Any]:
        if progress:
            progress(plugin.distribution)
        return probe.probe(plugin, seconds, stop)

    with ThreadPoolExecutor(max_workers=max(4, os.cpu_count() or 1)) as pool:
        try:
            return list(pool.map(one, plugins))
        except BaseException:  # Ctrl-C: wait for no plugin that hangs
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _take(
    plugin: Installed, finding: Mapping[str, Any] | None, offers: list[Offer[Any]], rows: list[PluginRow]
) -> bool:
    """Add what a finding says to the offers and rows. False if there is none or it cannot be read."""
    if finding is None:
        return False
    try:
        if not finding["ok"]:
            rows.append(_row(plugin, "broken", str(finding["reason"])))
            return True
        entries = [entry_from_json(data) for data in finding["entries"]]
        row = PluginRow(
            distribution=plugin.distribution,
            version=plugin.version,
            state="ok",
            provides={
                kind: names for kind in OPTIONS if (names := tuple(sorted(e.name for e in entries if kind == e.KIND)))
            },
            import_seconds=float(finding["import_seconds"]),
            heavy=tuple(finding["heavy"]),
            core_range=plugin.core_range,
            source=plugin.source,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    rows.append(row)
    offers += [Offer(entry, plugin.distribution, plugin.version) for entry in entries]
    return True


def _row(plugin: Installed, state: Any, reason: str) -> PluginRow:
    return PluginRow(
        plugin.distribution, plugin.version, state, reason, core_range=plugin.core_range, source=plugin.source
    )
