"""The claims about the distribution itself: its metadata, its hook module and what its hooks return.

Nothing of the plugin is imported in this process: its hook module is probed as discovery does it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zoo_cli.checks import requirements
from zoo_cli.conformance.rows import PACKAGE, Row
from zoo_cli.conformance.subject import Subject
from zoo_core import __version__
from zoo_core.entries import Entry, entry_from_json
from zoo_core.plugins import Zoo, probe
from zoo_core.plugins.installed import GROUP, core_mismatch, module_file

SLOW_IMPORT = 0.2
"""Seconds a hook module may take to import before it is remarked on."""


@dataclass
class PackageCheck:
    """The rows on the distribution, and the entries it offers once they have been gone through."""

    subject: Subject
    zoo: Zoo
    """What is installed, the plugin itself left out or not."""
    entries: list[Entry] = field(default_factory=list)

    @property
    def chosen(self) -> list[Entry]:
        """The entries that were asked about."""
        return [entry for entry in self.entries if self.subject.entry in ("", entry.name)]

    def rows(self) -> Iterator[Row]:
        """Stops at the first claim without which the others mean nothing."""
        for step in (self._metadata, self._entry_point, self._core, self._requirements, self._probe):
            failed = False
            for row in step():
                yield row
                failed |= row.outcome == "fail" and step != self._requirements
            if failed:
                return

    def _metadata(self) -> Iterator[Row]:
        plugin, fault = self.subject.plugin, self.subject.fault
        seen = fault or f"{plugin.distribution} {plugin.version}"
        yield _row("metadata_is_readable", not fault, seen)

    def _entry_point(self) -> Iterator[Row]:
        plugin = self.subject.plugin
        if plugin.fault:
            yield _row("entry_point_names_a_hook_module", False, plugin.fault)
            return
        module = f"{plugin.distribution.replace('-', '_')}.plugin"
        yield _row(
            "entry_point_names_a_hook_module",
            bool(plugin.modules),
            ", ".join(plugin.modules) or f"{plugin.distribution} has no entry point in the group {GROUP!r}",
            f"add to its pyproject.toml, then install it again: [project.entry-points.{GROUP}] with a line such as "
            f'{plugin.distribution.removeprefix("zoo-")} = "{module}"',
        )

    def _core(self) -> Iterator[Row]:
        mismatch = core_mismatch(self.subject.plugin)
        seen = mismatch or f"{self.subject.plugin.core_range or 'any version'}; this is {__version__}"
        yield _row("core_range_is_stated_and_met", not mismatch, seen)

    def _requirements(self) -> Iterator[Row]:
        lacking = [check for check in requirements(self.subject.plugin.distribution) if check.state == "bad"]
        seen = "; ".join(f"{check.topic} is {check.found}" for check in lacking)
        yield _row("requirements_are_installed", not lacking, seen, "; ".join(check.mend for check in lacking))

    def _probe(self) -> Iterator[Row]:
        started = time.perf_counter()
        finding = probe.probe(self.subject.plugin, probe.deadline())
        seconds = time.perf_counter() - started
        if not finding["ok"]:
            yield from self._not_usable(str(finding["reason"]), seconds)
            return
        self.entries = [entry_from_json(data) for data in finding["entries"]]
        cost = f"{float(finding['import_seconds']) * 1000:.0f} ms"
        yield _row("hook_module_imports", True, f"in {cost}", seconds=seconds)
        yield self._light(finding, cost)
        kinds = {
            entry.KIND: [other.name for other in self.entries if other.KIND == entry.KIND] for entry in self.entries
        }
        offered = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())
        yield _row("hooks_return_entries", True, offered)
        yield _row("names_are_legal", True)
        yield from self._names()

    def _not_usable(self, reason: str, seconds: float) -> Iterator[Row]:
        """Which of the claims it is that the probe's reason breaks; what comes after it was not reached."""
        names = ["hook_module_imports", "hooks_return_entries", "names_are_legal"]
        broken = "hook_module_imports" if reason.startswith(("importing", "starting")) else "hooks_return_entries"
        broken = "names_are_legal" if "is no valid name" in reason else broken
        for name in names:
            if name == broken:
                yield _row(name, False, reason, self._mend_of(broken, reason), seconds)
            elif name == "hook_module_imports":
                yield _row(name, True)
            else:
                yield Row(PACKAGE, name, "skip", "not reached")

    def _mend_of(self, broken: str, reason: str) -> str:
        missing = [module for module in self.subject.plugin.modules if module_file(module) is None]
        if broken == "hook_module_imports" and missing:
            return f"there is no file for {missing[0]}: correct the entry point, or install the package again"
        if "implements no hook" in reason:
            return "a hook looks like this: from zoo_core import hookimpl, then @hookimpl above def zoo_algorithms()"
        return ""

    def _light(self, finding: dict[str, Any], cost: str) -> Row:
        heavy = " and ".join(finding["heavy"])
        if heavy:
            mend = "import them in the modules that the factories name: every `zoo list` would pay for them"
            return _row("hook_module_is_light", False, f"it imports {heavy}, {cost}", mend)
        if finding["import_seconds"] > SLOW_IMPORT:
            module = self.subject.plugin.modules[0]
            mend = f"`python -X importtime -c 'import {module}'` shows where the time goes"
            return Row(PACKAGE, "hook_module_is_light", "warn", f"importing it takes {cost}", mend)
        return _row("hook_module_is_light", True)

    def _names(self) -> Iterator[Row]:
        """Nothing else that is installed has the names: advice, for a full name still tells two of one name apart."""
        own, folder = self.subject.plugin.distribution, self.subject.folder
        shared = [
            other
            for entry in self.entries
            for other in self.zoo.offers(entry.KIND)
            if other.name == entry.name and other.distribution != own
        ]
        rivals = [f"{other.distribution} also offers the {other.entry.KIND} {other.name!r}" for other in shared]
        mend = f"rename it, or users have to write {own}:{shared[0].name}" if shared else ""
        for row in self.zoo.plugins:
            if row.distribution == own and folder is not None and not row.source.endswith(f" {folder}"):
                rivals.append(f"another {own} {row.version} is installed ({row.source})")
                mend = (
                    mend or f"if that is another package: rename this one. Else install this one: pip install {folder}"
                )
        yield Row(PACKAGE, "names_are_free", "warn" if rivals else "pass", "; ".join(rivals), mend)


def _row(name: str, holds: bool, seen: str = "", mend: str = "", seconds: float = 0.0) -> Row:
    return Row(PACKAGE, name, "pass" if holds else "fail", seen, "" if holds else mend, seconds)
