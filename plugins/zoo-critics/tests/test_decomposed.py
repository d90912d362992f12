"""Local networks of a mixed team against explicit one-hot concatenations, plain layers and torch's distributions."""

import pytest
import torch
from torch import nn

from zoo_core import Algorithm, Mixer, Statistics, TeamSpec, ZooError, generator
from zoo_critics import (
    AgentCritics,
    AgentNet,
    AgentValues,
    CategoricalPolicy,
    TanhNormalPolicy,
    credit,
    exchange_agents,
    joint_next_state,
    joint_state,
    joint_state_size,
    mixer_of,
    policy_of,
)
from zoo_critics.testing import discrete_batch, perturb, random_batch, small_team

TEAM = TeamSpec("test", ("a", "b", "c"), (4, 3, 4), (2, 1, 2), action_low=-0.5, action_high=1.5)
DISCRETE = TeamSpec("test", ("a", "b", "c"), (4, 3, 4), (3, 2, 3), action_kind="discrete")
HIDDEN = (7, 6)
ORDER = (1, 2, 0)


def made(kind, team, *args, **options):
    torch.manual_seed(0)
    module = kind(team, *args, **options)
    perturb(module)
    return module


def rows(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed, "rows"))


def concatenated(net: AgentNet, x: torch.Tensor) -> torch.Tensor:
    """The same network in PyTorch's own layers, its input [x_i, one-hot id i] spelled out: x [B, n, i]."""
    agents = x.shape[1]
    ids = torch.eye(agents).expand(len(x), agents, agents)
    out = torch.cat((x, ids), -1) @ torch.cat((net.first.weight, net.first.ids)) + net.first.bias
    for layer in net.rest:
        out = nn.functional.linear(torch.relu(out), layer.weight, layer.bias)
    return out


# --- networks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (7,), HIDDEN])
def test_shared_weights_are_a_network_on_the_input_and_a_one_hot_id(hidden):
    net, x = made(AgentNet, TEAM, 5, hidden, 2), rows(8, 3, 5)
    torch.testing.assert_close(net(x), concatenated(net, x))


def test_shared_weights_have_the_gradients_of_the_concatenation():
    net, x = made(AgentNet, TEAM, 5, HIDDEN, 1), rows(8, 3, 5)
    found, wanted = (
        torch.autograd.grad(f(x).square().sum(), list(net.parameters())) for f in (net, lambda x: concatenated(net, x))
    )
    for f, w in zip(found, wanted, strict=True):
        torch.testing.assert_close(f, w)


def test_shared_weights_begin_as_a_linear_layer_on_the_input_and_the_id_does():
    torch.manual_seed(0)
    first = AgentNet(TEAM, 13, (5000,), 1).first
    for tensor in (first.weight, first.bias, first.ids):
        assert tensor.abs().max() <= 1 / 4
        assert tensor.detach().std() == pytest.approx(1 / 4 / 3**0.5, rel=0.05)


def test_weights_of_an_agents_own_see_its_row_alone():
    net, x = made(AgentNet, TEAM, 5, HIDDEN, 2, share=False), rows(8, 3, 5)
    for i in range(3):
        out = x[:, i]
        for number, layer in enumerate((net.first, *net.rest)):
            out = nn.functional.linear(torch.relu(out) if number else out, layer.weight[i].T, layer.bias[i, 0])
        torch.testing.assert_close(net(x)[:, i], out)


@pytest.mark.parametrize("share", [True, False])
def test_leading_axes_are_batch_axes(share):
    net, x = made(AgentNet, TEAM, 5, HIDDEN, 2, share=share), rows(4, 8, 3, 5)
    torch.testing.assert_close(net(x), torch.stack([net(part) for part in x]))


@pytest.mark.parametrize("share", [True, False])
def test_candidates_are_valued_as_whole_inputs_are(share):
    critics = made(AgentCritics, TEAM, HIDDEN, share=share)
    obs, candidates = rows(6, 3, 4), rows(6, 3, 5, 2, seed=1)
    wanted = torch.stack([critics(obs, candidates[:, :, m]) for m in range(5)], -1)
    torch.testing.assert_close(critics.of_candidates(obs, candidates), wanted)


@pytest.mark.parametrize("share", [True, False])
def test_a_discrete_critic_gives_the_value_of_the_action_taken(share):
    critics, batch = made(AgentCritics, DISCRETE, HIDDEN, share=share), discrete_batch(DISCRETE, 9)
    q, every = critics(batch.obs, batch.action), critics.of_all_actions(batch.obs)
    assert every.shape == (9, 3, 3)
    for b in range(9):
        for i in range(3):
            assert q[b, i] == every[b, i, batch.action[b, i]]


def test_a_local_value_has_one_number_for_each_agent():
    values, obs = made(AgentValues, TEAM, HIDDEN), rows(8, 3, 4)
    torch.testing.assert_close(values(obs), concatenated(values.net, obs).squeeze(-1))


# --- policies ----------------------------------------------------------------------------------------------------


def reference(policy, obs, i):
    """Agent i's policy over its own dimensions, in torch.distributions, in the team's bounds."""
    size = TEAM.action_sizes[i]
    mean, log_std = policy(obs)
    normal = torch.distributions.Normal(mean[:, i, :size], log_std[:, i, :size].exp())
    maps = [torch.distributions.TanhTransform(), torch.distributions.AffineTransform(0.5, 1.0)]
    return torch.distributions.TransformedDistribution(normal, maps)


@pytest.mark.parametrize("share", [True, False])
def test_a_tanh_normal_density_is_that_of_torch_distributions(share):
    policy, obs = made(TanhNormalPolicy, TEAM, HIDDEN, share=share), rows(16, 3, 4)
    action = 0.5 + 0.999 * (2 * torch.rand(16, 3, 2, generator=generator(0, "actions")) - 1)
    found = policy.log_density(obs, action)
    for i, size in enumerate(TEAM.action_sizes):
        wanted = reference(policy, obs, i).log_prob(action[:, i, :size]).sum(-1)
        torch.testing.assert_close(found[:, i], wanted, rtol=1e-4, atol=1e-3)


def test_actions_on_and_beyond_the_bounds_have_a_finite_density_and_gradient():
    policy, obs = made(TanhNormalPolicy, TEAM, HIDDEN), rows(4, 3, 4)
    for action in (-0.5, 1.5, 40.0):
        density = policy.log_density(obs, torch.full((4, 3, 2), action))
        gradients = torch.autograd.grad(density.sum(), list(policy.parameters()))
        assert density.isfinite().all()
        assert all(g.isfinite().all() for g in gradients)


def test_padded_dimensions_change_no_density_and_are_zero_in_actions():
    policy, obs, noise = made(TanhNormalPolicy, TEAM, HIDDEN), rows(8, 3, 4), rows(8, 3, 2, seed=1)
    action = torch.full((8, 3, 2), 0.3)
    moved = action.clone()
    moved[:, 1, 1] = 0.9
    torch.testing.assert_close(policy.log_density(obs, moved), policy.log_density(obs, action))
    for acted in (policy.sample(obs, noise), policy.mode(obs)):
        assert (acted[:, 1, 1] == 0).all()
        assert (acted[:, 1, 0] != 0).all()


def test_samples_are_the_distributions_and_stay_in_the_bounds():
    policy, obs, noise = made(TanhNormalPolicy, TEAM, HIDDEN), rows(8, 3, 4), rows(5, 8, 3, 2, seed=1)
    sample = policy.sample(obs, noise)
    assert sample.shape == (5, 8, 3, 2)
    assert sample.min() >= -0.5
    assert sample.max() <= 1.5
    mean, log_std = policy(obs)
    torch.testing.assert_close(sample[:, :, 0], 0.5 + torch.tanh(mean + log_std.exp() * noise)[:, :, 0])
    torch.testing.assert_close(policy.sample(obs, torch.zeros(8, 3, 2)), policy.mode(obs))


def test_means_and_deviations_are_clamped():
    policy = made(TanhNormalPolicy, TEAM, HIDDEN)
    mean, log_std = policy(1e4 * rows(64, 3, 4))
    assert mean.abs().max() == 9
    assert log_std.min() == -5
    assert log_std.max() == 2


def test_a_masked_categorical_is_a_softmax_over_what_is_available():
    policy, batch = made(CategoricalPolicy, DISCRETE, HIDDEN), discrete_batch(DISCRETE, 32)
    log_policy = policy(batch.obs, batch.action_mask)
    logits = concatenated(policy.net, batch.obs)
    for b in range(32):
        for i in range(3):
            there = batch.action_mask[b, i]
            torch.testing.assert_close(log_policy[b, i, there], torch.log_softmax(logits[b, i, there], -1))
            assert (log_policy[b, i, ~there].exp() == 0).all()
    assert log_policy.isfinite().all()
    found = policy.log_density(batch.obs, batch.action, batch.action_mask)
    assert found[3, 1] == log_policy[3, 1, batch.action[3, 1]]
    assert batch.action_mask.gather(-1, policy.mode(batch.obs, batch.action_mask)[..., None]).all()


def test_without_a_mask_only_padding_is_unavailable():
    policy, obs = made(CategoricalPolicy, DISCRETE, HIDDEN), rows(32, 3, 4)
    probability = policy(obs, None).exp()
    assert (probability[:, 1, 2] == 0).all()
    assert (probability[:, 0] > 0).all()


def test_policy_of_fits_the_teams_actions():
    assert isinstance(policy_of(TEAM, HIDDEN), TanhNormalPolicy)
    assert isinstance(policy_of(DISCRETE, HIDDEN), CategoricalPolicy)


# --- mixer and state ---------------------------------------------------------------------------------------------


class Sum(Mixer):
    def mix(self, values, state):
        return values.sum(-1, keepdim=True)

    def weights(self, state):
        return state.new_ones(len(state), self.outputs, self.agents), state[:, : self.outputs]


def test_a_mixer_is_built_for_the_state_that_batches_give():
    team = small_team()
    batch = random_batch(team, 5)
    assert mixer_of(Sum, team).state_size == joint_state(batch).shape[1] == joint_state_size(team) == 12
    torch.testing.assert_close(joint_next_state(batch), batch.next_obs.flatten(1))
    assert mixer_of(Sum, team).outputs == 1


def test_states_of_every_agents_own_stand_side_by_side():
    team = TeamSpec("test", ("a", "b"), (4, 4), (2, 2), state_kind="per_agent", state_size=5)
    assert mixer_of(Sum, team).state_size == 10


def test_credit_is_one_weight_for_each_agent_and_a_bias():
    w, b = credit(Sum(3, 4), rows(6, 4))
    assert (w == 1).all()
    assert w.shape == (6, 3)
    torch.testing.assert_close(b, rows(6, 4)[:, 0])


def test_a_missing_mixer_or_state_is_refused_with_what_to_declare():
    with pytest.raises(ZooError, match=r"declare mixer=… in its entry"):
        mixer_of(None, TEAM)
    with pytest.raises(ZooError, match="declare 'state'"):
        joint_state(
            discrete_batch(DISCRETE, 3).__class__(**{**dict(random_batch(small_team(), 3).present()), "state": None})
        )


# --- agents in another order -------------------------------------------------------------------------------------


class Holder(Algorithm):
    def __init__(self, team, share):
        zeros = torch.zeros(team.n, 4)
        mean = torch.arange(3.0).unsqueeze(-1).expand(3, 4).clone()
        super().__init__(team, None, statistics=Statistics(mean, zeros, None, None, 0, 1, 0, 0, 1))
        self.value, self.critic = AgentValues(team, HIDDEN, share), AgentCritics(team, HIDDEN, share)
        self.policy = policy_of(team, HIDDEN, share)


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("discrete", [False, True])
def test_exchanged_agents_with_exchanged_rows_give_exchanged_numbers(share, discrete):
    """Agents of unequal size, too: what is padding moves with them."""
    team = DISCRETE if discrete else TEAM
    plain = made(lambda t: Holder(t, share), team)
    moved = made(lambda t: Holder(t, share), team)
    exchange_agents(moved, ORDER)
    batch = (discrete_batch if discrete else random_batch)(team, 8)
    order = list(ORDER)

    def numbers(h, obs, action, mask):
        args = (obs, action, mask) if discrete else (obs, action)
        mode = h.policy.mode(obs, mask) if discrete else h.policy.mode(obs)
        return h.value(obs), h.critic(obs, action), h.policy.log_density(*args), mode

    mask = batch.action_mask
    before = numbers(plain, batch.obs, batch.action, mask)
    after = numbers(moved, batch.obs[:, order], batch.action[:, order], None if mask is None else mask[:, order])
    for b, a in zip(before, after, strict=True):
        torch.testing.assert_close(a, b[:, order])
    assert moved.statistics.obs_mean[:, 0].tolist() == order
