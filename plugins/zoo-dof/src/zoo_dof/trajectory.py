"""DoF-Trajectory (Li et al., ICLR 2025): planning by diffusion that is factorised over the agents.

A centralised diffusion model of the team's plan x_tot = [x_1 … x_n], x_i being agent i's own next observations, is made
of one model for each agent. The noise factorisation f says how its noise is made of theirs,

    ε_tot = f(ε_1(x_1^t, t, y_1), …, ε_n(x_n^t, t, y_n)) = [k_1 ε_1; …; k_n ε_n]

with k = 1 (`concat`) or learned (`w-concat`), and the data factorisation h how its sample is made of theirs, x_tot =
[w_1 x_1; …; w_n x_n], in the same two ways. Either keeps agent i's part a function of what agent i sees, so that each
can sample its own, yet all are learned as one model: one level of noise, one loss.

Training: x_0 is a window of the data, labelled by what each agent's rewards come to from there, y_i; some labels are
hidden (guidance without a classifier). An inverse model learns a_i from two observations in a row.

Acting: each agent fixes the present in its plan, starts the rest at noise, goes back to a clean plan for a high label
(DDIM), and takes the action that leads to its second observation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import (
    Adam,
    Algorithm,
    Assign,
    Batch,
    Draw,
    Loss,
    Mixer,
    Noise,
    Phase,
    Polyak,
    SettingError,
    Statistics,
    TeamSpec,
    Update,
    Windows,
    ZooError,
)
from zoo_core.nn import StackedMLP, normal_rows, target_copy
from zoo_dof.diffusion import (
    Schedule,
    clean_estimate,
    clean_of_velocity,
    ddim_step,
    guided,
    levels_of,
    noised,
    posterior,
    velocity_of,
)
from zoo_dof.networks import SMALLEST_DEVIATION, Denoiser, FlatNet, Standard, TemporalUNet
from zoo_dof.trajectory_config import DoFTrajectoryConfig

LAYERS = 3
SCALE_WINDOWS = 8192
"""Windows that the size of each step's way is measured on."""


class DoFTrajectory(Algorithm):
    Config = DoFTrajectoryConfig
    config: DoFTrajectoryConfig
    dims: Tensor
    features: Tensor
    way_scale: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: DoFTrajectoryConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        if statistics is None:
            raise ZooError(
                "dof-trajectory scales observations and returns by the data's statistics: build it with them"
            )
        _require_sizes_that_fit(config)
        self.standard = Standard(statistics.obs_mean, statistics.obs_std)
        limit = team.episode_limit
        self.mean_pace = statistics.return_mean / limit if limit else statistics.reward_mean
        best = (statistics.return_max - statistics.return_mean) / limit if limit else statistics.reward_std
        self.pace_span = best if best > 0 else 1.0
        c, members = config, 1 if config.share else team.n
        condition = 2 * c.embedding
        net: nn.Module
        if c.network == "flat":
            net = FlatNet(members, c.horizon, team.obs_size, (c.hidden,) * LAYERS, condition)
        else:
            net = TemporalUNet(members, team.obs_size, [c.hidden * m for m in c.multipliers], condition)
        self.denoiser = Denoiser(members, net, c.embedding)
        self.inverse = StackedMLP(members, 2 * team.obs_size + 1, (c.inverse_hidden,) * 2, team.action_size)
        self.acting_denoiser, self.acting_inverse = target_copy(self.denoiser), target_copy(self.inverse)
        self.noise_weights = nn.Parameter(torch.ones(team.n), requires_grad=c.noise_factorisation == "w-concat")
        self.data_weights = nn.Parameter(torch.ones(team.n), requires_grad=c.data_factorisation == "w-concat")
        self.diffusion = Schedule(c.diffusion, c.diffusion_steps)
        self.register_buffer("way_scale", torch.ones(team.n, c.horizon - 1, team.obs_size))
        self.centre = (team.action_high + team.action_low) / 2
        self.reach = (team.action_high - team.action_low) / 2
        own = torch.arange(team.action_size) < torch.tensor(team.action_sizes).unsqueeze(-1)
        seen = torch.arange(team.obs_size) < torch.tensor(team.obs_sizes).unsqueeze(-1)
        self.register_buffer("dims", own.float(), persistent=False)  # [n, a]
        self.register_buffer("features", seen.float(), persistent=False)  # [n, o]

    def phases(self) -> tuple[Phase, ...]:
        c, n = self.config, self.team.n
        optimizer = Adam(c.lr, schedule=c.schedule)
        learned = ["denoiser"]
        learned += ["noise_weights"] if c.noise_factorisation == "w-concat" else []
        learned += ["data_weights"] if c.data_factorisation == "w-concat" else []
        noise = {
            "noise": Draw("normal", (c.batch_size, n, c.horizon, self.team.obs_size), agent_axis=1),
            "level": Draw("uniform", (c.batch_size, 1)),
            "hide": Draw("uniform", (c.batch_size, n), agent_axis=1),
        }
        diffusion = Update("diffusion", self.diffusion_loss, tuple(learned), optimizer, noise)
        hide = {"hide": noise["hide"]}
        inverse = Update("inverse", self.inverse_loss, ("inverse",), optimizer, hide)
        follow = Polyak("denoiser", "acting_denoiser", c.ema), Polyak("inverse", "acting_inverse", c.ema)
        data = Windows(c.batch_size, c.horizon - 1, discount=c.discount)
        train = Phase("train", data, steps=(diffusion, inverse, *follow))
        if not c.relative:
            return (train,)
        measure = Assign("way", self.measure_ways, writes=("way_scale",))
        return Phase("measure", Windows(SCALE_WINDOWS, c.horizon - 1), steps=(measure,), iterations=1), train

    # --- the joint model -----------------------------------------------------------------------------------------

    def diffusion_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Mean over agents of ‖k_i ε_i(x_i^t, t, y_i) − ε_i‖², and under `w-concat` of ‖w_i x̂_i − x_i‖²."""
        plan, level = self.plans(batch), self.diffusion.draw(noise["level"].squeeze(-1))
        signal = self.diffusion.at(level, plan.dim())
        noisy = pinned(noised(plan, noise["noise"], signal), plan[:, :, 0])
        heed = noise["hide"] >= self.config.label_dropout
        guess = self.joint_noise(self.denoiser(noisy, level, self.labels(batch), heed))
        truth = noise["noise"]
        if self.config.predicts == "velocity":
            truth = velocity_of(plan, truth, signal)
        loss = self._error(guess - truth)
        metrics = {"noise": loss}
        if self.config.data_factorisation == "w-concat":
            data = self._error(self.joint_plan(self.clean(noisy, guess.detach(), signal)) - plan)
            loss = loss + data
            metrics["data"] = data
        return Loss(loss, metrics)

    def clean(self, noisy: Tensor, guess: Tensor, signal: Tensor) -> Tensor:
        """x̂_0 [B, n, H, o] from the team's noise (or velocity), within the bounds."""
        estimate = clean_estimate if self.config.predicts == "noise" else clean_of_velocity
        return estimate(noisy, guess, signal).clamp(-self.config.bound, self.config.bound)

    def joint_noise(self, noise: Tensor) -> Tensor:
        """f: the team's noise (or velocity), of the agents' guesses [B, n, H, o]."""
        return noise * self.noise_weights[:, None, None]

    def joint_plan(self, plan: Tensor) -> Tensor:
        """h: the team's plan, of the agents' [B, n, H, o]."""
        return plan * self.data_weights[:, None, None]

    def _error(self, difference: Tensor) -> Tensor:
        """Mean square over all but the present observation, which is given, and padding."""
        error = difference[:, :, 1:].square() * self.features.unsqueeze(1)
        return error.sum((0, 2, 3)).div(len(error) * error.shape[2] * self.features.sum(-1)).mean()

    def plans(self, batch: Batch) -> Tensor:
        """x_0 [B, n, H, o] of windows: the present observation, standardised, and the way to each later one.

        Ways are in units of `way_scale`; without `relative` later observations are standardised too.
        """
        obs = _held(batch).transpose(1, 2)
        now = self.standard(obs[:, :, 0]).unsqueeze(2)
        if self.config.relative:
            return torch.cat((now, (obs[:, :, 1:] - obs[:, :, :1]) / self.way_scale), 2)
        return torch.cat((now, self._absolute(obs[:, :, 1:])), 2)

    def _absolute(self, obs: Tensor) -> Tensor:
        """Later observations [B, n, h, o], standardised."""
        return self.standard(obs.transpose(1, 2)).transpose(1, 2)

    def measure_ways(self, batch: Batch, noise: Noise) -> dict[str, Tensor]:
        """The root mean square of o_h − o_0, for each agent, step h and feature; 1 where it never changes."""
        obs = _held(batch)
        size = (obs[:, 1:] - obs[:, :1]).square().mean(0).sqrt().transpose(0, 1)  # [n, H − 1, o]
        return {"way_scale": torch.where(size > SMALLEST_DEVIATION, size, 1.0)}

    def labels(self, batch: Batch) -> Tensor:
        """y [B, n]: the pace of rewards to come, 0 that of the data's mean return, 1 of its best.

        A pace is the return-to-go over Σ γ^k of the steps left, so that it means the same all through an episode.
        """
        assert batch.return_to_go is not None
        assert batch.step is not None
        gamma, limit = self.config.discount, self.team.episode_limit
        left = (limit - batch.step[:, :1]).clamp(min=1) if limit else torch.full_like(batch.step[:, :1], 10**6)
        weight = left.float() if gamma == 1 else (1 - gamma**left) / (1 - gamma)
        return (batch.return_to_go[:, 0] / weight - self.mean_pace) / self.pace_span

    def inverse_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Mean over agents of ‖I_i(o_i, o_i', y_i) − a_i‖², of actions scaled to (−1, 1)."""
        plan = self.plans(batch)
        heed = noise["hide"] >= self.config.label_dropout
        guess = self.actions(self.inverse, plan, self.labels(batch) * heed)
        error = (guess - (batch.action[:, 0] - self.centre) / self.reach).square() * self.dims
        loss = error.sum((0, 2)).div(len(error) * self.dims.sum(-1)).mean()
        return Loss(loss, {"mse": loss})

    def actions(self, net: StackedMLP, plan: Tensor, label: Tensor) -> Tensor:
        """I_i(o_i, o_i', y_i): plan [B, n, H, o], of which two observations count, label [B, n] → [B, n, a] in (−1, 1).

        A label of 0, the mean return, stands for none too.
        """
        if not self.config.inverse_label:
            label = torch.zeros_like(label)
        rows = torch.cat((plan[:, :, 0], plan[:, :, 1], label.unsqueeze(-1)), -1)
        if self.config.share:
            found: Tensor = net(rows.flatten(0, 1).unsqueeze(0)).view(*rows.shape[:2], -1)
        else:
            found = net(rows.transpose(0, 1)).transpose(0, 1)
        return found

    # --- planning ------------------------------------------------------------------------------------------------

    def sample(self, now: Tensor, start: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Plans [E, n, H, o] from the present `now` [E, n, o] and noise `start` [E, n, H, o], scaled as `plans`."""
        c = self.config
        label = torch.full(now.shape[:2], c.target_return, device=now.device)
        both = torch.cat((label, label))
        heed = torch.cat((torch.ones_like(label), torch.zeros_like(label))).bool()
        plan = pinned(start, now)
        stops = levels_of(c.diffusion_steps, c.sampling_steps)
        for level, after in itertools.pairwise(stops):
            signal, next_signal = self.diffusion.signal[0, level], self.diffusion.signal[0, after]
            levels = torch.full((2 * len(plan),), level, device=now.device)
            with_label, without = self.acting_denoiser(torch.cat((plan, plan)), levels, both, heed).chunk(2)
            noise = self.joint_noise(guided(with_label, without, c.guidance))
            clean = self.clean(plan, noise, signal)
            if c.sampler == "ddim":
                plan = ddim_step(plan, clean, signal, next_signal)
            else:
                mean, deviation = posterior(plan, clean, signal, next_signal)
                plan = mean + deviation * c.temperature * normal_rows(tuple(plan.shape), generator, plan)
            plan = pinned(plan, now)
        return pinned(self.joint_plan(plan), now)

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """Plan anew from each agent's own observation. Without a generator the plan starts at no noise."""
        c, now = self.config, self.standard(obs)
        shape = (*now.shape[:2], c.horizon, now.shape[-1])
        plan = self.sample(now, c.temperature * normal_rows(shape, generator, now), generator)
        label = torch.full(now.shape[:2], c.target_return, device=now.device)
        unit = self.actions(self.acting_inverse, plan, label).clamp(-1, 1)
        return (self.centre + self.reach * unit) * self.dims, memory


def _held(batch: Batch) -> Tensor:
    """Observations [B, H, n, o] of windows; behind an episode's end its last one again."""
    assert batch.filled is not None
    last = batch.filled.sum(1)  # [B]: the row that the last real step led to
    row = torch.arange(batch.obs.shape[1], device=last.device).minimum(last.unsqueeze(-1))
    return batch.obs.gather(1, row[..., None, None].expand_as(batch.obs))


def pinned(plan: Tensor, now: Tensor) -> Tensor:
    """A plan [B, n, H, o] whose first observation is the present one [B, n, o]."""
    return torch.cat((now.unsqueeze(2), plan[:, :, 1:]), 2)


def _require_sizes_that_fit(config: DoFTrajectoryConfig) -> None:
    if config.embedding % 2:
        raise SettingError(f"dof-trajectory: embedding must be an even number, not {config.embedding}")
    if config.network != "unet":
        return
    if not config.multipliers or not all(isinstance(m, int) and m >= 1 for m in config.multipliers):
        raise SettingError(
            "dof-trajectory: multipliers must be whole numbers of at least 1, one for each level of the U-net,"
            f" not {list(config.multipliers)}"
        )
    halvings = len(config.multipliers) - 1
    if config.horizon % 2**halvings:
        raise SettingError(
            f"dof-trajectory: a U-net of {halvings + 1} levels halves the plan {halvings} times: horizon must be"
            f" divisible by {2**halvings}, not {config.horizon}"
        )
