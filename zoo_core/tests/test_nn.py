"""Shared networks and losses equal their plain PyTorch and scalar counterparts."""

import pytest
import torch
from torch import nn

from zoo_core import generator
from zoo_core.nn import (
    StackedBatchNorm,
    StackedLayerNorm,
    StackedLinear,
    StackedMLP,
    compilable,
    compiling,
    expectile_loss,
    normal_rows,
    target_copy,
)

MEMBERS, ROWS, IN, OUT = 3, 16, 5, 2


@pytest.fixture(autouse=True)
def private_random_state():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def inputs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(0, "x"))


def plain(stack: StackedMLP, member: int, norm: str) -> nn.Sequential:
    """One member as ordinary modules with the same weights."""
    parts: list[nn.Module] = []
    if norm == "batch":
        parts.append(copied(nn.BatchNorm1d(IN), stack.input_norm, member))
    for layer, layer_norm in zip(stack.layers, stack.norms, strict=True):
        parts.append(copied(nn.Linear(layer.weight.shape[1], layer.weight.shape[2]), layer, member))
        if norm == "layer":
            parts.append(copied(nn.LayerNorm(layer.weight.shape[2]), layer_norm, member))
        parts.append(nn.ReLU())
    parts.append(copied(nn.Linear(stack.last.weight.shape[1], stack.last.weight.shape[2]), stack.last, member))
    return nn.Sequential(*parts)


@torch.no_grad()
def copied(module: nn.Module, stacked: nn.Module, member: int) -> nn.Module:
    weight = stacked.weight[member]
    module.weight.copy_(weight.T if isinstance(module, nn.Linear) else weight[0])
    module.bias.copy_(stacked.bias[member, 0])
    return module


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
def test_a_stack_equals_its_members_as_plain_networks(norm):
    stack = StackedMLP(MEMBERS, IN, (7, 6), OUT, norm=norm)
    for parameter in stack.parameters():  # norms start as the identity: make them visible
        nn.init.normal_(parameter)
    x = inputs(MEMBERS, ROWS, IN)
    out = stack(x)
    assert out.shape == (MEMBERS, ROWS, OUT)
    for m in range(MEMBERS):
        assert torch.allclose(out[m], plain(stack, m, norm)(x[m]), atol=1e-4)


def test_an_input_without_members_is_shown_to_all():
    stack = StackedMLP(MEMBERS, IN, (7,), OUT)
    x = inputs(ROWS, IN)
    assert torch.allclose(stack(x), stack(x.repeat(MEMBERS, 1, 1)))


def test_members_share_no_gradient():
    stack = StackedMLP(MEMBERS, IN, (7,), OUT, norm="layer")
    stack(inputs(ROWS, IN))[1].sum().backward()
    for parameter in stack.parameters():
        assert parameter.shape[0] == MEMBERS
        assert parameter.grad[1].any()
        assert not parameter.grad[[0, 2]].any()


def test_stacked_linear_starts_as_nn_linear_does():
    layer = StackedLinear(200, 25, 4)
    bound = 1 / 25**0.5
    for tensor in (layer.weight, layer.bias):
        assert tensor.abs().max() <= bound
        assert float(tensor.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.05)


def test_last_init_narrows_the_last_weights_only():
    stack = StackedMLP(MEMBERS, IN, (7,), OUT, last_init=3e-3)
    assert stack.last.weight.abs().max() <= 3e-3
    assert stack.layers[0].weight.abs().max() > 3e-3


def test_stacked_batch_norm_equals_batch_norm_1d_in_training_and_evaluation():
    stacked, separate = StackedBatchNorm(MEMBERS, IN), [nn.BatchNorm1d(IN) for _ in range(MEMBERS)]
    for step in range(4):
        x = 2.0 + 3.0 * torch.randn(MEMBERS, ROWS, IN, generator=generator(step, "x"))
        out = stacked(x)
        for m, norm in enumerate(separate):
            assert torch.allclose(out[m], norm(x[m]), atol=1e-5)
    stacked.eval()
    x = inputs(MEMBERS, ROWS, IN)
    for m, norm in enumerate(separate):
        assert torch.allclose(stacked.running_mean[m, 0], norm.running_mean, atol=1e-5)
        assert torch.allclose(stacked.running_var[m, 0], norm.running_var, atol=1e-5)
        assert torch.allclose(stacked(x)[m], norm.eval()(x[m]), atol=1e-5)


def test_stacked_layer_norm_has_an_affine_map_per_member():
    norm = StackedLayerNorm(2, IN)
    with torch.no_grad():
        norm.weight[1] = 2.0
        norm.bias[1] = 1.0
    x = inputs(ROWS, IN)
    first, second = norm(x.expand(2, ROWS, IN))
    assert torch.allclose(first, nn.functional.layer_norm(x, (IN,)), atol=1e-6)
    assert torch.allclose(second, 2.0 * first + 1.0, atol=1e-6)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9])
def test_expectile_loss_is_its_formula(tau):
    errors = [-2.0, -0.5, 0.0, 0.5, 3.0]
    expected = [(1 - tau) * u**2 if u < 0 else tau * u**2 for u in errors]
    assert expectile_loss(torch.tensor(errors), tau).tolist() == pytest.approx(expected)


def test_the_minimiser_of_the_expectile_loss_is_the_expectile():
    sample = torch.tensor([0.0, 1.0])
    grid = torch.linspace(0, 1, 1001)
    losses = expectile_loss(sample[None] - grid[:, None], 0.9).mean(1)
    assert float(grid[losses.argmin()]) == pytest.approx(0.9, abs=1e-3)  # τ·1 / (τ·1 + (1 − τ)·1)


def test_a_target_copy_is_equal_frozen_and_apart():
    online = StackedMLP(MEMBERS, IN, (7,), OUT)
    target = target_copy(online)
    assert all(torch.equal(a, b) for a, b in zip(online.parameters(), target.parameters(), strict=True))
    assert not any(p.requires_grad for p in target.parameters())
    assert all(p.requires_grad for p in online.parameters())
    with torch.no_grad():
        online.last.bias += 1.0
    assert not torch.equal(online.last.bias, target.last.bias)


def test_compilable_functions_are_compiled_once_and_only_within_compiling(monkeypatch):
    compiled = []
    monkeypatch.setattr(
        torch, "compile", lambda function, **_: compiled.append(function) or (lambda x: function(x) + 1)
    )

    @compilable
    def double(x: int) -> int:
        """Twice x."""
        return 2 * x

    assert double(3) == 6
    with compiling(True):
        assert (double(3), double(4)) == (7, 9)
        with compiling(False):
            assert double(3) == 6
    assert double(3) == 6
    assert len(compiled) == 1
    assert double.__doc__ == "Twice x."


@pytest.mark.parametrize("width", [3, 16, 45])
def test_numbers_drawn_for_a_row_do_not_depend_on_how_many_rows_there_are(width):
    like = torch.zeros(())
    few = normal_rows((1, width), generator(0, "rows"), like)
    many = normal_rows((9, width), generator(0, "rows"), like)
    assert torch.equal(few[0], many[0])
    assert float(many.std()) == pytest.approx(1.0, abs=0.4)
    assert not normal_rows((2, width), None, like).any()
