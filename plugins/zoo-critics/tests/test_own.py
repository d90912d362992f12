"""Decentralised critics against plain forward passes, one agent and one head at a time."""

import pytest
import torch

from zoo_core import TeamSpec, generator
from zoo_critics import OwnCritics, TeamChooser
from zoo_critics.penalties import Candidates
from zoo_critics.pieces import worth_cutting
from zoo_critics.testing import discrete_batch, perturb, plain_net, random_batch, small_team

NORMS = ["none", "layer", "batch"]
DISCRETE = TeamSpec("test", ("a", "b"), (4, 3), (3, 2), action_kind="discrete")


def critics(team, norm="none", hidden=6):
    torch.manual_seed(0)
    made = OwnCritics(team, hidden, norm)
    perturb(made)
    return made


def candidates(team, rows, samples, seed=0):
    """Different spreads along the sample axis, so that a forward pass over the wrong rows shows."""
    drawn = torch.randn(team.n, rows, samples, team.action_size, generator=generator(seed, "candidates"))
    return drawn * torch.linspace(0.2, 1.0, samples).unsqueeze(-1)


@pytest.mark.parametrize("norm", NORMS)
def test_an_agents_value_is_its_own_network_on_its_own_row(norm):
    team, batch = small_team(), random_batch(small_team(), 12)
    made = critics(team, norm)
    found = made(batch.obs, batch.action)
    for h in range(2):
        for i in range(3):
            rows = torch.cat((batch.obs[:, i], batch.action[:, i]), -1)
            torch.testing.assert_close(found[h, i], plain_net(made.nets[h], i, rows)[:, 0])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("grad", [True, False])
def test_candidates_are_valued_as_whole_rows_in_one_forward_pass(norm, grad):
    team, batch = small_team(), random_batch(small_team(), 12)
    made, tried = critics(team, norm), candidates(small_team(), 12, 5)
    with torch.set_grad_enabled(grad):
        found = made.of_candidates(batch.obs, tried)
    for h in range(2):
        for i in range(3):
            rows = torch.cat((batch.obs[:, i].repeat_interleave(5, 0), tried[i].flatten(0, 1)), -1)
            torch.testing.assert_close(found[h, i].flatten(), plain_net(made.nets[h], i, rows)[:, 0])


def test_one_head_can_be_asked_alone():
    team, batch = small_team(), random_batch(small_team(), 12)
    made, tried = critics(team), candidates(small_team(), 12, 5)
    torch.testing.assert_close(
        made.of_candidates(batch.obs, tried, slice(1, 2))[0], made.of_candidates(batch.obs, tried)[1]
    )
    torch.testing.assert_close(made(batch.obs, batch.action, slice(1, 2))[0], made(batch.obs, batch.action)[1])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("rows", "hidden"), [(12, 6), (512, 64)])
def test_conservative_value_and_its_gradient_are_the_formulas(norm, rows, hidden):
    """mean_B LSE_m (Q − log p), a forward pass for each group; the larger size is cut into pieces."""
    team, samples = small_team(), 10
    batch, made = random_batch(team, rows), critics(team, norm, hidden)
    groups = [
        Candidates(candidates(team, rows, samples, g), torch.randn(3, rows, samples, generator=generator(g, "log p")))
        for g in range(2)
    ]
    assert worth_cutting(made.sweeps(batch.obs, groups[0].action)[0]) == (rows == 512)
    found = made.conservative_value(batch.obs, groups)
    expected = torch.zeros(2, 3)
    for h in range(2):
        for i in range(3):
            corrected = []
            for group in groups:
                inputs = torch.cat((batch.obs[:, i].repeat_interleave(samples, 0), group.action[i].flatten(0, 1)), -1)
                corrected.append(plain_net(made.nets[h], i, inputs).view(rows, samples) - group.log_density[i])
            expected[h, i] = torch.logsumexp(torch.cat(corrected, -1), -1).mean()
    torch.testing.assert_close(found, expected)
    parameters = list(made.parameters())
    for one, other in zip(*(torch.autograd.grad(v.sum(), parameters) for v in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_discrete_value_is_the_output_of_the_logged_action():
    batch, made = discrete_batch(DISCRETE, 12), critics(DISCRETE)
    found = made(batch.obs, batch.action)
    for h in range(2):
        for i in range(2):
            every = plain_net(made.nets[h], i, batch.obs[:, i])
            torch.testing.assert_close(found[h, i], every[torch.arange(12), batch.action[:, i]])


def test_a_chooser_gives_probability_to_available_actions_alone():
    batch = discrete_batch(DISCRETE, 50)
    torch.manual_seed(0)
    policy = TeamChooser(DISCRETE, 6)
    probability = policy(batch.obs, batch.action_mask).exp()
    assert not probability[~batch.action_mask].any()
    torch.testing.assert_close(probability.sum(-1), torch.ones(50, 2))
    assert not policy(batch.obs, None).exp()[:, 1, 2].any()
