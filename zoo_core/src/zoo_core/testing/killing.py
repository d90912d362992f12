"""The claim that a killed run ends as one that was left alone, tested on a process that is really killed.

`main` is the process: it trains a tiny run with checkpoints, through the same path as every run, and sends itself
SIGKILL between two of them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo_core.compatibility import missing
from zoo_core.entries import AlgorithmEntry, Entry, MixerEntry, Source, entry_from_json
from zoo_core.plugins.zoo import Offer, Zoo
from zoo_core.testing.checks import Broken, NotApplicable, demand, few, last_words
from zoo_core.testing.games import GAMES
from zoo_core.testing.generators import DREW
from zoo_core.testing.kit import package_of
from zoo_core.testing.tiny import game_dataset, tiny_settings
from zoo_core.training import TrainRequest, checkpoints, train
from zoo_core.training.events import Evaluated, Event, Started

ITERATIONS, EVALUATE_EVERY, CHECKPOINT_EVERY = 12, 4, 3
EARLIER = 3
"""Iterations of a phase with a budget of its own, which comes before the one that the run dies in."""
DEATH = 0.6
"""The process dies at the first evaluation after this share of its iterations, some after its last checkpoint."""

SECONDS = 120

_MIXER = MixerEntry(
    "plain",
    "The conformance kit's own mixer.",
    "zoo_core.testing.tiny:PlainMixer",
    Source("a test mixer"),
    traits=("linear", "monotone", "vector"),
    outputs="n",
)


def a_killed_run_resumes_to_equal_weights(entry: AlgorithmEntry) -> None:
    if not hasattr(signal, "SIGKILL"):
        raise NotApplicable("this system has no SIGKILL")
    module = sys.modules[entry.load().__module__]
    if module.__name__ == "__main__" or not getattr(module, "__file__", None):
        raise NotApplicable(f"it lives in {module.__name__!r}, which another process cannot import")
    games = [game for game in GAMES if not missing(entry, game)]
    if not games:
        raise NotApplicable("none of the kit's games goes with its needs and kinds of action")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with _own_cache(home / "data"):
            game_dataset(games[0], episodes=64, folder=home / "data")
        killed = _request(entry, home, "killed")
        _die(entry, killed, module)
        begun = _finish(entry, killed)
        demand(begun > 0, "the killed run left no checkpoint behind")
        _finish(entry, _request(entry, home, "whole"))
        unequal = _differing(_outcome(home / "whole"), _outcome(home / "killed"))
    weights = [name.removeprefix("model/") for name in unequal if name.startswith("model/")]
    other = f"other weights, in {few('tensor', weights)}" if weights else "another state of its optimisers"
    demand(
        not unequal,
        f"a run that was killed and resumed from iteration {begun} ends, beside one that was not, with {other}: keep "
        "what must survive in parameters or registered buffers, and let a loss depend on nothing else but its batch "
        f"and noise{DREW}",
    )


def _request(entry: AlgorithmEntry, home: Path, out: str) -> TrainRequest:
    small = tiny_settings(entry.load().Config)  # type: ignore[attr-defined]
    small |= {name: EARLIER for name in small if name.endswith("_iterations")}
    return TrainRequest(
        algo=entry.name,
        dataset=str(home / "data"),
        mixer="" if entry.mixer is None else _MIXER.name,
        settings=small | {"iterations": ITERATIONS},
        device="cpu",
        compile="off",
        threads=1,
        out=str(home / out),
        allow_changed=True,  # a module that was found by its file has another identity than an installed one
        eval_every=EVALUATE_EVERY,
        eval_episodes=4,
        final_episodes=4,
        checkpoint_every=CHECKPOINT_EVERY,
    )


def _die(entry: AlgorithmEntry, request: TrainRequest, module: Any) -> None:
    """Run `main` in a process of its own, to its death."""
    order = {
        "entry": entry.as_json(),
        "request": request.as_json(),
        "module": module.__name__,
        "file": str(Path(module.__file__).resolve()),
        "path": sys.path,
    }
    process = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    if process.returncode == 0:
        raise NotApplicable("its training is over before it can be killed between two checkpoints")
    if process.returncode != -signal.SIGKILL:
        said = last_words(process.stderr, package_of(entry))
        raise Broken(f"training it in a process of its own ended with exit code {process.returncode}: {said}")


def main() -> None:
    """Train what standard input describes, and die on the way."""
    order = json.loads(sys.stdin.read())
    sys.path[:] = order["path"]
    _make_importable(order["module"], order["file"])
    total = 0

    def watch(event: Event) -> None:
        nonlocal total
        if isinstance(event, Started):
            total = event.total
        elif isinstance(event, Evaluated) and total * DEATH < event.iteration < total:
            os.kill(os.getpid(), signal.SIGKILL)

    entry = entry_from_json(order["entry"])
    assert isinstance(entry, AlgorithmEntry)
    request = TrainRequest.from_json(order["request"])
    with _own_cache(Path(request.out)):
        train(request, zoo=_zoo(entry), observer=watch)


def _make_importable(name: str, file: str) -> None:
    """Import a module by its name, or, as test modules often are not on the path, from its file under that name."""
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {name} from {file}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _finish(entry: AlgorithmEntry, request: TrainRequest) -> int:
    """Train to the end; where training began, in iterations."""
    begun: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, Started):
            begun.append(event.iteration)

    with _own_cache(Path(request.out)):
        train(request, zoo=_zoo(entry), observer=watch)
    return begun[0]


def _zoo(entry: AlgorithmEntry) -> Zoo:
    """A zoo of this algorithm, the kit's games and its mixer."""
    ours: list[Entry] = [*GAMES, _MIXER]
    offers = [Offer(entry, package_of(entry), ""), *(Offer(other, "zoo-core", "") for other in ours)]
    return Zoo.assemble(offers, ())


@contextlib.contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    """A cache beside this folder: no run finds the outcome of another's costly phases, and the user's is left alone."""
    before = os.environ.get("ZOO_CACHE")
    os.environ["ZOO_CACHE"] = f"{folder}-cache"
    try:
        yield
    finally:
        if before is None:
            del os.environ["ZOO_CACHE"]
        else:
            os.environ["ZOO_CACHE"] = before


def _outcome(out: Path) -> dict[str, Tensor]:
    """The weights of the run's last checkpoint."""
    folder = next(out.rglob("config.json")).parent
    found = checkpoints.load(folder / "checkpoints", lambda message: None)
    assert found is not None
    return dict(found.tensors)


def _differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    return [name for name in one if name not in other or not torch.equal(one[name], other[name])]
