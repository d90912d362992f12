"""PLCQL: Learning Partial Action Replacement in Offline MARL (Jin & Montana 2026, arXiv 2603.28573; no official code).

CFCQL's conservative critics and SPaCQL's partial replacement, but instead of mixing the targets of every k = 1 … n, one
k is drawn for each transition from a policy that is itself learned:

    k ~ π_φ(· | s'),  a'^(k): k random agents follow their policies, the others act as logged
    y = r + γ (1 − d) min_j Q̄_j(s', a'^(k))                     SPaCQL Eq. 6 with a single k
    R = (min_j Q̄_j − lowest) / std_j Q_j, at (s', a'^(k))        the bandit's uncertainty-weighted reward
    φ ascends PPO's clipped objective for R                      Schulman et al. 2017, Eq. 7

The README says which of these lines the paper states and which are this plugin's reading of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_core import (
    Adam,
    Algorithm,
    AlgorithmConfig,
    Assign,
    Batch,
    Clip,
    Draw,
    Loss,
    Noise,
    Phase,
    Polyak,
    Rows,
    Update,
    setting,
)
from zoo_core.nn import StackedMLP, target_copy

SPACQL = "SPaCQL: all settings as CFCQL's official code (continuous/)"


@dataclass(frozen=True)
class Config(AlgorithmConfig):
    """The critics' settings are SPaCQL's, those called par_… belong to the bandit."""

    iterations: int = setting(2001, "Passes of the loop.", source=SPACQL)
    batch_size: int = setting(1024, "Rows in a batch.", source=SPACQL)
    lr: float = setting(0.001, "Adam's rate, of critics and actors.", source=SPACQL, at_least=1e-12)
    hidden: int = setting(
        64, "Width of every hidden layer: two in critics and actors, one in φ.", source=SPACQL, at_least=1
    )
    heads: int = setting(10, "Critics in the ensemble.", source="PLCQL and SPaCQL, experiments", at_least=1)
    discount: float = setting(0.95, "γ.", source=SPACQL, at_least=0, at_most=1)
    tau: float = setting(0.01, "How far targets move once an iteration.", source=SPACQL, at_least=0, at_most=1)
    critic_steps: int = setting(5, "Critic updates in an iteration, each on its own batch.", source=SPACQL, at_least=1)
    alpha: float = setting(1.0, "α: weight of the conservative penalty.", source=SPACQL, at_least=0)
    samples: int = setting(10, "Uniform actions per agent in the penalty.", source=SPACQL, at_least=1)
    penalty_rows: int = setting(
        256,
        "Rows of a batch that estimate the penalty, most of an update's cost.",
        source="ours: CFCQL takes all",
        at_least=1,
    )
    target_noise: float = setting(0.05, "Deviation of the noise on π'(o').", source=SPACQL, at_least=0)
    clip: float = setting(0.5, "Largest gradient norm of any update.", source=SPACQL, at_least=1e-12)
    action_l2: float = setting(1e-3, "Weight of the mean squared action of the actors.", source=SPACQL, at_least=0)
    u_floor: float = setting(1e-6, "Smallest disagreement u.", source="ours", at_least=1e-12)
    par_lr: float = setting(3e-4, "Adam's rate of φ.", source="PPO, on MuJoCo", at_least=1e-12)
    par_steps: int = setting(4, "PPO steps on each batch of choices.", source="ours", at_least=1)
    par_clip: float = setting(0.2, "ε of the clipped objective.", source="PPO, on MuJoCo", at_least=0)
    par_value: float = setting(
        0.5, "Weight of the baseline's squared error.", source="ours (PPO, on Atari: 1)", at_least=0
    )
    par_entropy: float = setting(0.01, "Weight of the entropy of π_φ.", source="PPO, on Atari", at_least=0)


class PLCQL(Algorithm):
    Config = Config

    def __init__(self, team, config, *, statistics=None, mixer=None):
        super().__init__(team, config, statistics=statistics, mixer=mixer)
        c, hidden = config, (config.hidden, config.hidden)
        state_size = team.state_size * (team.n if team.state_kind == "per_agent" else 1)
        self.critic = StackedMLP(c.heads, state_size + team.joint_action_size, hidden, 1, norm="batch")
        self.actor = StackedMLP(team.n, team.obs_size, hidden, team.action_size, norm="batch", last_init=3e-3)
        self.target_critic, self.target_actor = target_copy(self.critic), target_copy(self.actor)
        self.par = nn.ModuleDict({"policy": mlp(state_size, c.hidden, team.n), "value": mlp(state_size, c.hidden, 1)})
        self.register_buffer("own", own_dimensions(team), persistent=False)
        # What `choose` writes for each row of a batch and the updates after it read.
        self.register_buffer("k", torch.ones(c.batch_size, dtype=torch.int64))
        for name in ("y", "log_prob", "reward", "advantage"):
            self.register_buffer(name, torch.zeros(c.batch_size))

    def phases(self):
        """As CFCQL: the critics learn on each of five batches, the actors on the first, then the targets move."""
        c, n, a = self.config, self.team.n, self.team.action_size
        choice = {
            "k": Draw("uniform", (c.batch_size,)),
            "subset": Draw("uniform", (c.batch_size, n), agent_axis=1),
            "policy": Draw("normal", (c.batch_size, n, a), agent_axis=1),
        }
        rows = min(c.penalty_rows, c.batch_size)
        actions = {"uniform": Draw("uniform", (rows, c.samples, n, a), agent_axis=2)}
        written, everything = ("y", "k", "log_prob", "reward", "advantage"), Clip(c.clip)
        steps = []
        for i in range(c.critic_steps):
            steps.append(Assign("choice", self.choose, written, choice, batch=i))
            steps.append(Update("critic", self.critic_loss, ("critic",), Adam(c.lr), actions, i, everything))
            steps += [Update("par", self.par_loss, ("par",), Adam(c.par_lr), batch=i, clip=everything)] * c.par_steps
            if i == 0:
                own = Clip(c.clip, "member")  # each agent's own actor
                steps.append(Update("actor", self.actor_loss, ("actor",), Adam(c.lr), clip=own))
        steps += [Polyak("critic", "target_critic", c.tau), Polyak("actor", "target_actor", c.tau)]
        return (Phase("train", Rows(c.batch_size, batches=c.critic_steps, next_action=True), tuple(steps)),)

    # --- the bandit ----------------------------------------------------------------------------------------------

    def choose(self, batch: Batch, noise: Noise):
        """Draw one k per row, and with it the target y, the bandit's reward and what PPO must remember."""
        context = batch.next_state.flatten(1)
        log_p = self.par["policy"](context).log_softmax(-1)
        k = 1 + sample(log_p, noise["k"])
        joint = replace(batch, self.next_policy_action(batch, noise), random_subset(k, noise["subset"]))
        u = self.q(self.critic, context, joint).std(0, unbiased=False).clamp(min=self.config.u_floor)  # SPaCQL Eq. 7
        q = self.q(self.target_critic, context, joint).amin(0)
        reward = par_reward(q, u, batch.has_next_action)
        return {
            "y": batch.team_reward + self.config.discount * batch.continues * q,
            "k": k,
            "log_prob": log_prob_of(log_p, k),
            "reward": reward,
            "advantage": reward - self.par["value"](context).squeeze(-1),
        }

    def par_loss(self, batch: Batch, noise: Noise):
        """−PPO's objective: clipped gain − c₁ (V − R)² + c₂ entropy (Schulman et al. 2017, Eq. 9)."""
        c, context = self.config, batch.next_state.flatten(1)
        log_p = self.par["policy"](context).log_softmax(-1)
        ratio = (log_prob_of(log_p, self.k) - self.log_prob).exp()
        entropy = -(log_p.exp() * log_p).sum(-1)
        error = (self.par["value"](context).squeeze(-1) - self.reward).square()
        objective = clipped_gain(ratio, self.advantage, c.par_clip) - c.par_value * error + c.par_entropy * entropy
        chosen = batch.has_next_action.float()  # after a terminated row there is nothing to choose
        mean_k = (log_p.exp() * torch.arange(1, self.team.n + 1, device=log_p.device)).sum(-1).mean()
        metrics = {"mean_k": mean_k, "entropy": entropy.mean(), "value_error": error.mean()}
        return Loss(-mean_over(objective, chosen), metrics)

    # --- critics and actors --------------------------------------------------------------------------------------

    def critic_loss(self, batch: Batch, noise: Noise):
        """Σ_j [ mean (Q_j(s, a) − y)² + α ξ_j ] (SPaCQL Eq. 5), ξ_j CFCQL's penalty of one agent's action at a time."""
        state = batch.state.flatten(1)
        q = self.q(self.critic, state, batch.action)  # [M, B]
        td = (q - self.y).square().mean(1)
        uniform = self.scale(2 * noise["uniform"] - 1)
        rows = len(uniform)  # rows are drawn independently, so the first ones are a sample of the batch
        others = counterfactuals(batch.action[:rows], uniform)  # [n, rows, m, n, a]
        log_density = -self.own.sum(-1) * math.log(self.team.action_high - self.team.action_low)  # of uniform actions
        corrected = self.q(self.critic, state[:rows, None], others) - log_density[:, None, None]  # [M, n, rows, m]
        xi = corrected.logsumexp(-1).mean((1, 2)) - q.mean(1)
        return Loss((td + self.config.alpha * xi).sum(), {"td": td.mean(), "penalty": xi.mean(), "q": q.mean()})

    def actor_loss(self, batch: Batch, noise: Noise):
        """−E Q_1(s, π_i(o_i), a_{−i}) over agents and rows (SPaCQL Algorithm 1, line 20), plus a small L2."""
        policy = self.policy(self.actor, batch.obs)
        joint = counterfactuals(batch.action, policy[:, None])  # [n, B, 1, n, a]
        q = self.q(self.critic, batch.state.flatten(1)[:, None], joint)[0].mean()
        l2 = policy.square().sum((0, 2)) / (batch.size * self.own.sum(-1))
        return Loss(-q + self.config.action_l2 * l2.sum(), {"q": q})

    def q(self, critic, state: Tensor, joint: Tensor) -> Tensor:
        """Q of every head at joint actions [..., n, a], [M, ...]; `state` [B, s] or [B, 1, s] is expanded to them."""
        rows = torch.cat((state.expand(*joint.shape[:-2], -1), joint.flatten(-2)), -1)
        return critic(rows.flatten(0, -2)).squeeze(-1).unflatten(1, rows.shape[:-1])

    # --- acting --------------------------------------------------------------------------------------------------

    def policy(self, actor, obs: Tensor) -> Tensor:
        """obs [B, n, o] → actions [B, n, a] within the team's bounds."""
        return self.scale(actor(obs.transpose(0, 1)).transpose(0, 1).tanh())

    def scale(self, unit: Tensor) -> Tensor:
        """From [−1, 1] to the team's bounds; padded dimensions are 0. unit: [..., n, a]."""
        low, high = self.team.action_low, self.team.action_high
        return (low + (high - low) * (unit + 1) / 2) * self.own

    def next_policy_action(self, batch: Batch, noise: Noise) -> Tensor:
        """clip(π'(o') + N(0, σ²)), [B, n, a] (SPaCQL Algorithm 1, line 8; the noise is CFCQL's)."""
        action = self.policy(self.target_actor, batch.next_obs) + self.config.target_noise * noise["policy"]
        return action.clamp(self.team.action_low, self.team.action_high) * self.own

    def act(self, obs, mask, memory, generator):
        return self.policy(self.actor, obs), memory

    @torch.no_grad()
    def relabel(self, order):
        """Actors change places; so do the agents' columns wherever a network reads the state or a joint action."""
        places = torch.as_tensor(order)
        moved = [*self.actor.parameters(), *self.actor.buffers(), *self.target_actor.parameters(), self.own]
        for tensor in [*moved, *self.target_actor.buffers()]:
            tensor.copy_(tensor[places])
        team = self.team
        sizes = {"per_agent": [team.state_size] * team.n, "concat_obs": team.obs_sizes}.get(team.state_kind)
        state = torch.arange(team.state_size) if sizes is None else columns(sizes, order)
        inputs = torch.cat((state, len(state) + columns([team.action_size] * team.n, order)))
        for critic in (self.critic, self.target_critic):
            for tensor in [*critic.input_norm.parameters(), *critic.input_norm.buffers()]:
                tensor.copy_(tensor[..., inputs])
            critic.layers[0].weight.copy_(critic.layers[0].weight[:, inputs])
        for net in self.par.values():
            net[0].weight.copy_(net[0].weight[:, state])


def par_reward(q: Tensor, u: Tensor, has_choice: Tensor) -> Tensor:
    """The bandit's reward, [B]: (q − lowest q) / u, in standard deviations over the rows that had a choice.

    1/u is SPaCQL's weight. Values are measured from the batch's lowest, for a negative value must not gain by doubt.
    """
    lowest = torch.where(has_choice, q, torch.inf).amin()
    weighted = torch.where(has_choice, (q - lowest) / u, 0.0)
    chosen = has_choice.float()
    centred = (weighted - mean_over(weighted, chosen)) * chosen
    return centred / (mean_over(centred.square(), chosen).sqrt() + 1e-6)


def clipped_gain(ratio: Tensor, advantage: Tensor, epsilon: float) -> Tensor:
    """min(ρ A, clip(ρ, 1 − ε, 1 + ε) A), elementwise (Schulman et al. 2017, Eq. 7)."""
    return torch.minimum(ratio * advantage, ratio.clamp(1 - epsilon, 1 + epsilon) * advantage)


def sample(log_p: Tensor, uniform: Tensor) -> Tensor:
    """Indices [B] drawn from log-probabilities [B, K] with uniform numbers [B], by inverting the distribution."""
    below = log_p.exp().cumsum(-1) <= uniform.unsqueeze(-1)
    return below.sum(-1).clamp(max=log_p.shape[-1] - 1)


def log_prob_of(log_p: Tensor, k: Tensor) -> Tensor:
    """log π(k), [B], of choices k = 1 … n."""
    return log_p.gather(-1, (k - 1).unsqueeze(-1)).squeeze(-1)


def random_subset(k: Tensor, uniform: Tensor) -> Tensor:
    """Bool [B, n]: for each row the k agents with the smallest of n uniform numbers (SPaCQL Algorithm 1, line 7)."""
    return uniform.argsort(-1).argsort(-1) < k.unsqueeze(-1)


def replace(batch: Batch, policy: Tensor, chosen: Tensor) -> Tensor:
    """a'^(k), [B, n, a]: the policies' actions for the chosen agents, the logged a' for the others (line 9).

    Terminated rows have no logged a'; their value does not count, and every agent is replaced.
    """
    chosen = chosen | ~batch.has_next_action.unsqueeze(-1)
    return torch.where(chosen.unsqueeze(-1), policy, batch.next_action)


def counterfactuals(action: Tensor, candidates: Tensor) -> Tensor:
    """Joint actions in which one agent deviates: action [B, n, a], candidates [B, m, n, a] → [n, B, m, n, a]."""
    n = action.shape[1]
    deviates = torch.eye(n, dtype=torch.bool, device=action.device).view(n, 1, 1, n, 1)
    return torch.where(deviates, candidates, action[:, None])


def mean_over(x: Tensor, weight: Tensor) -> Tensor:
    return (weight * x).sum() / weight.sum().clamp(min=1.0)


def own_dimensions(team) -> Tensor:
    """[n, a]: 1 for an agent's own action dimensions, 0 for padding."""
    return (torch.arange(team.action_size) < torch.tensor(team.action_sizes).unsqueeze(-1)).float()


def columns(sizes, order) -> Tensor:
    """Where the numbers of agents order[0], order[1], … lie in a row that holds `sizes[i]` numbers of each agent i."""
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return torch.cat([torch.arange(starts[i], starts[i] + sizes[i]) for i in order])


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))
