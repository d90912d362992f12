"""Running a plan: the loop around the learner that logs, evaluates, checkpoints and resumes.

A group of S ≥ 1 seeds shares one learner; every seed has its own run folder. The state of a run is its newest whole
checkpoint: whatever was written after it (metrics, evaluations) is cut off and made again, bit by bit the same where
`zoo_core.training.learner` says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo_core.errors import SettingError, TrainingDiverged, ran_out_of_memory
from zoo_core.evaluation import FINAL_FIRST_SEED, PERIODIC_FIRST_SEED, Evaluator
from zoo_core.training import checkpoints, phase_cache
from zoo_core.training.construct import build_algorithm
from zoo_core.training.curve import draw_curve
from zoo_core.training.events import Evaluated, Finished, Note, Observer, Progress, Started
from zoo_core.training.folder import RunFolder
from zoo_core.training.interrupts import RunInterrupted, Stop, stop_on_signals
from zoo_core.training.learner import Learner
from zoo_core.training.manifest import source_hash
from zoo_core.training.metrics import Means, MetricsLog
from zoo_core.training.modes import Modes, computing
from zoo_core.training.plan import Plan
from zoo_core.training.replay import cuda_graph
from zoo_core.training.scores import Evaluation, Evaluations, Score
from zoo_core.training.tensorboard import open_tensorboard

CHECKPOINT_SECONDS = 60.0
REPORT_SECONDS = 0.25
ROWS = 200
"""About how many metric rows a run logs."""


@dataclass
class SeedRecord:
    """What one seed of a group writes."""

    seed: int
    folder: RunFolder
    log: MetricsLog
    evaluations: Evaluations
    board: Any = None


def make_learner(plan: Plan, seeds: Sequence[int], device: str) -> Learner:
    """Fresh algorithms for these seeds and the learner that trains them.

    Raises `SettingError` if the algorithm cannot be built and the user chose settings of their own.
    """
    data, needs, statistics = plan.dataset, plan.algorithm.needs, plan.statistics()

    def samplers(need: Any) -> Any:
        return data.sampler(need, device=device, state="state" in needs)

    try:
        algorithms = [
            build_algorithm(plan.algorithm, data.team, plan.config, seed, statistics=statistics, mixer=plan.mixer)
            for seed in seeds
        ]
        return Learner(algorithms, seeds, samplers, device=device)
    except (ArithmeticError, RuntimeError, ValueError) as error:  # what torch says of sizes and rates that cannot be
        if ran_out_of_memory(error) or not (plan.request.settings or plan.request.config_file):
            raise
        raise SettingError(
            f"{plan.algorithm.name} cannot be built with these settings ({type(error).__name__}: {error});"
            f" `zoo info {plan.algorithm.name} --env {plan.env.name}` shows them and what works"
        ) from error


class GroupRun:
    """Trains one group of seeds to the end, from wherever their folders say they are."""

    def __init__(
        self,
        plan: Plan,
        seeds: Sequence[int],
        folders: Sequence[RunFolder],
        modes: Modes,
        observer: Observer,
        stop: Stop,
    ) -> None:
        self.plan, self.modes, self.observer, self.stop = plan, modes, observer, stop
        self.learner = make_learner(plan, seeds, modes.device)
        if modes.graph:
            self.learner.replay_with(cuda_graph, lambda text: observer(Note(text, warning=True)))
        self.evaluator = Evaluator(plan.env)
        self.means = Means()
        self.records = [
            SeedRecord(seed, folder, MetricsLog(folder.path), Evaluations(plan.reference))
            for seed, folder in zip(seeds, folders, strict=True)
        ]
        total, request = self.learner.total, plan.request
        self.eval_every = request.eval_every or max(1, round(total / 20))
        self.log_every = max(1, total // ROWS)
        self.seconds = 0.0  # spent training, over all resumptions

    def run(self) -> None:
        """Resume, train, score. The folders must be held by the caller.

        Raises:
            RunInterrupted: a signal asked for it; a checkpoint was written.
            TrainingDiverged: a loss or parameter is not finite; the last good checkpoint stays.
        """
        with ExitStack() as stack:
            stack.enter_context(computing(self.modes))
            stack.enter_context(stop_on_signals(self.stop))
            self._resume()
            for record in self.records:
                if self.plan.request.tensorboard:
                    record.board = open_tensorboard(record.folder.path, self.learner.iteration)
                    stack.callback(record.board.close)
                self.observer(Started(record.seed, str(record.folder.path), self.learner.iteration, self.learner.total))
            if self.learner.iteration == 0 and not self.records[0].evaluations.periodic:
                self._evaluate()
            try:
                self._train()
            except TrainingDiverged as error:
                raise TrainingDiverged(f"{error}. {self._last_good()}") from None
            self._finish()

    # --- the loop -----------------------------------------------------------------------------------------------

    def _train(self) -> None:
        learner, started, reported, saved = self.learner, time.perf_counter(), 0.0, time.perf_counter()
        first, before = learner.iteration, self.seconds
        every = self.plan.request.checkpoint_every
        while not learner.finished:
            if self.stop:
                self._checkpoint()
                self._raise_if_stopped()
            phase, number, length = learner.phase_at(learner.iteration)
            if number == 1 and phase.reuse is not None and self._recalled():
                first = learner.iteration
                continue
            self.means.add(learner.step())
            now = time.perf_counter()
            self.seconds = before + now - started
            done = learner.iteration
            if now - reported > REPORT_SECONDS:
                reported = now
                self._report(phase.name, (done - first) / max(now - started, 1e-9))
            if done % self.log_every == 0 or number == length:
                self._log(phase.name)
            if done % self.eval_every == 0 and not learner.finished:
                self._evaluate()
            due = done % every == 0 if every else now - saved > CHECKPOINT_SECONDS
            if due or number == length:
                self._checkpoint()
                saved = time.perf_counter()
            if number == length and phase.reuse is not None:
                self._keep_phase()  # after the checkpoint: a resumed run never recalls what it has itself computed

    def _raise_if_stopped(self) -> None:
        """Raise `RunInterrupted` if a signal asked for it; the caller has written a checkpoint."""
        if self.stop:
            raise RunInterrupted(
                f"stopped after iteration {self.learner.iteration} of {self.learner.total}, with a checkpoint:"
                " the same command resumes",
                self.stop.signal_number,
            )

    def _finish(self) -> None:
        """The last point of the curve, the final score, and the tidy files."""
        if not self.records[0].evaluations.periodic or (
            self.records[0].evaluations.periodic[-1].iteration < self.learner.iteration
        ):
            self._evaluate()
        episodes = self.plan.request.final_episodes
        for index, record in enumerate(self.records):
            record.log.write_csv()
            record.evaluations.final = self._score(index, episodes, FINAL_FIRST_SEED)
            record.evaluations.save(record.folder.path)
            self._tell(record, record.evaluations.final, final=True)
            self._draw(record)
            self.observer(Finished(record.seed, str(record.folder.path)))

    # --- checkpoints --------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take up the newest moment for which every seed of the group has a whole checkpoint."""
        found = self._common_checkpoints()
        iteration = found[0].iteration if found else 0
        if found:
            self.learner.load_state([c.tensors for c in found], iteration)
            self.means.load([c.extra["metrics"] for c in found], self.learner.device)
            self.seconds = found[0].extra["seconds"]
        for record in self.records:
            record.log.truncate(iteration)
            record.evaluations = Evaluations.load(record.folder.path)
            record.evaluations.reference = self.plan.reference
            record.evaluations.truncate(iteration)

    def _common_checkpoints(self) -> list[checkpoints.Checkpoint]:
        def warn(message: str) -> None:
            self.observer(Note(message, warning=True))

        limit: int | None = None
        while True:
            found = [checkpoints.load(r.folder.checkpoints, warn, before=limit) for r in self.records]
            whole = [checkpoint for checkpoint in found if checkpoint is not None]
            if len(whole) < len(found):
                return []
            limit = min(checkpoint.iteration for checkpoint in whole)
            if all(checkpoint.iteration == limit for checkpoint in whole):
                return whole

    def _checkpoint(self) -> None:
        self.learner.check_parameters()
        for index, record in enumerate(self.records):
            extra = {"metrics": self.means.state(index), "seconds": self.seconds}
            state = self.learner.state(index)
            checkpoints.save(record.folder.checkpoints, checkpoints.Checkpoint(self.learner.iteration, state, extra))

    def _last_good(self) -> str:
        kept = checkpoints.latest_iteration(self.records[0].folder.checkpoints)
        if kept is None:
            return "There was no checkpoint yet. Try a smaller learning rate: --set lr=…"
        return f"The checkpoint of iteration {kept} is kept; try a smaller learning rate: --set lr=…"

    # --- records ------------------------------------------------------------------------------------------------

    def _log(self, phase: str) -> None:
        for index, record in enumerate(self.records):
            row = self.means.take(index)
            head = {"iteration": self.learner.iteration, "phase": phase, "seconds": round(self.seconds, 3)}
            record.log.append({**head, **row})
            if record.board is not None:
                record.board.add(row, self.learner.iteration)
        self.means.clear()

    def _report(self, phase: str, rate: float) -> None:
        for index, record in enumerate(self.records):
            metrics = self.means.take(index)
            self.observer(Progress(record.seed, phase, self.learner.iteration, self.learner.total, rate, metrics))

    def _evaluate(self) -> None:
        for index, record in enumerate(self.records):
            evaluation = self._score(index, self.plan.request.eval_episodes, PERIODIC_FIRST_SEED)
            record.evaluations.periodic.append(evaluation)
            record.evaluations.save(record.folder.path)
            self._tell(record, evaluation)
            if record.board is not None:
                record.board.add({"evaluation/return": evaluation.score.mean}, evaluation.iteration)

    def _score(self, index: int, episodes: int, first_seed: int) -> Evaluation:
        # Once training is done its checkpoint is written, so a final score that takes long can be given up and resumed.
        interrupted = self._raise_if_stopped if self.learner.finished else None
        algorithm = self.learner.algorithm(index)
        returns = self.evaluator.returns(algorithm, episodes, first_seed, interrupted=interrupted).tolist()
        return Evaluation(self.learner.iteration, Score.of(returns), first_seed, tuple(returns))

    def _tell(self, record: SeedRecord, evaluation: Evaluation, *, final: bool = False) -> None:
        score, reference = evaluation.score, self.plan.reference
        normalised = reference.normalise(score.mean) if reference else None
        self.observer(
            Evaluated(
                record.seed, evaluation.iteration, score.mean, score.low, score.high, score.count, normalised, final
            )
        )

    def _draw(self, record: SeedRecord) -> None:
        title = f"{self.plan.algorithm.name} on {self.plan.dataset.name}, seed {record.seed}"
        problem = draw_curve(
            record.folder.path / "curve.png",
            title,
            [record.evaluations],
            dataset_return=self.plan.dataset.card.returns["mean"],
        )
        if problem:
            self.observer(Note(problem))

    # --- phases that are computed once --------------------------------------------------------------------------

    def _recalled(self) -> bool:
        """Skip the phase that begins now if every seed's outcome is kept."""
        phase, _, length = self.learner.phase_at(self.learner.iteration)
        found: list[Mapping[str, Tensor]] = []
        for record in self.records:
            kept = phase_cache.recall(self._phase_folder(record.seed))
            if kept is None:
                return False
            found.append(kept)
        states = [{**self.learner.state(i), **kept} for i, kept in enumerate(found)]
        self.learner.load_state(states, self.learner.iteration + length)
        self.observer(Note(f"phase {phase.name!r}: taken from the cache"))
        return True

    def _keep_phase(self) -> None:
        phase, _, length = self.learner.phase_at(self.learner.iteration - 1)
        for index, record in enumerate(self.records):
            folder = self._phase_folder(record.seed, self.learner.iteration - 1)
            problem = phase_cache.keep(folder, phase_cache.outcome(self.learner, phase, index), length)
            if problem:
                self.observer(Note(problem, warning=True))

    def _phase_folder(self, seed: int, iteration: int | None = None) -> Any:
        at = self.learner.iteration if iteration is None else iteration
        phase, _, length = self.learner.phase_at(at)
        manifest = self.records[0].folder.manifest
        context = {
            "algorithm": self.plan.algorithm.name,
            **{part: manifest[part] for part in ("versions", "plugins", "dataset", "modes")},
            "core": source_hash("zoo_core"),  # an outcome of other sampling or another optimiser is another
            "together": len(self.records) > 1,
        }
        return phase_cache.phase_folder(phase, self.plan.config, length, seed, context)
