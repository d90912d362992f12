"""Networks with a member axis: each member is a network of its own, and its label can be hidden."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from zoo_core import generator
from zoo_dof.networks import Denoiser, FlatNet, StackedConv, Standard, TemporalUNet, sinusoid

N, B, H, F, E = 3, 5, 8, 6, 4


def normals(*shape):
    return torch.randn(*shape, generator=generator(0, "network test"))


def denoiser(kind, members=N):
    torch.manual_seed(0)
    if kind == "flat":
        return Denoiser(members, FlatNet(members, H, F, (16, 16), 2 * E), E)
    return Denoiser(members, TemporalUNet(members, F, [8, 16, 24], 2 * E), E)


def inputs():
    level, heed = torch.tensor([1, 2, 3, 4, 5]), torch.ones(B, N, dtype=torch.bool)
    return normals(B, N, H, F), level, normals(B, N), heed


@pytest.mark.parametrize("transposed", [False, True])
def test_a_stacked_convolution_is_one_convolution_for_each_member(transposed):
    torch.manual_seed(0)
    conv = StackedConv(N, F, 4, 4 if transposed else 3, stride=2, transposed=transposed)
    x = normals(B, N, F, H)
    plain = functional.conv_transpose1d if transposed else functional.conv1d
    for i in range(N):
        expected = plain(x[:, i], conv.weight[i], conv.bias[i], stride=2, padding=1)
        torch.testing.assert_close(conv(x)[:, i], expected)


@pytest.mark.parametrize("kind", ["flat", "unet"])
def test_an_agents_guess_depends_on_its_own_plan_label_and_member_alone(kind):
    net = denoiser(kind)
    plan, level, label, heed = inputs()
    before = net(plan, level, label, heed)
    assert before.shape == plan.shape
    plan[:, 1] += 1.0
    label[:, 2] += 1.0
    after = net(plan, level, label, heed)
    torch.testing.assert_close(after[:, 0], before[:, 0])
    assert not torch.allclose(after[:, 1], before[:, 1], atol=1e-3)
    assert not torch.allclose(after[:, 2], before[:, 2], atol=1e-5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter[0] += 0.1
    moved = net(plan, level, label, heed)
    torch.testing.assert_close(moved[:, 1:], after[:, 1:])
    assert not torch.allclose(moved[:, 0], after[:, 0], atol=1e-3)


@pytest.mark.parametrize("kind", ["flat", "unet"])
def test_a_shared_network_treats_agents_as_further_rows(kind):
    net = denoiser(kind, members=1)
    plan, level, label, heed = inputs()
    found = net(plan, level, label, heed)
    for i in range(N):
        own = net(plan[:, i : i + 1], level, label[:, i : i + 1], heed[:, i : i + 1])
        torch.testing.assert_close(found[:, i : i + 1], own, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["flat", "unet"])
def test_a_hidden_label_leaves_no_trace_and_is_no_label(kind):
    net = denoiser(kind)
    plan, level, label, heed = inputs()
    hidden = net(plan, level, label, ~heed)
    torch.testing.assert_close(net(plan, level, label + 2.0, ~heed), hidden)
    for value in (0.0, 1.0, -1.0):
        shown = net(plan, level, torch.full_like(label, value), heed)
        assert not torch.allclose(shown, hidden, atol=1e-4)


def test_the_level_of_noise_matters():
    net = denoiser("unet")
    plan, level, label, heed = inputs()
    assert not torch.allclose(net(plan, level, label, heed), net(plan, level + 1, label, heed), atol=1e-5)
    assert sinusoid(torch.tensor([0, 7]), 6).shape == (2, 6)


@pytest.mark.parametrize("widths", [[8], [8, 12]])
def test_a_u_net_of_any_depth_gives_back_the_shape(widths):
    net = TemporalUNet(2, F, widths, E)
    assert net(normals(B, 2, 6, F), normals(B, 2, E)).shape == (B, 2, 6, F)
    assert all(len(parameter) == 2 for parameter in net.parameters())


def test_the_published_u_net_has_the_published_size():
    """DoF's network at 18 features: 59,738,770 parameters; ours has neither a second bias nor other embeddings."""
    with torch.device("meta"):
        net = Denoiser(1, TemporalUNet(1, 18, [128, 512, 1024], 256), 128)
    size = sum(parameter.numel() for parameter in net.parameters())
    assert abs(size / 59_738_770 - 1) < 0.02


def test_features_that_never_vary_are_only_shifted():
    standard = Standard(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.0]]))
    torch.testing.assert_close(standard(torch.tensor([[2.0, 3.0]])), torch.tensor([[2.0, 1.0]]))
    assert not list(standard.parameters())
    assert isinstance(standard, nn.Module)
