"""The loop MACQL, CFCQL, ICQL-QS and SPaCQL share (CFCQL main.py and maddpg_cc.py).

One iteration: `critic_steps` independent batches; the critics learn on each, the actors on the first; then one soft
update of the targets. A member of the family says what its Bellman target is and, where it differs, its penalty.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from zoo_core import (
    Adam,
    Algorithm,
    Batch,
    Clip,
    Draw,
    Loss,
    Noise,
    Phase,
    Polyak,
    Rows,
    SettingError,
    Statistics,
    TeamSpec,
    Update,
    ZooError,
)
from zoo_core.nn import target_copy
from zoo_critics.actors import TeamActor
from zoo_critics.config import CriticConfig
from zoo_critics.critic import JointCritic, disagreement
from zoo_critics.penalties import Candidates, conservative_value, gaussian_candidates, uniform_candidates
from zoo_critics.replacement import partial_replacement


class Target(NamedTuple):
    """What the critics regress on: y [T, B] (their squared errors are averaged over T), and what to log."""

    y: Tensor
    metrics: dict[str, Tensor]


class ConservativeCritics(Algorithm):
    """Base of the family: an ensemble of joint critics, one actor per agent, targets of both."""

    Config = CriticConfig
    target_takes_logged_action: ClassVar[bool] = False
    penalty_takes_logged_action: ClassVar[bool] = True
    """Whether target and penalty use the logged a' (a penalty does for `three_groups` alone)."""

    def __init__(
        self, team: TeamSpec, config: Any, *, statistics: Statistics | None = None, mixer: None = None
    ) -> None:
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        if config.reward_agent is not None and not 0 <= config.reward_agent < team.n:
            raise SettingError(
                f"reward_agent={config.reward_agent}: {team.env} has agents 0 to {team.n - 1}; null is the team's mean"
            )
        # Every agent's own state, where a team has them, is one state of n·s numbers to a central critic.
        state_size = team.state_size * (team.n if team.state_kind == "per_agent" else 1)
        self.critic = JointCritic(config.heads, state_size, team.n, team.action_size, config.hidden, config.norm)
        self.actor = TeamActor(team, config.hidden, config.norm)
        self.target_critic, self.target_actor = target_copy(self.critic), target_copy(self.actor)

    # --- one iteration -------------------------------------------------------------------------------------------

    def phases(self) -> Sequence[Phase]:
        c = self.config
        three_groups = c.penalty_actions == "three_groups"
        logged = self.target_takes_logged_action or (self.penalty_takes_logged_action and three_groups)
        noise = {**self.target_noise(), **self.penalty_noise()}
        critic = [
            Update("critic", self.critic_loss, ("critic",), Adam(c.lr), noise, batch, Clip(c.clip, c.clip_per))
            for batch in range(c.critic_steps)
        ]
        actor = Update("actor", self.actor_loss, ("actor",), Adam(c.lr), clip=Clip(c.clip, "member"))
        targets = Polyak("critic", "target_critic", c.tau), Polyak("actor", "target_actor", c.tau)
        data = Rows(c.batch_size, batches=c.critic_steps, next_action=logged, truncation=c.truncation)
        return (Phase("train", data, (critic[0], actor, *critic[1:], *targets)),)

    def target_noise(self) -> dict[str, Draw]:
        """Random numbers of `target`."""
        return {"target": Draw("normal", (self.config.batch_size, self.team.n, self.team.action_size))}

    def penalty_noise(self) -> dict[str, Draw]:
        """Random numbers of `penalty`: per agent, row and sample one action."""
        c, shape = self.config, (self.team.n, self.config.batch_size, self.config.samples, self.team.action_size)
        uniform, policy = {"uniform": Draw("uniform", shape)}, {"policy": Draw("normal", shape)}
        return {
            "uniform": uniform,
            "policy": policy,
            "three_groups": {**uniform, **policy, "next_policy": Draw("normal", shape)},
        }[c.penalty_actions]

    # --- critics -------------------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise) -> Loss:
        """Σ_j [ mean (Q_j(s, a) − y)² + α ξ_j ]: SPaCQL Eq. 5, Algorithm 1 line 14, every head on one target."""
        with torch.no_grad():
            target = self.target(batch, noise)
        q = self.critic(state_of(batch.state), batch.action.unsqueeze(0))  # [M, 1, B]
        td = (q - target.y).square().mean((1, 2))
        xi = self.penalty(batch, noise) - q.mean((1, 2))
        loss = (td + self.config.alpha * xi).sum()
        return Loss(loss, {"td": td.mean(), "penalty": xi.mean(), "q": q.mean(), **target.metrics})

    @abstractmethod
    def target(self, batch: Batch, noise: Noise) -> Target:
        """The Bellman target; no gradient flows through it."""

    def penalty(self, batch: Batch, noise: Noise) -> Tensor:
        """E_B Σ_i λ_i V_ij for every head j, [M]: the counterfactual half of ξ_c (SPaCQL, below Eq. 5; CFCQL).

        V_i compares actions of agent i alone; the others act as logged.
        """
        state = state_of(batch.state)
        sweeps, log_density = [], []
        for candidates, action in self.candidates(batch, noise):
            sweeps.append(self.critic.counterfactual(state, action, candidates.action))
            log_density.append(candidates.log_density)
        return conservative_value(
            self.critic, sweeps, log_density, self.agent_weights(batch, noise), self.config.penalty
        )

    def agent_weights(self, batch: Batch, noise: Noise) -> Tensor:
        """λ [n, B]: how much each agent's deviations count; they sum to one. CFCQL without densities: 1/n."""
        return torch.full((self.team.n, batch.size), 1 / self.team.n, device=batch.obs.device)

    def candidates(self, batch: Batch, noise: Noise) -> list[tuple[Candidates, Tensor]]:
        """Groups of penalised actions, each with the joint action [B, n, a] in which they replace one agent's."""
        c, low, high, dims = self.config, self.team.action_low, self.team.action_high, self.actor.dims

        def near(obs: Tensor, normals: Tensor) -> Candidates:
            with torch.no_grad():
                policy = self.actor(obs)
            return gaussian_candidates(policy, normals, c.penalty_noise, low, high, dims)

        groups = []
        if "uniform" in noise:
            groups.append((uniform_candidates(noise["uniform"], low, high, dims), batch.action))
        if "policy" in noise:
            groups.append((near(batch.obs, noise["policy"]), batch.action))
        if "next_policy" in noise:
            groups.append((near(batch.next_obs, noise["next_policy"]), logged_next_action(batch, batch.action)))
        return groups

    # --- parts of a target ---------------------------------------------------------------------------------------

    def policy_next_action(self, batch: Batch, noise: Noise) -> Tensor:
        """clip(π'(o') + N(0, σ²)) [B, n, a]: what the agents would do next (Algorithm 1, line 8)."""
        policy = self.target_actor if self.config.next_policy == "target" else self.actor
        return policy.clamp(policy(batch.next_obs) + self.config.target_noise * noise["target"])

    def replace(self, batch: Batch, policy: Tensor, replaced: Tensor) -> Tensor:
        """The logged a' with the policies' actions for the agents that are replaced: [..., B, n, a] (line 9).

        Rows without a logged a' (truncated steps) have all their agents replaced.
        """
        if batch.next_action is None or batch.has_next_action is None:
            return policy.expand(*replaced.shape, policy.shape[-1])
        replaced = replaced | ~batch.has_next_action.unsqueeze(-1)
        return partial_replacement(batch.next_action, policy, replaced)

    def disagreement_metrics(self, next_state: Tensor, joint: Tensor) -> dict[str, Tensor]:
        """u at the target's own joint actions [P, B, n, a], to compare with SPaCQL's; for ensembles, not for twins."""
        if self.config.heads <= 2:
            return {}
        return {"u": disagreement(self.critic(next_state, joint)).mean()}

    def backup(self, batch: Batch, next_value: Tensor) -> Tensor:
        """r + γ (1 − d) next_value, [..., B]. The reward is the team's mean, or one agent's if the config names it."""
        c = self.config
        reward = batch.team_reward if c.reward_agent is None else batch.reward[:, c.reward_agent]
        return reward + c.discount * batch.continues * next_value

    # --- actors --------------------------------------------------------------------------------------------------

    def actor_loss(self, batch: Batch, noise: Noise) -> Loss:
        """−E Q_1(s, π_i(o_i), a_{−i}) over agents and rows + l2 Σ_i E π_i² (Algorithm 1 line 20; CFCQL cf_pol)."""
        policy = self.actor(batch.obs)  # [B, n, a]
        own = policy.transpose(0, 1).unsqueeze(2)  # one candidate for each agent
        first_head = slice(0, 1)
        sweep = self.critic.counterfactual(state_of(batch.state), batch.action, own, first_head)
        q = self.critic.values(sweep, first_head).mean()
        l2 = policy.square().sum((0, 2)) / (batch.size * self.actor.dims.sum(-1))
        return Loss(-q + self.config.action_l2 * l2.sum(), {"q": q, "action_l2": l2.mean()})

    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        return self.actor(obs), memory

    # --- agents in another order ---------------------------------------------------------------------------------

    @torch.no_grad()
    def relabel(self, order: Sequence[int]) -> None:
        """Agent i takes the place of agent `order[i]`: in the actors' stacks and in the critics' inputs."""
        index = torch.as_tensor(order)
        for actor in (self.actor, self.target_actor):
            for tensor in [*actor.parameters(), *actor.buffers()]:
                tensor.copy_(tensor[index.to(tensor.device)])
        for critic in (self.critic, self.target_critic):
            critic.relabel(self.state_columns(order), order)

    def state_columns(self, order: Sequence[int]) -> Tensor:
        """Where each number of a central critic's state comes from once agents change places: [s]."""
        team = self.team
        if team.state_kind == "stored":
            return torch.arange(team.state_size)
        sizes = team.obs_sizes if team.state_kind == "concat_obs" else (team.state_size,) * team.n
        blocks = torch.arange(sum(sizes)).split(sizes)
        return torch.cat([blocks[i] for i in order])


def state_of(state: Tensor | None) -> Tensor:
    """What the central critic sees, [B, s]: the state, or the agents' states side by side."""
    if state is None:
        raise ZooError("a central critic needs the state: declare 'state' in the algorithm entry's `needs`")
    return state.flatten(1)


def logged_next_action(batch: Batch, otherwise: Tensor) -> Tensor:
    """a' where one was logged, `otherwise` elsewhere: [B, n, a]."""
    if batch.next_action is None or batch.has_next_action is None:
        return otherwise
    return torch.where(batch.has_next_action[:, None, None], batch.next_action, otherwise)
