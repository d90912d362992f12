"""DoF-Policy (Li et al., ICLR 2025): Diffusion-QL (Wang et al. 2023) that is factorised over the agents.

The team's action a_tot is sampled by one diffusion model that is made of the agents': its noise is f(ε_1, …, ε_n) =
[k_1 ε_1; …; k_n ε_n] and its sample h(a_1, …, a_n) = [w_1 a_1; …; w_n a_n], k = 1 and w = 1 (`concat`) or learned
(`w-concat`). Agent i's part, π_i(· | o_i), is a chain of T steps back from noise. With critics of its own,

    y_i = r_i + γ (1 − d) min_h Q̄_{i,h}(o_i', a_i'),   a_i' ~ π̄_i(· | o_i')
    L_BC = Σ_i E ‖k_i ε_i(√ᾱ_t a_i + √(1 − ᾱ_t) ε, t, o_i) − ε‖²
    L_Q  = −Σ_i E Q_{i,h}(o_i, a_i^π) / E |Q_{i,h'}(o_i, a_i^π)|,   a_i^π ~ π_i(· | o_i)

and the policies descend L_BC + η L_Q. The gradient of L_Q passes through the whole chain. h and h' are the two critics
in an order that is drawn each time.

Critics begin at what the data's mean reward is worth for ever: from zero they would spend their updates on the level of
all values, by which no action differs from another.

Acting: of several samples each agent takes the one that its critics value most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    Batch,
    Clip,
    Draw,
    Loss,
    Mixer,
    Noise,
    Phase,
    Polyak,
    Rows,
    Statistics,
    TeamSpec,
    Update,
    ZooError,
    setting,
)
from zoo_core.nn import normal_rows, target_copy
from zoo_critics import OwnCritics
from zoo_dof.diffusion import SCHEDULES, Schedule, clean_estimate, noised, posterior
from zoo_dof.networks import FlatNet, Standard, sinusoid

CODE = "DoF DoF_Policy"
EMBEDDING, LAYERS = 16, 3


@dataclass(frozen=True)
class DoFPolicyConfig(AlgorithmConfig):
    iterations: int = setting(10_000, "Updates.", source="our choice")
    batch_size: int = setting(256, "Rows in a batch.", source="our choice")
    lr: float = setting(1e-3, "Adam's rate, of critics and policies.", source="our choice", at_least=1e-12)
    schedule: str = setting(
        "cosine",
        "Whether the policies' rate stays (constant) or decays to zero along a cosine.",
        source="our choice",
        choices=("constant", "cosine"),
    )
    hidden: int = setting(64, "Width of the hidden layers of every network.", source="our choice", at_least=1)
    discount: float = setting(0.95, "γ.", source="our choice: as OMAR's on the particle world", at_least=0, at_most=1)
    tau: float = setting(0.005, "How far target critics move at a time.", source=CODE, at_least=0, at_most=1)
    ema: float = setting(
        0.005, "How far the policies that act and give targets move.", source=CODE, at_least=0, at_most=1
    )
    clip: float | None = setting(
        0.5, "Largest gradient norm of each agent's critics and policy; null: any.", source=CODE, at_least=1e-12
    )
    start: str = setting(
        "mean",
        "Where the critics' values begin: at what the data's mean reward is worth for ever, or at zero.",
        source="our choice: from zero they first learn nothing but how high all values are",
        choices=("mean", "zero"),
    )
    eta: float = setting(0.5, "η: weight of the value against cloning; 0 clones.", source=CODE, at_least=0)
    noise_factorisation: str = setting(
        "concat",
        "f: agents' noises side by side (concat), or each with a learned weight (w-concat).",
        source="the paper's f",
        choices=("concat", "w-concat"),
    )
    data_factorisation: str = setting(
        "concat",
        "h: agents' actions side by side (concat), or each with a learned weight (w-concat).",
        source="the paper's h",
        choices=("concat", "w-concat"),
    )
    diffusion: str = setting("vp", "The schedule of noise.", source="Diffusion-QL", choices=SCHEDULES)
    diffusion_steps: int = setting(
        5, "T: levels of noise, each a step of the chain.", source="Diffusion-QL", at_least=1
    )
    temperature: float = setting(
        1.0, "Size of the noise in the chain when acting; 1 in training.", source="Diffusion-QL", at_least=0
    )
    candidates: int = setting(10, "Samples to choose an action from.", source="our choice; 50 in DoF", at_least=1)
    choice: str = setting(
        "best",
        "Which of them: the one of highest value, or by a softmax of the values.",
        source="our choice; softmax in Diffusion-QL",
        choices=("best", "softmax"),
    )


class DoFPolicy(Algorithm):
    Config = DoFPolicyConfig
    config: DoFPolicyConfig
    dims: Tensor
    level: Tensor

    def __init__(
        self,
        team: TeamSpec,
        config: DoFPolicyConfig,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        if statistics is None:
            raise ZooError("dof-policy scales observations by the data's statistics: build it with them")
        c = config
        self.standard = Standard(statistics.obs_mean, statistics.obs_std)
        self.policy = FlatNet(team.n, 1, team.action_size, (c.hidden,) * LAYERS, EMBEDDING + team.obs_size)
        self.critic = OwnCritics(team, c.hidden)
        self.target_policy, self.target_critic = target_copy(self.policy), target_copy(self.critic)
        # Without termination Q is this plus the value of the rewards less their mean, which is all that ranks actions.
        level = statistics.reward_mean / (1 - c.discount) if c.start == "mean" and c.discount < 1 else 0.0
        self.register_buffer("level", torch.tensor(level))
        self.noise_weights = nn.Parameter(torch.ones(team.n), requires_grad=c.noise_factorisation == "w-concat")
        self.data_weights = nn.Parameter(torch.ones(team.n), requires_grad=c.data_factorisation == "w-concat")
        self.diffusion = Schedule(c.diffusion, c.diffusion_steps)
        self.centre = (team.action_high + team.action_low) / 2
        self.reach = (team.action_high - team.action_low) / 2
        own = torch.arange(team.action_size) < torch.tensor(team.action_sizes).unsqueeze(-1)
        self.register_buffer("dims", own.float(), persistent=False)  # [n, a]

    def phases(self) -> tuple[Phase, ...]:
        c = self.config
        rows = (c.batch_size, self.team.n, self.team.action_size)
        chain = Draw("normal", (c.diffusion_steps + 1, *rows), agent_axis=2)
        per_agent = None if c.clip is None else Clip(c.clip, "member")
        critic = Update("critic", self.critic_loss, ("critic",), Adam(c.lr), {"next_action": chain}, clip=per_agent)
        noise = {
            "noise": Draw("normal", rows, agent_axis=1),
            "level": Draw("uniform", (c.batch_size, 1)),
            "action": chain,
            "order": Draw("uniform", (1,)),
        }
        learned = ["policy"]
        learned += ["noise_weights"] if c.noise_factorisation == "w-concat" else []
        learned += ["data_weights"] if c.data_factorisation == "w-concat" else []
        # The size of the values that L_Q is divided by moves with the policies.
        actor = Update(
            "actor",
            self.actor_loss,
            tuple(learned),
            Adam(c.lr, schedule=c.schedule),
            noise,
            clip=per_agent,
            descends=False,
        )
        follow = Polyak("critic", "target_critic", c.tau), Polyak("policy", "target_policy", c.ema)
        return (Phase("train", Rows(c.batch_size), steps=(critic, actor, *follow)),)

    # --- losses --------------------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_i Σ_h mean (Q_{i,h}(o_i, a_i) − y_i)²."""
        with torch.no_grad():
            y = self.target(batch, noise)
        q = self.values(self.critic, self.standard(batch.obs), batch.action)  # [2, n, B]
        td = (q - y).square().mean(-1)
        return Loss(td.sum(), {"td": td.mean(), "q": q.mean(), "target": y.mean()})

    def target(self, batch: Batch, noise: Noise) -> Tensor:
        """y [n, B]: each agent's reward and the lesser of its critics' values at a sample of its target policy."""
        next_obs = self.standard(batch.next_obs)
        next_action = self.to_bounds(self.sample(self.target_policy, next_obs, noise["next_action"]))
        next_q = self.values(self.target_critic, next_obs, next_action).amin(0)
        return batch.reward.T + self.config.discount * batch.continues * next_q

    def values(self, net: OwnCritics, obs: Tensor, action: Tensor) -> Tensor:
        """Q_{i,h}(o_i, a_i): obs [B, n, o], standardised, action [B, n, a] → [2, n, B]."""
        found: Tensor = self.level + net(obs, action)
        return found

    def actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        """L_BC + η L_Q, summed over the agents."""
        obs = self.standard(batch.obs)
        cloning = self.cloning_loss(obs, self.to_unit(batch.action), noise)
        value, q = self.value_loss(obs, noise)
        loss = cloning + self.config.eta * value
        return Loss(loss, {"cloning": cloning / self.team.n, "value": value / self.team.n, "q": q.mean()})

    def cloning_loss(self, obs: Tensor, action: Tensor, noise: Noise) -> Tensor:
        """L_BC of logged actions [B, n, a], scaled to (−1, 1), and under `w-concat` Σ_i mean ‖w_i â_i − a_i‖²."""
        level = self.diffusion.draw(noise["level"].squeeze(-1))
        signal = self.diffusion.at(level, 3)
        noisy = noised(action, noise["noise"], signal)
        guess = self.joint_noise(self.guess(self.policy, noisy, level, obs))
        loss = self._error(guess - noise["noise"])
        if self.config.data_factorisation == "w-concat":
            clean = clean_estimate(noisy, guess.detach(), signal).clamp(-1, 1)
            loss = loss + self._error(self.joint_action(clean) - action)
        return loss

    def value_loss(self, obs: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """L_Q, and the values [2, n, B] of the actions that the policies sample."""
        action = self.to_bounds(self.sample(self.policy, obs, noise["action"]))
        q = self.values(self.critic, obs, action)
        straight = noise["order"] < 0.5
        one, other = torch.where(straight, q[0], q[1]), torch.where(straight, q[1], q[0])
        scale = other.abs().mean(-1).detach().clamp(min=1e-6)  # [n]
        return -(one.mean(-1) / scale).sum(), q

    def _error(self, difference: Tensor) -> Tensor:
        """Σ over agents of the mean square over rows and the agent's own action dimensions."""
        error = difference.square() * self.dims
        return error.sum((0, 2)).div(len(error) * self.dims.sum(-1)).sum()

    # --- the joint model -----------------------------------------------------------------------------------------

    def joint_noise(self, noise: Tensor) -> Tensor:
        """f: the team's noise, of the agents' guesses [B, n, a]."""
        return noise * self.noise_weights[:, None]

    def joint_action(self, action: Tensor) -> Tensor:
        """h: the team's action, of the agents' [B, n, a]."""
        return action * self.data_weights[:, None]

    def guess(self, net: FlatNet, noisy: Tensor, level: Tensor, obs: Tensor) -> Tensor:
        """ε_i(a_i^t, t, o_i) of every agent: noisy [B, n, a], level [B], obs [B, n, o] → [B, n, a]."""
        of_level = sinusoid(level, EMBEDDING).unsqueeze(1).expand(-1, self.team.n, -1)
        return net(noisy.unsqueeze(2), torch.cat((of_level, obs), -1)).squeeze(2)

    def sample(self, net: FlatNet, obs: Tensor, noise: Tensor) -> Tensor:
        """Actions [B, n, a], scaled to (−1, 1): the chain back from noise [T + 1, B, n, a] at obs [B, n, o]."""
        action = noise[0]
        for level in range(self.diffusion.steps, 0, -1):
            signal, next_signal = self.diffusion.signal[0, level], self.diffusion.signal[0, level - 1]
            levels = torch.full((len(obs),), level, device=obs.device)
            guess = self.joint_noise(self.guess(net, action, levels, obs))
            clean = clean_estimate(action, guess, signal).clamp(-1, 1)
            mean, deviation = posterior(action, clean, signal, next_signal)
            action = mean + deviation * noise[level]
        return self.joint_action(action).clamp(-1, 1)

    # --- acting --------------------------------------------------------------------------------------------------

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """The best of each agent's candidates. Without a generator the one that the chain without noise leads to."""
        c, copies, n = self.config, len(obs), self.team.n
        tries = c.candidates if generator is not None else 1
        length, width = self.diffusion.steps + 1, self.team.action_size
        drawn = normal_rows((copies, length, tries, n, width), generator, obs)
        noise = c.temperature * drawn.transpose(0, 1).flatten(1, 2)  # [T + 1, E · tries, n, a]
        seen = self.standard(obs).repeat_interleave(tries, 0)
        action = self.to_bounds(self.sample(self.target_policy, seen, noise))
        q = self.values(self.critic, seen, action).amin(0).T.reshape(copies, tries, n)
        if c.choice == "softmax" and tries > 1:
            q = q - torch.log(-torch.log(self._uniform(q, generator)))  # Gumbel: argmax then draws by the softmax
        best = q.argmax(1)  # [E, n]
        action = action.view(copies, tries, n, width)
        return action.gather(1, best[:, None, :, None].expand(-1, 1, -1, width)).squeeze(1), memory

    @staticmethod
    def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
        assert generator is not None
        drawn = torch.rand(like.shape, generator=generator, device=generator.device)
        return drawn.to(like).clamp(1e-6, 1 - 1e-6)

    def to_bounds(self, unit: Tensor) -> Tensor:
        """Actions scaled from (−1, 1) to the team's bounds; padded dimensions are 0."""
        return (self.centre + self.reach * unit) * self.dims

    def to_unit(self, action: Tensor) -> Tensor:
        """Actions scaled from the team's bounds to (−1, 1)."""
        return (action - self.centre) / self.reach * self.dims
