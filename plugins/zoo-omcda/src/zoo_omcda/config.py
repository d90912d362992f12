"""Settings of OMCDA and its ablations."""

from __future__ import annotations

from dataclasses import dataclass

from zoo_core import AlgorithmConfig, setting
from zoo_critics import DISTRIBUTIONS

TABLE = "OMCDA Table 5"
OMIGA = "OMIGA, whose data and networks the paper takes"
OURS = "our choice"
UNUSED = "Without effect"


@dataclass(frozen=True)
class OMCDAConfig(AlgorithmConfig):
    iterations: int = setting(
        10_000, "Updates after behaviour cloning.", source=f"{OURS}: minutes on a CPU; the paper names none"
    )
    batch_size: int = setting(128, "Rows in a batch.", source=TABLE)
    lr: float = setting(
        1e-3,
        "Adam's rate for V^r, Q^r and the return's mixer.",
        source=f"{OURS}: as high as so few updates need",
        at_least=1e-12,
    )
    constraint_lr: float = setting(
        2e-4,
        "Adam's rate for V^c, Q^c and the constraint's mixer.",
        source=f"our choice: a fifth of lr, as in {TABLE}",
        at_least=1e-12,
    )
    policy_lr: float = setting(1e-3, "Adam's rate for the policies.", source=f"{OURS}: as lr", at_least=1e-12)
    hidden: int = setting(256, "Width of both hidden layers of every network but the mixers.", source=TABLE, at_least=1)
    mixer_hidden: int = setting(
        64, "Width of the constraint mixer's hidden layer.", source="OMCDA E.2: 64 units", at_least=1
    )
    share_weights: bool = setting(
        True, "One set of weights for all agents, told apart by a one-hot id; else each its own.", source=OMIGA
    )
    distribution: str = setting(
        "clipped-normal",
        "Of continuous policies, π_b's too. tanh-normal: squashed; clipped-normal: cut off at the bounds, where it has "
        "a probability.",
        source="our choice: how actions on the bounds came about; a tanh-normal's mean is drawn out to them",
        choices=DISTRIBUTIONS,
    )
    discount: float = setting(0.99, "γ.", source=TABLE, at_least=0, at_most=1)
    tau: float = setting(0.005, "How far target networks move in an update.", source=TABLE, at_least=0, at_most=1)
    expectile: float = setting(
        0.7, "τ of Eq. 51: 0.5 averages over the data's actions.", source=TABLE, at_least=0.5, at_most=1
    )
    clip: float | None = setting(
        1.0, "Largest gradient norm of an update; null: any.", source=f"{OMIGA}; the paper names none", at_least=1e-12
    )
    reward_scale: float = setting(1.0, "What rewards are multiplied by.", source=OURS, at_least=1e-12)
    timeouts: str = setting(
        "bootstrap",
        "What follows a truncated step. bootstrap: the next value; terminal: nothing, as the published data has it.",
        source="our choice: the time limit is not part of the task",
        choices=("bootstrap", "terminal"),
    )

    bc_iterations: int | None = setting(
        None,
        "Updates of behaviour cloning, before all others; null: the share bc_share of iterations.",
        source="our choice: a short run then clones for a short time",
        at_least=1,
    )
    bc_share: float = setting(
        0.5,
        "Updates of behaviour cloning for each of iterations, unless bc_iterations counts them.",
        source=f"{OURS}: of a short run a tenth would not clone the data",
        at_least=0,
    )
    bc_lr: float = setting(1e-3, "Adam's rate of behaviour cloning.", source=f"{OURS}: as policy_lr", at_least=1e-12)

    behaviour: str = setting(
        "beside",
        "π_b after cloning. frozen: as it is; beside: goes on cloning by the policy's steps (batches, rate, clip), "
        "but with every weight 1.",
        source="our choice: KL_i is then what the weights do, and 0 where they are all 1; of a frozen π_b a policy "
        "drifts away by its steps' noise alone, and α_i climbs to its bound",
        choices=("frozen", "beside"),
    )

    degree: float = setting(
        0.2,
        "d_init: conservative degree of an agent, in nats of KL; d_tot = n · degree.",
        source="OMCDA E.4: all data but the best",
        at_least=0,
    )
    allocation: str = setting(
        "influence",
        "d_i. influence: Eqs. 17 to 20; uniform: d_tot / n; random: d_tot · softmax(N(0, I)), once for each seed.",
        source="OMCDA Eq. 17; F.1 for the ablations",
        choices=("influence", "uniform", "random"),
    )
    decomposed: bool = setting(
        True, "Values of return and of constraint; else one for both, as in OMIGA.", source="OMCDA Eq. 12; F.1"
    )
    constraint_mixer: str = setting(
        "full",
        "w^c and b^c of Eqs. 14 and 16. full: a network of the state; identity: each agent's own Q^c and V^c alone.",
        source="OMCDA Eqs. 14, 16",
        choices=("full", "identity"),
    )
    influence_path: str = setting(
        "deviation",
        "Along which change of log-deviations the quotient of Eq. 19 is taken (continuous actions). shift: the same "
        "for all; deviation: further from the behaviour policy's, so that KL never falls along it.",
        source="our choice: the quotient's denominator then has one sign",
        choices=("shift", "deviation"),
    )
    influence_norm: str = setting(
        "meanabs",
        "What the softmax of Eq. 20 takes. none: influences as they are, in units of return; meanabs: divided by their "
        "mean size, or by three standard errors if that is more.",
        source="our choice: else the unit of the reward decides, and one agent takes all, or noise does",
        choices=("none", "meanabs"),
    )
    influence_decay: float = setting(
        0.99, "Of the running mean of influences, before the softmax.", source=OURS, at_least=0, at_most=1
    )
    warm_up: float = setting(
        0.1,
        "Share of the updates in which d_i = d_tot / n, as influences are not known yet.",
        source="our choice: a share, so that short runs wait as well for critics that say something of influence",
        at_least=0,
        at_most=1,
    )
    alpha_waits: bool = setting(
        True,
        "α_i stays as it is while warming up.",
        source="our choice: before there is a critic, KL_i says nothing of it",
    )

    alpha: float = setting(
        1.0,
        "α_i at first, in units of return.",
        source="our choice, for rewards about 1 in size; α_i moves on",
        at_least=1e-2,
        at_most=1e3,
    )
    alpha_lr: float = setting(1e-5, "Adam's rate for log α_i.", source=TABLE, at_least=0)
    alpha_budget: int | None = setting(
        1_000_000,
        "Updates that alpha_lr is meant for: the rate is alpha_lr · alpha_budget / iterations; null: alpha_lr itself.",
        source="our choice: at 1e-5 an update, 20,000 updates move α_i by a fifth at most",
        at_least=1,
    )
    alpha_lag: float = setting(
        0.5,
        "Where alpha_budget is set: α_i takes at least so many times 1/tau updates for a factor of e.",
        source="our choice: in short runs α_i is not to outrun the targets that it weighs",
        at_least=0.1,
    )
    exponent_limit: float = setting(
        5.0, "Where exp in Eq. 25 goes over into its tangent.", source=OURS, at_least=0, at_most=80
    )
    most_weight: float = setting(100.0, "Largest weight of a row in Eq. 54.", source="our choice, as IQL's", at_least=1)

    @property
    def cloning_updates(self) -> int:
        """Updates of behaviour cloning, before all others."""
        return max(1, round(self.bc_share * self.iterations)) if self.bc_iterations is None else self.bc_iterations

    @property
    def warm_up_updates(self) -> int:
        """Updates in which degrees are equal and, by `alpha_waits`, α rests."""
        return round(self.warm_up * self.iterations)

    @property
    def alpha_rate(self) -> float:
        """Adam's rate for log α: `alpha_lr`, or by `alpha_budget` scaled to the budget, up to tau / alpha_lag."""
        if self.alpha_budget is None:
            return self.alpha_lr
        return min(self.alpha_lr * self.alpha_budget / self.iterations, self.tau / self.alpha_lag)


@dataclass(frozen=True)
class EqualDegreesConfig(OMCDAConfig):
    allocation: str = setting(
        "uniform",
        "d_i. uniform: d_tot / n.",
        source="OMCDA F.1: OMCDA-w/o-CDA",
        choices=("influence", "uniform", "random"),
    )


@dataclass(frozen=True)
class EntangledConfig(OMCDAConfig):
    expectile: float = setting(0.7, f"{UNUSED}: V is learned as OMIGA's.", source=TABLE)
    constraint_lr: float = setting(2e-4, f"{UNUSED}: there is no constraint.", source=TABLE)
    constraint_mixer: str = setting(
        "full", f"{UNUSED}: there is no constraint.", source="OMCDA Eqs. 14, 16", choices=("full", "identity")
    )
    mixer_hidden: int = setting(64, f"{UNUSED}: there is no constraint's mixer.", source="OMCDA E.2")
    decomposed: bool = setting(False, "One value for return and constraint, as in OMIGA.", source="OMCDA F.1: w/o-dq")


@dataclass(frozen=True)
class RandomDegreesConfig(OMCDAConfig):
    allocation: str = setting(
        "random",
        "d_i. random: d_tot · softmax(N(0, I)), once for each seed.",
        source="OMCDA F.1: OMCDA-rd",
        choices=("influence", "uniform", "random"),
    )
