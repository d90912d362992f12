"""Claims about an algorithm's training: determinism, resuming, seeds, losses."""

from __future__ import annotations

import torch

from zoo_core.algorithms import Update
from zoo_core.entries import AlgorithmEntry
from zoo_core.seeding import generator
from zoo_core.testing.checks import Broken, demand, few, place
from zoo_core.testing.generators import DREW, global_states
from zoo_core.testing.kit import package_of
from zoo_core.testing.subjects import act, batch_of, data, differing, learner, views
from zoo_core.testing.tiny import each_phase, play_each_phase, play_out, weights
from zoo_core.training import Learner
from zoo_core.training.drawing import draw_noise


def training_changes_weights(entry: AlgorithmEntry, kind: str) -> None:
    trained = learner(entry, kind)
    for length in each_phase(trained):
        phase, before = trained.phase_at(trained.iteration)[0], weights(trained)
        play_out(trained, min(20, length))
        demand(
            differing(weights(trained), before),
            f"20 iterations of phase {phase.name!r} changed no weight: list the learned modules in Update(learns=…), "
            "and mind that the loss depends on them",
        )


def equal_seeds_give_equal_weights(entry: AlgorithmEntry, kind: str) -> None:
    first, second, other = (learner(entry, kind, seed) for seed in (1, 1, 2))
    for one in (first, second, other):
        play_each_phase(one, 5)
    unequal = differing(weights(first), weights(second))
    demand(
        not unequal,
        f"two runs of seed 1 differ in {few('tensor', unequal)}: take random numbers only from `noise`{DREW}",
    )
    demand(
        differing(weights(first), weights(other)), "seeds 1 and 2 give equal weights: initialise by torch's own means"
    )


def resumed_equals_uninterrupted(entry: AlgorithmEntry, kind: str) -> None:
    whole = learner(entry, kind, 1)
    for length in each_phase(whole):
        before, after = min(3, length), min(3, max(0, length - 3))
        play_out(whole, before)
        resumed = learner(entry, kind, 5)  # other weights to begin with, so that nothing of them may remain
        resumed.seeds = (1,)
        resumed.load_state([whole.state()], whole.iteration)
        for one in (whole, resumed):
            play_out(one, after)
        unequal = differing(weights(whole), weights(resumed))
        demand(
            not unequal,
            f"a run resumed after {before} iterations of a phase differs from the uninterrupted one in "
            f"{few('tensor', unequal)}: keep what must survive in parameters or registered buffers, not in plain "
            f"attributes{DREW}",
        )


def three_seeds_together_equal_three_apart(entry: AlgorithmEntry, kind: str) -> None:
    seeds, iterations = (3, 4, 5), 3
    together = learner(entry, kind, *seeds)
    try:
        play_each_phase(together, iterations)
    except RuntimeError as error:
        if "random" not in str(error):  # torch's refusal to draw within vmap
            raise
        where = place(error, package_of(entry))
        raise Broken(f"several seeds side by side cannot be given random numbers in a loss{where}{DREW}") from error
    for index, seed in enumerate(seeds):
        alone = learner(entry, kind, seed)
        start = weights(alone)
        play_each_phase(alone, iterations)
        reached, mapped = weights(alone), weights(together, index)
        # Rounding differs between the two ways to compute; seeds that meet would differ as much as training changes.
        change = sum(float((reached[k].double() - start[k].double()).square().sum()) for k in reached) ** 0.5
        apart = sum(float((reached[k].double() - mapped[k].double()).square().sum()) for k in reached) ** 0.5
        demand(
            apart <= 0.01 * change,
            f"seed {seed} trained beside others ends {apart / max(change, 1e-12):.1%} of its way from where it ends "
            "alone: write losses for one seed, without .item(), in-place writes or branches on tensor "
            f"values{DREW}",
        )


def every_loss_descends(entry: AlgorithmEntry, kind: str) -> None:
    declared = {
        (phase.name, step.name): None
        for phase in learner(entry, kind).phases
        for step in phase.steps
        if isinstance(step, Update) and step.descends
    }
    for phase_name, update_name in declared:
        before, after = _descent(learner(entry, kind), phase_name, update_name)
        demand(
            after < before,
            f"50 small steps on {update_name!r}, all else frozen, took its loss from {before:.6g} to {after:.6g}: "
            f"mind the sign, or declare Update(descends=False) if it moves its own target{DREW}",
        )


def _descent(learner: Learner, phase_name: str, update_name: str) -> tuple[float, float]:
    """The loss before and after 50 small Adam steps on one batch, with everything else frozen."""
    phase = next(phase for phase in learner.phases if phase.name == phase_name)
    step = next(step for step in phase.steps if isinstance(step, Update) and step.name == update_name)
    batch = batch_of(learner, phase, step.batch, "descent")
    source = generator(0, "descent noise")
    noise = {name: draw_noise(draw, source) for name, draw in step.noise.items()}
    names = tuple(name for attribute in step.learns for name in learner.networks.resolve(attribute, step.name))
    learned = [learner.networks.parameters[name] for name in names]
    optimiser = torch.optim.Adam(learned, lr=1e-4)
    learner.networks.train(True)
    values = []
    for _ in range(51):
        loss = learner.networks.loss(step.loss, names, batch, noise).value
        values.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, learned, allow_unused=True, materialize_grads=True)
        for parameter, gradient in zip(learned, gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
    return values[0], values[-1]


def global_generators_are_untouched(entry: AlgorithmEntry, kind: str) -> None:
    before = global_states()
    trained = learner(entry, kind)
    play_each_phase(trained, 2)
    act(trained, views(data(kind).team, 4))
    demand(
        global_states() == before,
        "training or acting drew from a global generator: declare what is random as Update(noise={…: Draw(…)})",
    )
