"""`train`: the whole of a request, seed by seed, side by side or stacked on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RunError, ZooError
from zoo_core.training.events import Building, Event, Failed, Finished, Note, Observer, ignore
from zoo_core.training.folder import RunFolder, find_run, require_same
from zoo_core.training.interrupts import RunInterrupted, Stop
from zoo_core.training.manifest import differences, make_manifest, now, unrecorded
from zoo_core.training.memory import memory_explained
from zoo_core.training.modes import Modes, choose_compile, choose_device, choose_graph
from zoo_core.training.plan import Plan, TrainRequest, make_plan
from zoo_core.training.run import GroupRun, make_learner
from zoo_core.training.scores import Evaluations

if TYPE_CHECKING:
    from zoo_core.plugins import Zoo


@dataclass(frozen=True)
class FinishedRun:
    """One finished run. `evaluations.final` is its score, `evaluations.periodic` its curve."""

    seed: int
    folder: Path
    evaluations: Evaluations
    already: bool = False


@dataclass
class TrainResult:
    """What became of every seed."""

    plan: Plan
    runs: list[FinishedRun] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or the code of the first failure."""
        return self.failures[0].exit_code if self.failures else 0


def train(
    request: TrainRequest, *, observer: Observer = ignore, zoo: Zoo | None = None, stop: Stop | None = None
) -> TrainResult:
    """Train every seed of a request, resuming what is unfinished and skipping what is finished.

    One seed's failure does not keep the others from running: it is in `failures`. What is wrong with the request
    itself raises, before anything is written; an interruption raises `RunInterrupted`.
    """
    if zoo is None:
        from zoo_core.plugins import load_zoo

        zoo = load_zoo()
    stop = Stop() if stop is None else stop
    together = choose_device(request.device) == "cuda" and request.jobs == 1
    plan = make_plan(
        request,
        zoo,
        building=lambda name, done, total: observer(Building(name, done, total)),
        note=lambda text: observer(Note(text)),
    )
    result = TrainResult(plan)

    def watch(event: Event) -> None:
        if isinstance(event, Finished):
            folder = Path(event.folder)
            result.runs.append(FinishedRun(event.seed, folder, Evaluations.load(folder), event.already))
        elif isinstance(event, Failed):
            result.failures.append(event)
        observer(event)

    if request.jobs > 1 and len(request.seeds) > 1:
        from zoo_core.training.parallel import run_side_by_side

        run_side_by_side(request, watch, stop)
    else:
        groups = [request.seeds] if together else [(seed,) for seed in request.seeds]
        for group in groups:
            _try_group(plan, group, watch, stop)
    result.runs.sort(key=lambda run: run.seed)
    result.failures.sort(key=lambda failure: failure.seed)
    return result


def _try_group(plan: Plan, seeds: Sequence[int], observer: Observer, stop: Stop) -> None:
    """Train a group; an error becomes an event, but for an interruption, and where there is but one group."""
    try:
        train_group(plan, seeds, observer, stop)
    except RunInterrupted:
        raise
    except Exception as error:
        if len(plan.request.seeds) == len(seeds):
            raise
        code = error.exit_code if isinstance(error, ZooError) else 1
        unplanned = f"unexpected {type(error).__name__}: {error}; --seed {seeds[0]} with --debug shows where"
        message = str(error) if isinstance(error, ZooError) else unplanned
        for seed in seeds:
            observer(Failed(seed, message, code))


def train_group(plan: Plan, seeds: Sequence[int], observer: Observer, stop: Stop) -> None:
    """Train seeds that share a learner (usually one), each in its own folder.

    Raises:
        RunLocked: another process holds one of the runs.
        RunError: a run of other settings, versions, plugins or modes is in the way.
        OutOfMemory: its arrays do not fit.
    """
    identity, request = plan.identity(), plan.request
    folders = [find_run(plan.parent, seed, identity, again=request.again) for seed in seeds]
    with ExitStack() as stack:
        stack.enter_context(memory_explained(plan))
        for folder in folders:
            stack.enter_context(folder.held())
        if all(folder.exists and folder.finished for folder in folders):
            for seed, folder in zip(seeds, folders, strict=True):
                observer(Finished(seed, str(folder.path), already=True))
            return
        modes, manifest = _settle(plan, seeds, folders, identity, observer)
        run = GroupRun(plan, seeds, folders, modes, observer, stop)  # what cannot be built leaves no folder
        for seed, folder in zip(seeds, folders, strict=True):
            if not folder.exists:
                folder.create(plan.as_json(seed), manifest)
        run.run()


def _settle(
    plan: Plan, seeds: Sequence[int], folders: Sequence[RunFolder], identity: dict[str, Any], observer: Observer
) -> tuple[Modes, dict[str, Any]]:
    """The modes to compute in and the manifest of a run begun now; checks that old runs may go on."""
    old = next((folder.manifest for folder in folders if folder.exists), None)
    modes = _modes(plan, seeds, old, observer)
    dataset = {"name": plan.dataset.name, "hash": plan.dataset.hash}
    manifest = make_manifest(plan.packages, dataset, modes.as_json(), seeds)
    for seed, folder in zip(seeds, folders, strict=True):
        if not folder.exists:
            continue
        require_same(folder, identity)
        changed, unknown = differences(folder.manifest, manifest), unrecorded(folder.manifest, manifest)
        if not changed and not unknown:
            continue
        if changed and not plan.request.allow_changed:
            raise RunError(
                f"{folder.path} was begun with something else: {'; '.join(changed)}. Its result would be neither's."
                " Go on all the same with --allow-changed (the run records it), or start another with --again"
            )
        record = {"when": now(), "changed": [*unknown, *changed]}
        folder.record_change(record, {**manifest, "created": folder.manifest["created"]})
        if unknown:
            text = "began before runs recorded all of their code and goes on; whether it changed cannot be told"
            observer(Note(f"seed {seed} {text} ({'; '.join(unknown)})", warning=True))
        if changed:
            observer(Note(f"seed {seed} goes on with changes: {'; '.join(changed)}", warning=True))
    return modes, manifest


def _modes(plan: Plan, seeds: Sequence[int], old: dict[str, Any] | None, observer: Observer) -> Modes:
    """What the request says; what it leaves open is as the run began, or chosen now for a new run."""
    request = plan.request
    begun = Modes(**old["modes"]) if old else None
    device = begun.device if begun and request.device == "auto" else choose_device(request.device)
    choose_device(device)  # a run begun on a GPU cannot go on where there is none
    if begun and request.compile == "auto":
        compiled = begun.compile
    else:
        compiled = choose_compile(
            request.compile, device, lambda: make_learner(plan, seeds, device), lambda text: observer(Note(text))
        )
    threads = request.threads or (begun.threads if begun else 1)
    precision = request.precision or (begun.precision if begun else "high")
    modes = Modes(device, compiled, threads, precision)
    if begun and request.compile == "auto":
        return replace(modes, graph=begun.graph)
    graph = choose_graph(
        request.compile, modes, lambda: make_learner(plan, seeds, device), lambda text: observer(Note(text))
    )
    return replace(modes, graph=graph)
