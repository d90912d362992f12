"""`zoo train` as a function, for notebooks and scripts. Its parameters are the command's options, its defaults too."""

from __future__ import annotations

import operator
import signal
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RunError, UsageError, did_you_mean
from zoo_core.runs import Run, Runs
from zoo_core.training.events import Failed, Observer
from zoo_core.training.interrupts import RunInterrupted
from zoo_core.training.line_progress import LineProgress, warnings_only
from zoo_core.training.plan import TrainRequest
from zoo_core.training.train import train as train_request

if TYPE_CHECKING:
    from zoo_core.data import Dataset

CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "compile": ("auto", "on", "off"),
    "precision": ("high", "medium"),
}


class SeedsFailed(RunError):
    """Some seeds stopped with an error; the others are finished.

    Attributes:
        failures: seed → what went wrong.
        runs: the seeds that are finished; None if none is.
    """

    def __init__(self, message: str, failed: Sequence[Failed], runs: Runs | None) -> None:
        super().__init__(message)
        self.failures = {failure.seed: failure.message for failure in failed}
        self.runs = runs
        self.exit_code = failed[0].exit_code


def train(
    algo: str,
    env: str = "",
    *,
    quality: str = "",
    dataset: str | Path | Dataset = "",
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    config: str | Path = "",
    mixer: str = "",
    iterations: int | None = None,
    seeds: int | Sequence[int] | None = None,
    seed: int | None = None,
    jobs: int = 1,
    device: str = "auto",
    compile: str = "auto",
    threads: int | None = None,
    precision: str | None = None,
    out: str | Path = "runs",
    again: bool = False,
    allow_changed: bool = False,
    eval_every: int | None = None,
    eval_episodes: int = 100,
    final_episodes: int = 1000,
    checkpoint_every: int | None = None,
    tensorboard: bool = False,
    progress: bool | Observer = True,
) -> Runs:
    """Train an algorithm on a dataset and score it: `zoo train` as a function.

    Builds the dataset if it is missing. The same call on unfinished runs resumes them, on finished ones returns them
    at once. Everything about a run lies in its folder below `out`.

    >>> runs = zoo_core.train("spacql", "mpe-cn", quality="expert", seeds=5, settings={"lr": 0.001})
    >>> runs.score.mean, runs.normalised.mean, runs.curve()["returns"]

    Args:
        algo, env: names, or `distribution:name`; `env` may be left out if `dataset` says it.
        quality: of the environment's built-in dataset; beside `dataset`, whose settings hold.
        dataset: a dataset's name, a folder, `minari:<id>`, or an open `Dataset`.
        preset: settings as `published`, or the `zoo`'s.
        settings: setting → value, over all other layers (`--set`).
        config: a YAML file of `setting: value` lines; `mixer: NAME` may be one.
        mixer: for algorithms that take one; empty takes the algorithm's default.
        iterations: the budget; None takes the algorithm's.
        seeds: how many (0, 1, …), or which; None is seed 0.
        seed: this one alone, instead of `seeds`.
        jobs: seeds side by side, each in a process of its own (started afresh: nothing of this one is copied).
        device: `auto`, `cpu` or `cuda`.
        compile: the losses: `auto` (where it pays), `on` or `off`.
        threads: per run; None is 1.
        precision: `high`, or `medium`, which lets the processor multiply in bfloat16; None is `high`.
        out: the folder of all runs.
        again: start another run although there is one of these settings.
        allow_changed: resume although versions, plugins or the way to compute changed.
        eval_every: iterations between evaluations; None is a twentieth of the budget.
        eval_episodes, final_episodes: of each evaluation on the way, and of the score.
        checkpoint_every: iterations between checkpoints; None is one a minute.
        tensorboard: write TensorBoard logs into the run folder.
        progress: a line on standard error that moves; False shows warnings alone; or a function that is called with
            every event (a dataclass of `zoo_core.training.events`).

    Raises:
        UsageError: the request itself is wrong; nothing was written.
        SeedsFailed: after all seeds ended, if some failed. It names them and holds the runs of the others.
        ZooError: what stopped the only seed.
        KeyboardInterrupt: Ctrl-C, or a notebook's stop button: after every running seed wrote a checkpoint. The same
            call goes on from there.
    """
    if not isinstance(settings, Mapping | None):
        raise UsageError(f"settings is a dictionary such as {{'lr': 0.001}}, not {settings!r}")
    given = {
        "algo": algo,
        "env": env,
        "quality": quality,
        "dataset": _dataset(dataset),
        "preset": preset,
        "settings": {name: _plain(value) for name, value in (settings or {}).items()},
        "config_file": str(config),
        "mixer": mixer,
        "seeds": _seeds(seeds, seed),
        "device": device,
        "compile": compile,
        "precision": precision,
        "out": str(out),
        "again": again,
        "allow_changed": allow_changed,
        "tensorboard": tensorboard,
    }
    counts = {
        "iterations": iterations,
        "jobs": jobs,
        "threads": threads,
        "eval_every": eval_every,
        "eval_episodes": eval_episodes,
        "final_episodes": final_episodes,
        "checkpoint_every": checkpoint_every,
    }
    for name, choices in CHOICES.items():
        if given[name] not in choices and not (given[name] is None and name == "precision"):
            hint = did_you_mean(str(given[name]), choices, listed=True)
            raise UsageError(f"{name} must be {' or '.join(map(repr, choices))}, not {given[name]!r}.{hint}")
    request = TrainRequest(**given, **{name: _whole(name, value) for name, value in counts.items()})  # type: ignore[arg-type]
    return _run(request, progress)


def _run(request: TrainRequest, progress: bool | Observer) -> Runs:
    """Carry out a request under a watch, and turn what became of it into runs or an error."""
    line = None
    if progress is True:
        on = request.env or request.dataset
        line = LineProgress(f"{request.algo} on {on}", len(request.seeds))
    observer = line or (progress if callable(progress) else warnings_only)
    try:
        with closing(line) if line else nullcontext():
            result = train_request(request, observer=observer)
    except RunInterrupted as error:
        if error.signal_number == signal.SIGINT:  # what stops a loop or a notebook, and no `except ZooError` swallows
            raise KeyboardInterrupt(str(error)) from None
        raise
    runs = Runs([Run(run.folder) for run in result.runs]) if result.runs else None
    if result.failures or runs is None:
        told = "; ".join(f"seed {failure.seed}: {failure.message}" for failure in result.failures)
        raise SeedsFailed(
            f"{len(result.failures)} of {len(request.seeds)} seeds failed ({told}). The same call tries them again;"
            " the finished ones are in this error's `runs`",
            result.failures,
            runs,
        )
    return runs


def _seeds(seeds: int | Sequence[int] | None, seed: int | None) -> tuple[int, ...]:
    if seeds is not None and seed is not None:
        raise UsageError("give seeds=N (for 0 to N-1), seeds=(0, 3) or seed=K, not both")
    if seed is not None:
        return (_whole("seed", seed),)
    if seeds is None:
        return (0,)
    if isinstance(seeds, str):
        raise UsageError(f"seeds must be a number of seeds or a sequence of them, not {seeds!r}")
    try:
        return tuple(_whole("seeds", number) for number in seeds)  # type: ignore[union-attr]
    except TypeError:
        number = _whole("seeds", seeds)
        if number < 1:
            raise UsageError(f"seeds must be at least 1, not {number}: seed=0 is the seed 0 alone") from None
        return tuple(range(number))


def _whole(name: str, value: Any) -> Any:
    """A whole number, numpy's too; None stays."""
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise UsageError(f"{name} must be a whole number, not {value!r}") from None


def _plain(value: Any) -> Any:
    """A setting's value as Python's own number: what loops over numpy arrays yield is not."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def _dataset(dataset: str | Path | Dataset) -> str:
    folder = getattr(dataset, "folder", dataset)
    return str(folder)
