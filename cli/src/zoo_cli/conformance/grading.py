"""One check from end to end: the subject, its package, its entries, the report and the exit code."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo_cli.conformance import report
from zoo_cli.conformance.package import PackageCheck
from zoo_cli.conformance.report import Live
from zoo_cli.conformance.rows import Row, Selection
from zoo_cli.conformance.runner import Job, run
from zoo_cli.conformance.subject import subject_of
from zoo_cli.tables import show_heading, show_json
from zoo_core import __version__
from zoo_core.errors import UsageError
from zoo_core.plugins import load_zoo
from zoo_core.plugins.installed import module_file


def grade(text: str, *, only: str, seconds: float, as_json: bool) -> int:
    """Check what `text` names and show it. Returns 0 if no row failed, 1 otherwise.

    Raises `UsageError` if nothing is called that, or if no claim holds the pattern `only`.
    """
    zoo, started = load_zoo(), time.perf_counter()
    with subject_of(text, zoo) as subject:
        plugin = subject.plugin
        head = {"plugin": plugin.distribution, "version": plugin.version, "from": subject.place, "core": __version__}
        if not as_json:
            show_heading(f"{plugin.distribution} {plugin.version}".rstrip() + f" ({subject.place})")
        with report.reporting(silent=as_json) as live:
            package = PackageCheck(subject, zoo)
            rows = list(_shown(_rows(package, only, seconds, live), live))
    if not rows:
        raise UsageError(f"no claim about {plugin.distribution} holds {only!r}; without --only all are shown")
    partial = bool(only) or package.chosen != package.entries
    spent = time.perf_counter() - started
    if as_json:
        show_json(report.as_json(head, rows, spent, partial=partial))
    else:
        report.show_summary(plugin.distribution, rows, spent, partial=partial)
    return int(any(row.outcome == "fail" for row in rows))


def _shown(rows: Iterator[Row], live: Live) -> Iterator[Row]:
    for row in rows:
        live.show(row)
        yield row


def _rows(package: PackageCheck, only: str, seconds: float, live: Live) -> Iterator[Row]:
    """The rows on the package, then those on its entries. What was not asked for is left out, unless it failed."""
    selection = Selection(only)
    for row in package.rows():
        if row.outcome == "fail" or selection.takes(row.about, row.name):
            yield row
    if package.entries:
        envs = [entry for entry in package.entries if entry.KIND == "env"]
        sources = _sources(package.subject.plugin.modules)
        yield from run(Job(package.chosen, envs, sources, only, seconds), live.trying)


def _sources(modules: Sequence[str]) -> list[Path]:
    """The folder of each top-level package of the plugin, or the file of a module that stands alone."""
    files = filter(None, (module_file(top) for top in {module.partition(".")[0] for module in modules}))
    return sorted(file.parent if file.name == "__init__.py" else file for file in files)
