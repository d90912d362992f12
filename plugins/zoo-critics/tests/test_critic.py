"""JointCritic against whole input rows pushed through PyTorch's own layers."""

import pytest
import torch

from zoo_critics import JointCritic
from zoo_critics.testing import perturb, plain_q

S, N, A, H, B, M = 5, 3, 2, 8, 7, 4
NORMS = ("none", "layer", "batch")


def make(norm, heads=M):
    torch.manual_seed(0)
    critic = JointCritic(heads, S, N, A, H, norm)
    perturb(critic)
    return critic, torch.randn(B, S), torch.rand(B, N, A)


def whole_rows(state, action):
    """state [..., s] beside its joint action [..., n, a]."""
    return torch.cat((state, action.flatten(-2)), -1)


@pytest.mark.parametrize("norm", NORMS)
def test_joint_actions_get_the_values_of_whole_rows(norm):
    critic, state, _ = make(norm)
    action = torch.rand(6, B, N, A)
    rows = whole_rows(state.expand(6, B, S), action).flatten(0, 1)
    expected = torch.stack([plain_q(critic, j, rows) for j in range(M)]).view(M, 6, B)
    torch.testing.assert_close(critic(state, action), expected)


@pytest.mark.parametrize("norm", NORMS)
def test_counterfactuals_get_the_values_and_gradients_of_whole_rows(norm):
    critic, state, action = make(norm)
    candidates = torch.rand(N, B, 10, A)
    joint = action[None, :, None].expand(N, B, 10, N, A).clone()
    for i in range(N):
        joint[i, :, :, i] = candidates[i]
    rows = whole_rows(state[None, :, None].expand(N, B, 10, S), joint).flatten(0, 2)
    expected = torch.stack([plain_q(critic, j, rows) for j in range(M)]).view(M, N, B, 10)
    found = critic.values(critic.counterfactual(state, action, candidates))
    torch.testing.assert_close(found, expected)
    probe = torch.randn_like(expected)
    gradients = [torch.autograd.grad((v * probe).sum(), critic.parameters()) for v in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", NORMS)
def test_a_slice_of_heads_is_those_heads(norm):
    critic, state, action = make(norm)
    candidates, one = torch.rand(N, B, 3, A), slice(1, 2)
    whole = critic.values(critic.counterfactual(state, action, candidates))
    torch.testing.assert_close(critic.values(critic.counterfactual(state, action, candidates, one), one), whole[1:2])


def test_gradients_reach_a_candidate_through_the_batch_statistics_it_changes():
    critic, state, action = make("batch", heads=1)
    policy = torch.rand(N, B, 1, A, requires_grad=True)
    joint = action[None].expand(N, B, N, A).clone()
    for i in range(N):
        joint[i, :, i] = policy[i, :, 0]
    expected = plain_q(critic, 0, whole_rows(state.expand(N, B, S), joint).flatten(0, 1)).square().sum()
    found = critic.values(critic.counterfactual(state, action, policy)).square().sum()
    torch.testing.assert_close(*(torch.autograd.grad(v, policy)[0] for v in (found, expected)), rtol=1e-4, atol=1e-5)
