"""Schedules and the steps of diffusion against their formulas, number by number, and against what they must sample."""

import math

import pytest
import torch

from zoo_core import generator
from zoo_dof.diffusion import (
    SCHEDULES,
    Schedule,
    betas,
    clean_estimate,
    clean_of_velocity,
    ddim_step,
    guided,
    levels_of,
    noise_estimate,
    noised,
    posterior,
    velocity_of,
)

SIGNAL = torch.tensor(0.3)


def normals(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed, "diffusion test"))


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 5, 200])
def test_the_signal_left_is_the_product_of_what_each_step_keeps(kind, steps):
    schedule = Schedule(kind, steps)
    product = 1.0
    for t, beta in enumerate(betas(kind, steps), 1):
        assert 0 < beta < 1
        product *= 1 - beta
        assert float(schedule.signal[0, t]) == pytest.approx(product, rel=1e-5)
    assert float(schedule.signal[0, 0]) == 1


def test_schedules_are_those_of_their_papers():
    t, steps = 3, 5
    vp = 1 - math.exp(-0.1 / steps - 0.5 * (10 - 0.1) * (2 * t - 1) / steps**2)
    assert betas("vp", steps)[t - 1] == pytest.approx(vp)
    f = [math.cos((k / 10 + 0.008) / 1.008 * math.pi / 2) ** 2 for k in range(11)]
    assert betas("cosine", 10)[:9] == pytest.approx([1 - f[k] / f[k - 1] for k in range(1, 10)])
    assert betas("cosine", 10)[9] == 0.999
    assert betas("linear", 100)[0] == pytest.approx(1e-4)
    assert betas("linear", 100)[99] == pytest.approx(0.02)
    assert float(Schedule("vp", 5).signal[0, 5]) == pytest.approx(math.exp(-5.05), rel=1e-4)  # ∫ β dt, whatever T
    with pytest.raises(ValueError, match="vp"):
        betas("square", 5)


def test_levels_are_drawn_equally_often_and_never_zero():
    schedule = Schedule("vp", 4)
    levels = schedule.draw((torch.arange(4000) + 0.5) / 4000)
    assert torch.bincount(levels).tolist() == [0, 1000, 1000, 1000, 1000]
    assert schedule.draw(torch.tensor([1.0 - 1e-8])).tolist() == [4]


def test_a_sampler_of_few_steps_stops_at_evenly_spaced_levels():
    assert levels_of(200, 10) == list(range(200, -1, -20))
    assert levels_of(5, 5) == levels_of(5, 99) == [5, 4, 3, 2, 1, 0]


def test_noising_step_by_step_is_noising_at_once():
    """x_t = √α_t x_{t−1} + √β_t ε_t, T times, has the mean and variance that the closed form says."""
    schedule, rates = Schedule("vp", 5), betas("vp", 5)
    mean, variance = 2.0, 0.0
    for beta in rates:
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
    signal = schedule.signal[0, 5]
    assert float(noised(torch.tensor(2.0), torch.tensor(0.0), signal)) == pytest.approx(mean, rel=1e-5)
    assert float(noised(torch.tensor(0.0), torch.tensor(1.0), signal)) ** 2 == pytest.approx(variance, rel=1e-5)


def test_clean_data_noise_and_velocity_follow_from_one_another():
    clean, noise = normals(6), normals(6, seed=1)
    noisy = noised(clean, noise, SIGNAL)
    velocity = math.sqrt(0.3) * noise - math.sqrt(0.7) * clean
    torch.testing.assert_close(velocity_of(clean, noise, SIGNAL), velocity)
    torch.testing.assert_close(clean_estimate(noisy, noise, SIGNAL), clean)
    torch.testing.assert_close(noise_estimate(noisy, clean, SIGNAL), noise)
    torch.testing.assert_close(clean_of_velocity(noisy, velocity, SIGNAL), clean)


def test_the_posterior_is_bayes_rule():
    """p(x_s | x_t, x_0) ∝ N(x_t; √(ᾱ_t/ᾱ_s) x_s, 1 − ᾱ_t/ᾱ_s) N(x_s; √ᾱ_s x_0, 1 − ᾱ_s): a product of two normals."""
    next_signal, noisy, clean = torch.tensor(0.8), 0.7, -0.4
    kept = float(SIGNAL / next_signal)
    likelihood, prior = kept / (1 - kept), 1 / (1 - 0.8)  # precisions, as seen by x_s
    mean = (likelihood * noisy / math.sqrt(kept) + prior * math.sqrt(0.8) * clean) / (likelihood + prior)
    found, deviation = posterior(torch.tensor(noisy), torch.tensor(clean), SIGNAL, next_signal)
    assert float(found) == pytest.approx(mean, rel=1e-5)
    assert float(deviation) == pytest.approx((likelihood + prior) ** -0.5, rel=1e-5)


def test_the_posterior_of_one_step_is_the_formula_of_ddpm():
    schedule, rates, t = Schedule("vp", 5), betas("vp", 5), 3
    now, after = schedule.signal[0, t], schedule.signal[0, t - 1]
    noisy, clean, beta = normals(6), normals(6, seed=1), rates[t - 1]
    first = math.sqrt(float(after)) * beta / (1 - float(now))
    second = math.sqrt(1 - beta) * (1 - float(after)) / (1 - float(now))
    mean, deviation = posterior(noisy, clean, now, after)
    torch.testing.assert_close(mean, first * clean + second * noisy)
    assert float(deviation) ** 2 == pytest.approx((1 - float(after)) / (1 - float(now)) * beta, rel=1e-4)


def test_a_ddim_step_keeps_the_noise_and_lessens_it():
    clean, noise, next_signal = normals(6), normals(6, seed=1), torch.tensor(0.8)
    found = ddim_step(noised(clean, noise, SIGNAL), clean, SIGNAL, next_signal)
    torch.testing.assert_close(found, math.sqrt(0.8) * clean + math.sqrt(0.2) * noise)
    torch.testing.assert_close(ddim_step(noised(clean, noise, SIGNAL), clean, SIGNAL, torch.tensor(1.0)), clean)


def test_both_ways_back_sample_a_normal_whose_noise_is_known():
    """For x_0 ~ N(m, s²), E[x_0 | x_t] is known: from it either sampler must draw N(m, s²)."""
    m, s, schedule = 0.6, 0.5, Schedule("vp", 200)
    for sampler in ("ddim", "ddpm"):
        x = normals(20_000)
        for t in range(200, 0, -1):
            now, after = schedule.signal[0, t], schedule.signal[0, t - 1]
            gain = now.sqrt() * s**2 / (now * s**2 + 1 - now)
            clean = m + gain * (x - now.sqrt() * m)
            if sampler == "ddim":
                x = ddim_step(x, clean, now, after)
            else:
                mean, deviation = posterior(x, clean, now, after)
                x = mean + deviation * normals(20_000, seed=t)
        assert float(x.mean()) == pytest.approx(m, abs=0.03)
        assert float(x.std()) == pytest.approx(s, abs=0.04)


def test_guidance_goes_from_the_unconditional_guess_through_the_conditional_one_and_beyond():
    with_label, without = torch.tensor(3.0), torch.tensor(1.0)
    assert [float(guided(with_label, without, w)) for w in (0.0, 1.0, 1.5)] == [1.0, 3.0, 4.0]
