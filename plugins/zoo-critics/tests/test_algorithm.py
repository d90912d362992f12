"""The loop the family shares: what an iteration does, the actors' loss, symmetry, and that it learns."""

import dataclasses
import math

import pytest
import torch

from zoo_core import Batch, Polyak, SettingError, TeamSpec, Update
from zoo_critics import ConservativeCritics, CriticConfig, Target, state_of
from zoo_critics.testing import critic_update, draw, perturb, plain_q, random_batch, small_team, train

B = 8


class Joint(ConservativeCritics):
    """The plainest member: every agent replaced, counterfactual penalty."""

    def target(self, batch, noise):
        joint = self.policy_next_action(batch, noise).unsqueeze(0)
        return Target(self.backup(batch, self.target_critic(state_of(batch.next_state), joint).amin(0)), {})


def make(team=None, cls=Joint, **settings):
    team = team or small_team()
    torch.manual_seed(0)
    algorithm = cls(team, CriticConfig(**{"batch_size": B, "hidden": 8, "norm": "none", "samples": 3, **settings}))
    perturb(algorithm)
    return algorithm, random_batch(team, B)


def test_an_iteration_is_five_critic_updates_one_actor_update_and_one_move_of_the_targets():
    alg, _ = make(tau=0.02)
    (phase,) = alg.phases()
    steps = [(s.name, s.batch) if isinstance(s, Update) else (s.online, s.target, s.tau) for s in phase.steps]
    critics = [("critic", j) for j in range(5)]
    moves = [("critic", "target_critic", 0.02), ("actor", "target_actor", 0.02)]
    assert steps == [critics[0], ("actor", 0), *critics[1:], *moves]
    assert phase.data.batches == 5


@pytest.mark.parametrize(("per", "expected"), [("all", "all"), ("member", "member")])
def test_clipping_is_as_the_settings_say_and_always_per_actor(per, expected):
    alg, _ = make(clip_per=per)
    critic, actor = (s for s in alg.phases()[0].steps[:2])
    assert (critic.clip.per, actor.clip.per, critic.clip.norm) == (expected, "member", 0.5)
    assert all(len(p) == alg.config.heads for p in alg.critic.parameters())
    assert all(len(p) == alg.team.n for p in alg.actor.parameters())


def test_actor_loss_and_gradient_equal_the_formula_agent_by_agent():
    alg, batch = make()
    expected = 0.0
    policy = alg.actor(batch.obs)
    for i in range(3):
        for b in range(B):
            joint = batch.action[b].clone()
            joint[i] = policy[b, i]
            expected = expected - plain_q(alg.critic, 0, torch.cat((batch.state[b], joint.flatten()))[None])[0] / (
                3 * B
            )
        expected = expected + 1e-3 * policy[:, i].square().mean()
    found = alg.actor_loss(batch, {}).value
    torch.testing.assert_close(found, expected)
    parameters = list(alg.actor.parameters())
    for one, other in zip(*(torch.autograd.grad(v, parameters) for v in (found, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_permuting_agents_with_their_parameters_leaves_the_losses_as_they_are():
    alg, batch = make()
    noise, order = draw(critic_update(alg).noise), torch.tensor([2, 0, 1])
    before = alg.critic_loss(batch, noise).value, alg.actor_loss(batch, {}).value
    alg.relabel(order)
    permuted = Batch(**{
        name: t[:, order] if t.dim() == 3 or name == "reward" else t for name, t in batch.present()
    })  # fmt: skip
    object.__setattr__(permuted, "state", permuted.obs.flatten(1))
    object.__setattr__(permuted, "next_state", permuted.next_obs.flatten(1))
    moved = {"target": noise["target"][:, order], "uniform": noise["uniform"][order]}
    torch.testing.assert_close(alg.critic_loss(permuted, moved).value, before[0])
    torch.testing.assert_close(alg.actor_loss(permuted, {}).value, before[1])


def test_padded_action_dimensions_stay_zero_and_do_not_count_in_the_density():
    team = TeamSpec("uneven", ("a", "b"), (4, 4), (1, 2))
    alg, batch = make(team)
    assert (alg.actor(batch.obs)[:, 0, 1] == 0).all()
    assert alg.actor(batch.obs)[:, 1].abs().min() > 0
    noise = draw(critic_update(alg).noise)
    ((candidates, _),) = alg.candidates(batch, noise)
    assert (candidates.action[0, ..., 1] == 0).all()
    assert candidates.log_density[:, 0, 0].tolist() == pytest.approx([-math.log(2), -2 * math.log(2)])


def test_action_bounds_are_the_teams():
    team = TeamSpec("wide", ("a", "b"), (4, 4), (2, 2), action_low=-3.0, action_high=1.0)
    alg, batch = make(team)
    with torch.no_grad():
        alg.actor.net.last.bias.fill_(100.0)
    assert torch.equal(alg.actor(batch.obs), torch.ones(B, 2, 2))
    ((candidates, _),) = alg.candidates(batch, draw(critic_update(alg).noise))
    assert candidates.action.min() < -2
    assert candidates.action.max() <= 1


def test_agents_states_are_seen_side_by_side():
    team = TeamSpec("own states", ("a", "b"), (4, 4), (2, 2), state_kind="per_agent", state_size=5)
    alg, batch = make(team)
    object.__setattr__(batch, "state", torch.randn(B, 2, 5))
    assert alg.critic.state_size == 10
    assert torch.isfinite(alg.actor_loss(batch, {}).value)


def test_agent_i_acts_on_observation_i_alone():
    alg, batch = make(norm="batch")
    alg.eval()
    before, _ = alg.act(batch.obs, None, None, None)
    changed = batch.obs.clone()
    changed[:, 1] += 1
    after, _ = alg.act(changed, None, None, None)
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.equal(before[:, 1], after[:, 1])


class Flipped(Joint):
    """The actors' loss with the wrong sign."""

    def actor_loss(self, batch, noise):
        loss = super().actor_loss(batch, noise)
        return loss._replace(value=-loss.value)


def one_step_game(size=2000):
    """Uniform actions, reward −|a − best|² with best_1 = 0.5, best_2 = −0.3; the episode ends at once."""
    g = torch.Generator().manual_seed(0)
    action = 2 * torch.rand(size, 2, 1, generator=g) - 1
    reward = -(action[..., 0] - torch.tensor([0.5, -0.3])).square().sum(1, keepdim=True).expand(size, 2)
    obs = torch.ones(size, 2, 1)
    ended, never = torch.ones(size, dtype=torch.bool), torch.zeros(size, dtype=torch.bool)
    return Batch(obs, action, reward, obs, ended, never, obs.flatten(1), obs.flatten(1), action, never)


@pytest.mark.parametrize(("cls", "finds"), [(Joint, True), (Flipped, False)])
def test_it_finds_the_best_actions_of_a_one_step_game_and_with_a_flipped_sign_does_not(cls, finds):
    team = TeamSpec("game", ("a", "b"), (1, 1), (1, 1))
    torch.manual_seed(0)
    config = CriticConfig(batch_size=64, hidden=32, norm="none", alpha=0.05, lr=0.005, samples=3)
    alg = cls(team, config)
    train(alg, one_step_game(), 80)
    error = (alg.act(torch.ones(1, 2, 1), None, None, None)[0][0, :, 0] - torch.tensor([0.5, -0.3])).abs().max()
    assert bool(error < 0.12) == finds
    if not finds:
        assert error > 0.5


@pytest.mark.parametrize("agent", [-1, 3])
def test_the_reward_of_an_agent_that_is_not_there_is_refused(agent):
    with pytest.raises(SettingError, match="agents 0 to 2"):
        make(reward_agent=agent)


def test_targets_are_frozen_and_only_polyak_steps_move_them():
    alg, _ = make()
    assert all(not p.requires_grad for m in (alg.target_critic, alg.target_actor) for p in m.parameters())
    steps = alg.phases()[0].steps
    assert {s.target for s in steps if isinstance(s, Polyak)} == {"target_critic", "target_actor"}
    assert {name for s in steps if isinstance(s, Update) for name in s.learns} == {"critic", "actor"}


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize(
    "state", [{}, {"state_kind": "stored", "state_size": 5}, {"state_kind": "per_agent", "state_size": 2}]
)
def test_exchanged_agents_are_valued_as_those_whose_places_they_took(norm, state):
    """In a team of three with three heads, which the order of the agents must leave where they are."""
    order = [2, 0, 1]
    team = dataclasses.replace(small_team(), **({"state_size": 0} | state))
    alg, batch = make(team, norm=norm, heads=3)
    kind = team.state_kind
    size = {"concat_obs": batch.state.shape[1:], "stored": (5,), "per_agent": (3, 2)}[kind]
    given = batch.state if kind == "concat_obs" else torch.linspace(-1, 1, B * math.prod(size)).view(B, *size)
    moved = {"concat_obs": batch.obs[:, order].flatten(1), "stored": given, "per_agent": given}[kind]
    moved = moved[:, order] if kind == "per_agent" else moved
    before = alg.critic(state_of(given), batch.action[None]), alg.actor(batch.obs)
    alg.relabel(order)
    after = alg.critic(state_of(moved), batch.action[None][:, :, order]), alg.actor(batch.obs[:, order])
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1], before[1][:, order])
