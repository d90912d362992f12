"""DoF-Trajectory's losses, labels and plans against their formulas, written as loops."""

import dataclasses
import itertools

import pytest
import torch

from zoo_core import SettingError, Statistics, TeamSpec, Windows, ZooError, generator
from zoo_critics.testing import draw, perturb
from zoo_dof.trajectory import DoFTrajectory, DoFTrajectoryConfig

B, H, T, LIMIT = 5, 4, 6, 8
TEAM = TeamSpec("test", ("a", "b", "c"), (4, 4, 3), (2, 2, 1), action_low=-0.5, action_high=1.0, episode_limit=LIMIT)
CENTRE, REACH = 0.25, 0.75
STATISTICS = Statistics(
    torch.linspace(-1, 1, 12).view(3, 4), torch.linspace(0.5, 2, 12).view(3, 4), None, None, 0.3, 1.0, 2.4, -1.0, 6.4
)
BOTH = {"noise_factorisation": "w-concat", "data_factorisation": "w-concat"}
FILLED = torch.tensor([3, 3, 1, 2, 3])  # real steps of each window


def windows(seed=0):
    """Windows of 3 steps, 4 observations, some of which overrun their episode."""
    from zoo_core import Batch

    g = generator(seed, "windows")
    filled = torch.arange(H - 1) < FILLED[:, None]
    obs = torch.randn(B, H, 3, 4, generator=g) * (torch.arange(4) < torch.tensor([[4], [4], [3]]))
    obs = obs * (torch.arange(H) <= FILLED[:, None])[..., None, None]
    own = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    action = (CENTRE + REACH * (2 * torch.rand(B, H - 1, 3, 2, generator=g) - 1)) * own
    to_go = torch.randn(B, H - 1, 3, generator=g)
    step = torch.tensor([0, 3, 7, 6, 2])[:, None] + torch.arange(H - 1)
    none = torch.zeros_like(filled)
    return Batch(obs, action, to_go, obs[:, 1:], none, none, filled=filled, return_to_go=to_go, step=step * filled)


def make(**settings):
    torch.manual_seed(0)
    small = {"batch_size": B, "horizon": H, "hidden": 8, "inverse_hidden": 8, "embedding": 4, "diffusion_steps": T}
    alg = DoFTrajectory(TEAM, DoFTrajectoryConfig(**{**small, **settings}), statistics=STATISTICS)
    perturb(alg, 0.1)
    with torch.no_grad():
        alg.way_scale.uniform_(0.5, 2.0, generator=generator(0, "scales"))
    return alg, windows(), draw(alg.phases()[-1].steps[0].noise)


def seen(obs, i):
    return (obs - STATISTICS.obs_mean[i]) / STATISTICS.obs_std[i]


def plan_by_hand(alg, batch, b, i):
    rows = [batch.obs[b, min(h, int(FILLED[b])), i] for h in range(H)]
    if alg.config.relative:
        return torch.stack([seen(rows[0], i), *((rows[h] - rows[0]) / alg.way_scale[i, h - 1] for h in range(1, H))])
    return torch.stack([seen(row, i) for row in rows])


def label_by_hand(batch, b, i, gamma=0.99):
    """The return-to-go over what as many steps of reward 1 would bring; 0 at the mean return 2.4, 1 at the best 6.4."""
    full = sum(gamma**k for k in range(LIMIT - int(batch.step[b, 0])))
    return (float(batch.return_to_go[b, 0, i]) / full - 2.4 / LIMIT) / ((6.4 - 2.4) / LIMIT)


@pytest.mark.parametrize("relative", [True, False])
def test_plans_are_the_observations_and_behind_the_end_the_last_one_again(relative):
    alg, batch, _ = make(relative=relative)
    found = alg.plans(batch)
    for b in range(B):
        for i in range(3):
            torch.testing.assert_close(found[b, i], plan_by_hand(alg, batch, b, i))


@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_labels_are_the_pace_of_the_rewards_to_come(gamma):
    alg, batch, _ = make(discount=gamma)
    found = alg.labels(batch)
    for b in range(B):
        for i in range(3):
            assert float(found[b, i]) == pytest.approx(label_by_hand(batch, b, i, gamma), rel=1e-4)


def test_labels_mean_the_same_all_through_an_episode():
    """An episode that brings the data's mean return at an even pace is labelled 0 at each of its steps."""
    alg, batch, _ = make()
    pace = 2.4 / LIMIT
    full = (1 - 0.99 ** (LIMIT - batch.step)) / (1 - 0.99)
    even = dataclasses.replace(batch, return_to_go=(pace * full)[..., None].expand(-1, -1, 3))
    torch.testing.assert_close(alg.labels(even), torch.zeros(B, 3), atol=1e-5, rtol=0)


def loss_by_hand(alg, batch, noise):
    c, signal, expected = alg.config, alg.diffusion.signal[0], 0.0
    for i, size in enumerate(TEAM.obs_sizes):
        squares, data = [], []
        for b in range(B):
            t = int(noise["level"][b, 0] * T) + 1
            eps, plan = noise["noise"][b, i], plan_by_hand(alg, batch, b, i)
            noisy = signal[t].sqrt() * plan + (1 - signal[t]).sqrt() * eps
            noisy[0] = plan[0]
            label = torch.full((1, 3), label_by_hand(batch, b, i))
            heed = torch.full((1, 3), bool(noise["hide"][b, i] >= c.label_dropout))
            team = noisy.expand(1, 3, -1, -1)
            guess = alg.noise_weights[i] * alg.denoiser(team, torch.tensor([t]), label, heed)[0, i]
            truth = eps
            if c.predicts == "velocity":
                truth = signal[t].sqrt() * eps - (1 - signal[t]).sqrt() * plan
            squares.append((guess - truth)[1:, :size].square())
            if c.predicts == "velocity":
                clean = signal[t].sqrt() * noisy - (1 - signal[t]).sqrt() * guess.detach()
            else:
                clean = (noisy - (1 - signal[t]).sqrt() * guess.detach()) / signal[t].sqrt()
            clean = alg.data_weights[i] * clean.clamp(-c.bound, c.bound)
            data.append((clean - plan)[1:, :size].square())
        expected = expected + torch.stack(squares).mean() / 3
        if c.data_factorisation == "w-concat":
            expected = expected + torch.stack(data).mean() / 3
    return expected


@pytest.mark.parametrize(
    "settings",
    [{}, {"predicts": "noise"}, BOTH, {**BOTH, "predicts": "noise"}, {"network": "unet", "multipliers": (1, 2)}],
)
def test_the_joint_loss_is_the_formula(settings):
    alg, batch, noise = make(**settings)
    found, expected = alg.diffusion_loss(batch, noise).value, loss_by_hand(alg, batch, noise)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    learned = [*alg.denoiser.parameters()] + (
        [alg.noise_weights, alg.data_weights] if "data_factorisation" in settings else []
    )
    for one, other in zip(*(torch.autograd.grad(v, learned) for v in (found, expected)), strict=True):
        assert (one - other).norm() <= 1e-3 * other.norm() + 1e-6


def test_the_inverse_model_regresses_on_the_action_between_two_observations():
    alg, batch, noise = make()
    expected = 0.0
    for i, size in enumerate(TEAM.action_sizes):
        for b in range(B):
            plan = plan_by_hand(alg, batch, b, i)
            label = label_by_hand(batch, b, i) * float(noise["hide"][b, i] >= 0.25)
            x = torch.cat((plan[0], plan[1], torch.tensor([label])))
            for layer in alg.inverse.layers:
                x = torch.relu(x @ layer.weight[i] + layer.bias[i, 0])
            guess = x @ alg.inverse.last.weight[i] + alg.inverse.last.bias[i, 0]
            error = guess - (batch.action[b, 0, i] - CENTRE) / REACH
            expected = expected + error[:size].square().mean() / (3 * B)
    torch.testing.assert_close(alg.inverse_loss(batch, noise).value, expected)


def test_ways_are_measured_by_their_root_mean_square():
    alg, batch, _ = make()
    found = alg.measure_ways(batch, {})["way_scale"]
    for i in range(3):
        for h in range(1, H):
            ways = [batch.obs[b, min(h, int(FILLED[b])), i] - batch.obs[b, 0, i] for b in range(B)]
            size = torch.stack(ways).square().mean(0).sqrt()
            torch.testing.assert_close(found[i, h - 1], torch.where(size > 0, size, 1.0))


def sample_by_hand(alg, now, start):
    """DDIM with guidance for one copy, step by step."""
    c, signal, x = alg.config, alg.diffusion.signal[0], start.clone()
    x[:, 0] = now
    stops = [round(T * k / c.sampling_steps) for k in range(c.sampling_steps, -1, -1)]
    label = torch.full((1, 3), c.target_return)
    for t, s in itertools.pairwise(stops):
        level = torch.tensor([t])
        wanted, plain = (alg.acting_denoiser(x[None], level, label, torch.full((1, 3), h))[0] for h in (True, False))
        guess = alg.noise_weights[:, None, None] * (plain + c.guidance * (wanted - plain))
        clean = (signal[t].sqrt() * x - (1 - signal[t]).sqrt() * guess).clamp(-c.bound, c.bound)
        noise = (x - signal[t].sqrt() * clean) / (1 - signal[t]).sqrt()
        x = signal[s].sqrt() * clean + (1 - signal[s]).sqrt() * noise
        x[:, 0] = now
    x[:, 1:] *= alg.data_weights[:, None, None]
    return x


def test_plans_are_sampled_by_guided_ddim_from_the_present():
    alg, batch, _ = make(sampling_steps=3, guidance=1.7)
    now = alg.standard(batch.obs[:, 0])
    start = torch.randn(B, 3, H, 4, generator=generator(0, "start"))
    found = alg.sample(now, start)
    for b in range(B):
        torch.testing.assert_close(found[b], sample_by_hand(alg, now[b], start[b]), rtol=1e-4, atol=1e-5)


def test_guidance_and_the_return_planned_for_change_the_plan():
    alg, batch, _ = make()
    now, start = alg.standard(batch.obs[:, 0]), torch.randn(B, 3, H, 4, generator=generator(0, "start"))
    before = alg.sample(now, start)
    for change in ({"guidance": 3.0}, {"target_return": -1.0}):
        alg.config = dataclasses.replace(make()[0].config, **change)
        assert not torch.allclose(alg.sample(now, start), before, atol=1e-4)
    alg.config = dataclasses.replace(make()[0].config, guidance=0.0)
    unlabelled = alg.sample(now, start)
    alg.config = dataclasses.replace(alg.config, target_return=-1.0)
    torch.testing.assert_close(alg.sample(now, start), unlabelled)


def test_actions_lead_to_the_second_observation_of_the_plan_and_stay_in_bounds():
    alg, batch, _ = make(temperature=0.0)
    obs = batch.obs[:, 0]
    action, memory = alg.act(obs, None, None, generator(0, "act"))
    now = alg.standard(obs)
    plan = alg.sample(now, torch.zeros(B, 3, H, 4))
    unit = alg.actions(alg.acting_inverse, plan, torch.ones(B, 3)).clamp(-1, 1)
    torch.testing.assert_close(action, (CENTRE + REACH * unit) * alg.dims)
    assert memory is None
    assert not action[:, 2, 1].any()


def test_ddpm_goes_back_with_noise_and_ddim_without():
    for sampler, noisy in (("ddim", False), ("ddpm", True)):
        alg, batch, _ = make(sampler=sampler)
        now, start = alg.standard(batch.obs[:, 0]), torch.zeros(B, 3, H, 4)
        one, other = (alg.sample(now, start, generator(seed, "ddpm")) for seed in (0, 1))
        assert torch.equal(one, other) != noisy
        assert torch.equal(one[:, :, 0], now)


def test_a_shared_network_serves_all_agents():
    alg, batch, noise = make(share=True)
    assert all(len(p) == 1 for p in alg.denoiser.parameters())
    assert torch.isfinite(alg.diffusion_loss(batch, noise).value)
    action, _ = alg.act(batch.obs[:, 0], None, None, generator(0, "act"))
    assert action.shape == (B, 3, 2)


def test_windows_bring_returns_to_go_and_ways_are_measured_first():
    measure, train = make()[0].phases()
    assert isinstance(train.data, Windows)
    assert (train.data.length, train.data.discount, measure.iterations) == (H - 1, 0.99, 1)
    assert [phase.name for phase in make(relative=False)[0].phases()] == ["train"]
    assert train.steps[0].learns == ("denoiser",)
    assert make(**BOTH)[0].phases()[1].steps[0].learns == ("denoiser", "noise_weights", "data_weights")


def test_what_cannot_be_built_says_what_to_do():
    with pytest.raises(ZooError, match="statistics"):
        DoFTrajectory(TEAM, DoFTrajectoryConfig())
    with pytest.raises(SettingError, match="horizon must be divisible by 4, not 6"):
        DoFTrajectory(TEAM, DoFTrajectoryConfig(network="unet", horizon=6), statistics=STATISTICS)
    with pytest.raises(SettingError, match="embedding must be an even number, not 5"):
        DoFTrajectory(TEAM, DoFTrajectoryConfig(embedding=5), statistics=STATISTICS)
    for multipliers in ((), (1, 0), (1.5,)):
        with pytest.raises(SettingError, match="multipliers must be whole numbers of at least 1"):
            DoFTrajectory(TEAM, DoFTrajectoryConfig(network="unet", multipliers=multipliers), statistics=STATISTICS)


def test_without_an_episode_limit_labels_are_paces_of_rewards_without_an_end():
    endless = dataclasses.replace(TEAM, episode_limit=0)
    alg = DoFTrajectory(endless, make()[0].config, statistics=STATISTICS)
    batch = windows()
    torch.testing.assert_close(alg.labels(batch), (batch.return_to_go[:, 0] * 0.01 - 0.3) / 1.0)
