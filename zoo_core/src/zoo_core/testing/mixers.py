"""What every mixer must hold to."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo_core.entries import MIXER_TRAITS, MixerEntry
from zoo_core.mixers import Mixer
from zoo_core.seeding import generator
from zoo_core.testing.checks import Check, Claim, Observer, demand, run_claims
from zoo_core.testing.factories import factory_claims
from zoo_core.testing.kit import claim_about, package_of

AGENTS, STATE, ROWS = 3, 5, 64


def mixer_claims(entry: MixerEntry) -> list[Claim]:
    """The claims `check_mixer` tests, for parametrising a test."""
    tests = [traits_are_known, totals_have_their_shape, gradient_reaches_every_agent, global_generator_is_untouched]
    if "monotone" in entry.traits:
        tests.append(totals_never_decrease_in_a_value)
    if "linear" in entry.traits:
        tests.append(totals_are_the_weighted_sum)
    return factory_claims(entry) + [claim_about(entry, test) for test in tests]


def check_mixer(entry: MixerEntry, observer: Observer | None = None) -> list[Check]:
    """Shapes, declared traits and gradients of a mixer."""
    return run_claims(mixer_claims(entry), observer, package_of(entry))


def build(entry: MixerEntry, outputs: int = 1) -> Mixer:
    """A small mixer with weights from a private random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Mixer = entry.load()(AGENTS, STATE, **({"outputs": outputs} if outputs != 1 else {}))
    return made


def inputs() -> tuple[Tensor, Tensor]:
    """Values [64, 3] of both signs and sizes, states [64, 5]."""
    g = generator(0, "mixer inputs")
    return 10.0 * torch.randn(ROWS, AGENTS, generator=g), 3.0 * torch.randn(ROWS, STATE, generator=g)


def shapes(entry: MixerEntry) -> tuple[int, ...]:
    """The numbers of totals the entry says it can give."""
    return (1, AGENTS) if "vector" in entry.traits else (1,)


def traits_are_known(entry: MixerEntry) -> None:
    unknown = set(entry.traits) - MIXER_TRAITS
    demand(not unknown, f"unknown traits {sorted(unknown)}: the entry may declare {sorted(MIXER_TRAITS)}")
    demand(
        "monotone" in entry.traits or "linear" not in entry.traits,
        "a linear mixer has weights ≥ 0, so it is monotone: declare both traits",
    )
    demand((entry.outputs == "n") == ("vector" in entry.traits), 'outputs="n" and the trait "vector" belong together')


def totals_have_their_shape(entry: MixerEntry) -> None:
    values, state = inputs()
    for outputs in shapes(entry):
        mixer = build(entry, outputs)
        demand(mixer.outputs == outputs, f"pass outputs={outputs} on to Mixer.__init__; it says {mixer.outputs}")
        total = mixer(values, state)
        demand(
            total.shape == (ROWS, outputs),
            f"mix(values [B, {AGENTS}], state [B, {STATE}]) must return [B, {outputs}], not {list(total.shape)}; "
            "keep the last axis even for one total",
        )
        demand(torch.isfinite(total).all(), "totals are not finite on values of size 10")
        one = mixer(values[:1], state[:1])
        demand(
            torch.allclose(one, total[:1], atol=1e-4),
            "a row's total depends on the other rows: mix row by row (no batch statistics)",
        )


def gradient_reaches_every_agent(entry: MixerEntry) -> None:
    mixer = build(entry)
    values, state = inputs()
    values.requires_grad_(True)
    mixer(values, state).sum().backward()
    dead = [i for i in range(AGENTS) if values.grad is None or not values.grad[:, i].any()]
    demand(not dead, f"no gradient reaches agents {dead}: every value must enter the total")


def totals_never_decrease_in_a_value(entry: MixerEntry) -> None:
    for outputs in shapes(entry):
        mixer = build(entry, outputs)
        values, state = inputs()
        values.requires_grad_(True)
        total = mixer(values, state)
        for m in range(outputs):
            (slope,) = torch.autograd.grad(total[:, m].sum(), values, retain_graph=True)
            demand(
                (slope >= 0).all(),
                f"declared monotone, yet ∂total_{m}/∂value = {float(slope.min()):.3g} somewhere: take the absolute "
                "value of every weight on the path from the values",
            )


def totals_are_the_weighted_sum(entry: MixerEntry) -> None:
    values, state = inputs()
    for outputs in shapes(entry):
        mixer = build(entry, outputs)
        w, b = mixer.weights(state)
        demand(
            w.shape == (ROWS, outputs, AGENTS) and b.shape == (ROWS, outputs),
            f"weights(state) must return w [B, m, n] and b [B, m]; it gave {list(w.shape)} and {list(b.shape)}",
        )
        demand((w >= 0).all(), "weights must be ≥ 0: take their absolute value")
        expected = torch.einsum("bmn,bn->bm", w, values) + b
        demand(
            torch.allclose(mixer(values, state), expected, rtol=1e-4, atol=1e-4),
            "declared linear, yet mix(values, state) differs from w(state)·values + b(state)",
        )


def global_generator_is_untouched(entry: MixerEntry) -> None:
    mixer = build(entry)
    before = torch.get_rng_state()
    mixer(*inputs())
    demand(torch.equal(before, torch.get_rng_state()), "mixing drew from the global generator: a mixer draws nothing")
