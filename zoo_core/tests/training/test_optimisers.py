"""One step of the zoo's Adam is Adam's, however the gradient lies in memory; gradients are clipped as asked."""

import pytest
import torch

from zoo_core import Adam, Clip
from zoo_core.training.optimisers import Optimiser, clip_gradients, has_fused_adam


def test_a_transposed_gradient_moves_the_weights_it_belongs_to():
    gradient = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).t()
    weight, plain = torch.zeros(3, 4, requires_grad=True), torch.zeros(3, 4, requires_grad=True)
    optimiser, reference = Optimiser(Adam(0.1), {"w": weight}), torch.optim.Adam([plain], lr=0.1, fused=False)
    for _ in range(3):
        optimiser.step([gradient])
        plain.grad = gradient.contiguous()
        reference.step()
    assert torch.allclose(weight, plain, atol=1e-6)
    assert weight.grad is None


def no_kernel(monkeypatch, broken):
    """A torch without the fused kernel, or with one of other arguments or results."""
    has_fused_adam.cache_clear()
    if broken is None:
        monkeypatch.delattr(torch, "_fused_adam_")
    else:
        monkeypatch.setattr(torch, "_fused_adam_", broken)


def other_arguments(parameters, state, *, lr):
    raise AssertionError("called with arguments it does not have")


def nothing(*args, **kwargs):
    """A kernel that leaves the weights as they are."""


def on_no_such_device(*args, **kwargs):
    raise NotImplementedError("Could not run 'aten::_fused_adam_' with arguments from this backend")


@pytest.fixture
def asked_again():
    """What this torch has is found out anew before the next test."""
    yield
    has_fused_adam.cache_clear()


@pytest.mark.parametrize("broken", [None, other_arguments, nothing, on_no_such_device])
@pytest.mark.parametrize("settings", [Adam(0.01, schedule="cosine"), Adam(0.01, betas=(0.0, 0.99), eps=1e-3)])
@pytest.mark.usefixtures("asked_again")
def test_without_the_private_kernel_the_parameters_are_the_same(monkeypatch, broken, settings):
    has_fused_adam.cache_clear()
    assert has_fused_adam("cpu"), "the pinned torch has the kernel: what follows compares two ways"
    source = torch.Generator().manual_seed(0)
    start = {"w": torch.randn(3, 4, generator=source), "b": torch.randn(4, generator=source)}
    gradients = [[torch.randn(4, 3, generator=source).t(), torch.randn(4, generator=source)] for _ in range(40)]

    def trained():
        weights = {name: value.clone().requires_grad_() for name, value in start.items()}
        optimiser = Optimiser(settings, weights)
        for number, gradient in enumerate(gradients):
            optimiser.schedule(number / len(gradients))
            optimiser.step(gradient)
        return {**optimiser.state(), **{name: weight.detach() for name, weight in weights.items()}}

    fused = trained()
    no_kernel(monkeypatch, broken)
    plain = trained()
    assert not has_fused_adam("cpu")
    assert plain.keys() == fused.keys()
    for name, value in fused.items():
        torch.testing.assert_close(plain[name], value, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("lead", [0, 1])
def test_a_norm_for_each_module_is_that_of_its_own_gradients(lead):
    """Two modules of two gradients and one, and between them one without any: the first exceeds the norm alone."""
    seeds = (2,) * lead
    gradients = [torch.full((*seeds, 3), 3.0), torch.full((*seeds, 2, 2), 3.0), torch.full((*seeds, 4), 0.1)]
    small = gradients[2]
    gradients, norms = clip_gradients(gradients, Clip(1.0, "module"), lead, "step", (2, 0, 1))
    torch.testing.assert_close(norms, torch.full(seeds, 3.0 * 7**0.5))
    for gradient in gradients[:2]:
        torch.testing.assert_close(gradient, torch.full_like(gradient, 1 / 7**0.5))
    assert torch.equal(gradients[2], small)


def test_a_gradient_that_two_parameters_share_is_scaled_once():
    first, second = (torch.zeros(2, requires_grad=True) for _ in range(2))
    gradients = torch.autograd.grad(((first + second) * 3.0).sum(), [first, second])
    assert gradients[0].data_ptr() == gradients[1].data_ptr()
    for scaled in clip_gradients(gradients, Clip(1.0), 0, "step")[0]:
        torch.testing.assert_close(scaled, torch.full((2,), 0.5))


def test_a_loaded_optimiser_goes_on_with_equal_bits():
    generator = torch.Generator().manual_seed(0)
    gradients = [[torch.randn(3, generator=generator)] for _ in range(6)]
    whole, halves = ({"w": torch.zeros(3, requires_grad=True)} for _ in range(2))
    optimiser, first, second = (Optimiser(Adam(0.1), parameters) for parameters in (whole, halves, halves))
    assert optimiser.state() == {}
    for gradient in gradients:
        optimiser.step(gradient)
    for gradient in gradients[:3]:
        first.step(gradient)
    second.load({path: tensor.clone() for path, tensor in first.state().items()})
    for gradient in gradients[3:]:
        second.step(gradient)
    assert torch.equal(whole["w"], halves["w"])
    assert optimiser.state().keys() == {"w/exp_avg", "w/exp_avg_sq", "w/step"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Adam(-1.0), "learning rate: -1.0"),
        (Adam(float("nan")), "learning rate: nan"),
        (Adam(0.1, betas=(0.9, 1.0)), "betas"),
        (Adam(0.1, eps=-1e-8), "eps"),
    ],
)
def test_numbers_that_adam_cannot_have_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Optimiser(settings, {"w": torch.zeros(1, requires_grad=True)})
