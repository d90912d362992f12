"""The learner: it carries out what an algorithm declares, one iteration at a time.

Everything random in iteration i of a phase comes from generators named by (seed, phase, i): the batches and the noise
of one iteration do not depend on what was drawn before. So a resumed run needs no generator state, and seeds trained
together see what each would see alone.

What is equal, and when:

- Two trainings of one seed, one of them interrupted at checkpoints any number of times or not, end with equal bits in
  weights, optimisers, metrics and scores on a CPU if these are equal: the core, the plugins, torch and Python; the
  dataset; the settings; the modes (threads, compilation, precision); the seeds trained in one group; and the kind of
  processor, whose instruction set decides which kernels run. A resumed run is held to all of them but the last.
- On a GPU the same holds of batches and noise; they are other ones than a CPU's. Weights are equal as far as the
  kernels of the losses are: torch's deterministic ones are not asked for, and some add in any order.
- A seed trained alone and within a group sees the same batches and noise; its weights differ by rounding. So do
  recorded and plain iterations on a GPU, compiled and eager losses, and other numbers of threads.

Iterations are counted from 1 within a phase: `every=2` acts in the 2nd, 4th, … iteration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo_core.algorithms import (
    Algorithm,
    Assign,
    IterationStep,
    Phase,
    Polyak,
    Update,
)
from zoo_core.errors import PluginError, TrainingDiverged
from zoo_core.training.drawing import Acting, Drawing, Drawn, SamplerFactory, acting_in
from zoo_core.training.networks import Networks
from zoo_core.training.optimisers import Optimiser, clip_gradients
from zoo_core.training.replay import Recorder, Recordings

Metrics = dict[str, Tensor]
"""`"<update>/<metric>"` → [S] or [S, k], detached."""
LOSS = "/loss"


class Learner:
    """Trains S ≥ 1 seeds of one algorithm through its phases.

    Attributes:
        seeds: the run seed of each algorithm.
        phases: the algorithm's phases, in order.
        iteration: iterations done, over all phases.
    """

    def __init__(
        self,
        algorithms: Sequence[Algorithm],
        seeds: Sequence[int],
        samplers: SamplerFactory,
        *,
        iterations: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """`samplers(need)` gives a sampler, e.g. `dataset.sampler`. `iterations` is the budget of a phase that names
        none (default: the config's)."""
        if len(algorithms) != len(seeds) or not seeds:
            raise ValueError(f"{len(algorithms)} algorithms for {len(seeds)} seeds")
        self.device = torch.device(device)
        self.networks = Networks([algorithm.to(self.device) for algorithm in algorithms])
        self.phases = tuple(algorithms[0].phases())
        self.iteration = 0
        self._drawing = Drawing(tuple(seeds), samplers, self.device)
        budget = algorithms[0].config.iterations if iterations is None else iterations
        self._lengths = tuple(budget if p.iterations is None else p.iterations for p in self.phases)
        self._optimisers: dict[str, Optimiser] = {}
        self._modules: dict[str, list[int]] = {}
        self._recordings: Recordings | None = None
        self._unchecked: dict[str, Tensor] = {}
        self._prepare()

    @property
    def seeds(self) -> tuple[int, ...]:
        """The run seed of each algorithm, from which batches and noise are drawn."""
        return tuple(self._drawing.seeds)

    @seeds.setter
    def seeds(self, seeds: Sequence[int]) -> None:
        self._drawing.seeds = tuple(seeds)

    @property
    def total(self) -> int:
        """Iterations of all phases together."""
        return sum(self._lengths)

    @property
    def finished(self) -> bool:
        return self.iteration >= self.total

    def phase_at(self, iteration: int) -> tuple[Phase, int, int]:
        """Where training stands after `iteration` iterations: the phase of the next, its number there, its length."""
        start = 0
        for phase, length in zip(self.phases, self._lengths, strict=True):
            if iteration < start + length:
                return phase, iteration - start + 1, length
            start += length
        raise IndexError(f"training ends after {self.total} iterations")

    def algorithm(self, index: int = 0) -> Algorithm:
        """The algorithm of one seed, up to date, in evaluation mode; the next `step` sets training mode again."""
        algorithm = self.networks.publish(index)
        algorithm.eval()
        return algorithm

    # --- one iteration ------------------------------------------------------------------------------------------

    def step(self) -> Metrics:
        """One iteration.

        Raises:
            TrainingDiverged: a loss is NaN or infinite; of a recorded iteration the next step, or
                `check_parameters`, says so.
        """
        phase, number, length = self.phase_at(self.iteration)
        self.networks.train(True)
        acting = acting_in(phase, number)
        for _, step in acting:
            if isinstance(step, Update):
                self._optimisers[step.name].schedule((number - 1) / length)
        if self._recordings is None:
            metrics = self._carry_out(acting, Drawn(self._drawing, phase, number))
        else:
            metrics = self._replay(self._recordings, phase, number, acting)
        self.iteration += 1
        return metrics

    def replay_with(self, record: Recorder, warn: Callable[[str], None] | None = None) -> None:
        """From now on record each kind of iteration once and replay it (see `zoo_core.training.replay`).

        One that cannot be recorded or replayed runs plainly from then on and `warn` is told; without `warn` the error
        is raised.
        """

        def refused(kind: Any, why: str) -> None:
            if warn is not None:
                phase, positions = kind
                warn(
                    f"iterations of phase {phase!r} that take its steps {', '.join(str(p + 1) for p in positions)}"
                    f" are not replayed but run one kernel at a time: {why}"
                )

        self._recordings = Recordings(record, None if warn is None else refused)

    def _replay(self, recordings: Recordings, phase: Phase, number: int, acting: Acting) -> Metrics:
        """As `_carry_out`, but on fixed buffers and without waiting for the device."""
        drawn = Drawn(self._drawing, phase, number)
        inputs = drawn.tensors(acting)
        self._check_losses()
        optimisers = [tensor for optimiser in self._optimisers.values() for tensor in optimiser.tensors()]
        metrics = recordings(
            (phase.name, tuple(position for position, _ in acting)),
            lambda fixed: self._carry_out(acting, drawn.reading(fixed), check=False),
            inputs,
            [*self.networks.tensors().values(), *optimisers],
        )
        self._unchecked = {name[: -len(LOSS)]: value for name, value in metrics.items() if name.endswith(LOSS)}
        return metrics

    def _carry_out(self, acting: Acting, drawn: Drawn, *, check: bool = True) -> Metrics:
        metrics: Metrics = {}
        counts: dict[str, int] = {}
        for position, step in acting:
            if isinstance(step, Polyak):
                self._polyak(step)
                continue
            batch, noise = drawn.batch(step.batch), drawn.noise(position, step)
            if isinstance(step, Assign):
                self._assign(step, batch, noise)
                continue
            for name, value in self._update(step, batch, noise, check=check).items():
                # Several updates of one name in an iteration: the mean over them.
                counts[name] = counts.get(name, 0) + 1
                before = metrics.get(name)
                metrics[name] = value if before is None else before + (value - before) / counts[name]
        return metrics

    def _update(self, step: Update, batch: Any, noise: Mapping[str, Tensor], *, check: bool) -> Metrics:
        optimiser = self._optimisers[step.name]
        loss = self.networks.loss(step.loss, tuple(optimiser.parameters), batch, noise)
        value = loss.value.detach()
        if check:
            self._require_finite(step.name, value, self.iteration)
        gradients: Sequence[Tensor] = torch.autograd.grad(
            loss.value.sum(), list(optimiser.parameters.values()), allow_unused=True, materialize_grads=True
        )
        logged = {"loss": value, **loss.metrics}
        if step.clip is not None:
            modules = self._modules[step.name]
            lead = self.networks.lead
            gradients, logged["grad_norm"] = clip_gradients(gradients, step.clip, lead, step.name, modules)
        optimiser.step(gradients)
        return {f"{step.name}/{name}": self._per_seed(metric) for name, metric in logged.items()}

    @torch.no_grad()
    def _polyak(self, step: Polyak) -> None:
        """Parameters only: buffers, such as a batch norm's running statistics, stay the target's own."""
        online, target = self._pairs[step.online, step.target]
        if online:
            torch._foreach_lerp_(target, online, step.tau)

    @torch.no_grad()
    def _assign(self, step: Assign, batch: Any, noise: Mapping[str, Tensor]) -> None:
        values = self.networks.compute(step.compute, batch, noise)
        if set(values) != set(step.writes):
            raise PluginError(f"step {step.name!r} computed {sorted(values)} but declares {sorted(step.writes)}")
        for name in step.writes:
            self.networks.buffers[name].copy_(values[name])

    # --- what a checkpoint holds --------------------------------------------------------------------------------

    def state(self, index: int = 0) -> dict[str, Tensor]:
        """One seed's parameters, buffers and optimiser state, on the CPU, by path; `load_state` takes them back."""
        live = {f"model/{name}": tensor for name, tensor in self.networks.tensors().items()}
        for name, optimiser in self._optimisers.items():
            live |= {f"optimiser/{name}/{path}": tensor for path, tensor in optimiser.state().items()}
        return {path: self._one_seed(tensor, index).detach().cpu().clone() for path, tensor in live.items()}

    @torch.no_grad()
    def load_state(self, states: Sequence[Mapping[str, Tensor]], iteration: int) -> None:
        """Continue from the states of all seeds after `iteration` iterations."""
        if not self.networks.stacked:
            joined = dict(states[0])
        else:  # Adam's step counters are equal in all seeds and stay scalars
            joined = {
                path: tensor if _is_counter(path) else torch.stack([state[path] for state in states])
                for path, tensor in states[0].items()
            }
        self.load_tensors({path[6:]: t for path, t in joined.items() if path.startswith("model/")})
        for name, optimiser in self._optimisers.items():
            prefix = f"optimiser/{name}/"
            optimiser.load({path[len(prefix) :]: t for path, t in joined.items() if path.startswith(prefix)})
        self.iteration, self._unchecked = iteration, {}

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy values into live parameters and buffers (stacked if several seeds)."""
        live = self.networks.tensors()
        for name, tensor in tensors.items():
            live[name].copy_(tensor)

    def check_parameters(self) -> None:
        """Raise `TrainingDiverged` if a parameter or buffer is NaN or infinite."""
        self._check_losses()
        for name, tensor in self.networks.tensors().items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise TrainingDiverged(f"{name} is no longer finite after iteration {self.iteration}")

    # --- preparation --------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Resolve every attribute name once, so that a wrong one is an error before training."""
        names = [phase.name for phase in self.phases]
        if not names or len(set(names)) != len(names):
            raise PluginError(f"phases need names of their own, not {names}")
        self._pairs: dict[tuple[str, str], tuple[list[Tensor], list[Tensor]]] = {}
        seen: dict[str, Update] = {}
        for phase in self.phases:
            for step in phase.steps:
                self._prepare_step(step, phase, seen)

    def _prepare_step(self, step: IterationStep, phase: Phase, seen: dict[str, Update]) -> None:
        if isinstance(step, Polyak):
            label = f"Polyak {step.online} → {step.target}"
            online, target = (self.networks.resolve(name, label) for name in (step.online, step.target))
            pair = [self.networks.parameters[n] for n in online], [self.networks.parameters[n] for n in target]
            if [p.shape for p in pair[0]] != [p.shape for p in pair[1]]:
                raise PluginError(f"{label}: their parameters differ in number or shape")
            self._pairs[step.online, step.target] = pair
            return
        wanted = step.batch if isinstance(step.batch, tuple) else (step.batch,)
        if not all(0 <= index < phase.data.batches for index in wanted):
            raise PluginError(
                f"step {step.name!r} takes batch {step.batch}; phase {phase.name!r} has {phase.data.batches}"
            )
        if isinstance(step, Assign):
            unknown = [name for name in step.writes if name not in self.networks.buffers]
            if unknown:
                raise PluginError(f"step {step.name!r} writes {unknown}, which are no buffers of the algorithm")
            return
        twin = seen.setdefault(step.name, step)
        if (twin.learns, twin.optimizer) != (step.learns, step.optimizer):
            raise PluginError(f"updates called {step.name!r} differ in `learns` or `optimizer`; give them other names")
        if step.name not in self._optimisers:
            parameters: dict[str, Tensor] = {}
            sizes = self._modules[step.name] = []
            for attribute in step.learns:
                known = len(parameters)
                names = self.networks.resolve(attribute, step.name)
                parameters |= {name: self.networks.parameters[name] for name in names}
                sizes.append(len(parameters) - known)
            if not parameters:
                raise PluginError(f"update {step.name!r} learns nothing: {', '.join(step.learns)} have no parameters")
            frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad]
            if frozen:
                raise PluginError(f"update {step.name!r} learns frozen parameters: {', '.join(frozen)}")
            self._optimisers[step.name] = Optimiser(step.optimizer, parameters)

    # --- seeds --------------------------------------------------------------------------------------------------

    def _one_seed(self, tensor: Tensor, index: int) -> Tensor:
        # Adam's step counter is one scalar for all seeds; everything else is [S, …] when stacked.
        return tensor[index] if self.networks.stacked and tensor.dim() else tensor

    def _per_seed(self, metric: Any) -> Tensor:
        """A metric as [S] or [S, k]."""
        tensor = torch.as_tensor(metric).detach()
        return tensor if self.networks.stacked else tensor.unsqueeze(0)

    def _check_losses(self) -> None:
        """Those of the last recorded iteration, which did not look at them itself."""
        for name, value in self._unchecked.items():
            self._require_finite(name, value, self.iteration - 1)
        self._unchecked = {}

    def _require_finite(self, name: str, value: Tensor, iteration: int) -> None:
        values = value.reshape(-1).tolist()
        bad = [(seed, v) for seed, v in zip(self.seeds, values, strict=True) if not math.isfinite(v)]
        if not bad:
            return
        seed, found = bad[0]
        phase, number, _ = self.phase_at(iteration)
        raise TrainingDiverged(
            f"the loss {name!r} became {found} in iteration {iteration + 1}"
            f" (seed {seed}, phase {phase.name!r}, iteration {number} of it)"
        )


def _is_counter(path: str) -> bool:
    """Whether a path of the learner's state is a step counter of Adam's, and not a parameter of that name."""
    return path.startswith("optimiser/") and path.endswith("/step")
