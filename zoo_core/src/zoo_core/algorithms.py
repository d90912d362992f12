"""The contract of an algorithm: its networks and the ordered steps of one iteration.

An author writes for one seed, in plain PyTorch: networks are attributes of an `nn.Module`, losses are methods
`(batch, noise) -> Loss`, and `phases()` lists what one iteration does, in order:

    def phases(self):
        critic = Update("critic", self.critic_loss, learns=("critic",), optimizer=Adam(lr), noise={...})
        actor = Update("actor", self.actor_loss, learns=("actor",), optimizer=Adam(lr))
        return (Phase("train", Rows(1024), steps=(critic, actor, Polyak("critic", "target_critic", tau))),)

Everything else is the core's: sampling, drawing the noise, gradients, clipping, optimisers, target updates, devices,
compilation, checkpoints, evaluation and logging. An algorithm never opens a file, prints, parses an option or builds
an environment, and never draws a random number: what it needs it declares as `Draw`s and receives as tensors. That is
why a resumed run is the run, and why the core can map a leading seed axis over the same code on a GPU.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from zoo_core.mixers import Mixer
from zoo_core.team import TeamSpec

Noise = Mapping[str, Tensor]


class Loss(NamedTuple):
    """A scalar to descend and what to log beside it (scalars or small vectors, detached by the core)."""

    value: Tensor
    metrics: dict[str, Tensor]


# --- what a phase takes from the data ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Independent transitions, uniformly with replacement, `batches` times an iteration.

    `next_action`: the update needs the logged a', which truncated steps have not. `truncation` says what becomes of
    them then: `skip` never draws them, `full` does, marked by `has_next_action`, and the update must do without their
    a'. Terminated rows are always drawn, for their target is r. `initial_obs`: first observations of episodes too.
    """

    batch_size: int
    batches: int = 1
    next_action: bool = False
    initial_obs: bool = False
    truncation: Literal["skip", "full"] = "skip"


@dataclass(frozen=True)
class Windows:
    """`length` consecutive steps of one episode; windows that overrun its end are padded and marked in `filled`.

    `discount`: with one, batches carry `return_to_go`, discounted by it, and `step`, for methods that condition on
    what an episode still brings.
    """

    batch_size: int
    length: int
    batches: int = 1
    discount: float | None = None


@dataclass(frozen=True)
class WholeEpisodes:
    """Whole episodes, padded to the longest in the batch and marked in `filled`."""

    batch_size: int
    batches: int = 1


# --- the steps of an iteration -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draw:
    """Random numbers for one update: standard `normal` or `uniform` in [0, 1), of this shape.

    `agent_axis` says which axis counts the agents, for checks that exchange agents. None: the only axis of their
    number, if there is exactly one; otherwise the numbers belong to no agent.
    """

    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...]
    agent_axis: int | None = None


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba). `schedule="cosine"` decays the rate to zero over the phase."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    schedule: Literal["constant", "cosine"] = "constant"


@dataclass(frozen=True)
class Clip:
    """Clip a gradient to a 2-norm. `per="all"`: the norm over all parameters of the update; `per="member"`: one norm
    for each index of the parameters' leading axis, e.g. each head of an ensemble or each agent's own actor;
    `per="module"`: one for each name in `learns`, where an update descends a sum of losses of different modules."""

    norm: float
    per: Literal["all", "member", "module"] = "all"


@dataclass(frozen=True)
class Update:
    """One gradient step. Updates of one name are the same step at another place and share their optimiser's state.

    Attributes:
        name: prefix of its metrics.
        loss: a method of the algorithm, `(batch, noise) -> Loss`; pure but for the parameters it reads.
        learns: attribute names of the modules or parameters it changes; gradients of all others are not computed.
        noise: what random numbers the loss takes.
        batch: which of the iteration's batches (a tuple hands the loss a tuple of batches).
        every: run in iterations divisible by this.
        descends: with targets and noise frozen, small steps must lower it (checked by the conformance kit).
    """

    name: str
    loss: Callable[[Any, Noise], Loss]
    learns: tuple[str, ...]
    optimizer: Adam
    noise: Mapping[str, Draw] = field(default_factory=dict)
    batch: int | tuple[int, ...] = 0
    clip: Clip | None = None
    every: int = 1
    descends: bool = True


@dataclass(frozen=True)
class Polyak:
    """target ← (1 − τ) target + τ online, over parameters. τ = 1 with `every` gives hard updates."""

    online: str
    target: str
    tau: float
    every: int = 1


@dataclass(frozen=True)
class Assign:
    """A step without a gradient: `compute(batch, noise)` returns new values for the named buffers."""

    name: str
    compute: Callable[[Any, Noise], Mapping[str, Tensor]]
    writes: tuple[str, ...]
    noise: Mapping[str, Draw] = field(default_factory=dict)
    batch: int | tuple[int, ...] = 0


IterationStep = Update | Polyak | Assign


@dataclass(frozen=True)
class Phase:
    """A named stretch of training: so many iterations of these steps on this data.

    `iterations=None` takes the run's budget (the last phase should). `reuse` names the config fields that, with the
    data and the seed, decide the outcome of a costly frozen phase: the core then caches what its updates learned.
    Algorithms share it only under a common name, `reuse_as`: they promise the same phase from the same initial weights.
    """

    name: str
    data: Rows | Windows | WholeEpisodes
    steps: tuple[IterationStep, ...]
    iterations: int | None = None
    reuse: tuple[str, ...] | None = None
    reuse_as: str = ""


# --- the algorithm -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Statistics:
    """Statistics of a dataset, over its steps: per agent and feature for observations, [n, o], and actions, [n, a]."""

    obs_mean: Tensor
    obs_std: Tensor
    action_mean: Tensor | None
    action_std: Tensor | None
    reward_mean: float
    reward_std: float
    return_mean: float
    return_min: float
    return_max: float


class Algorithm(nn.Module):
    """Base of every algorithm. Subclasses set `Config`, build their networks in `__init__` and implement two methods.

    Networks are initialised while the core holds a private, seeded random state: plain `nn.Linear` is reproducible.
    """

    Config: ClassVar[type]

    def __init__(
        self,
        team: TeamSpec,
        config: Any,
        *,
        statistics: Statistics | None = None,
        mixer: Callable[..., Mixer] | None = None,
    ) -> None:
        """`mixer` builds the mixer the user chose: `mixer(agents, state_size)`; None if the algorithm takes none."""
        super().__init__()
        self.team, self.config, self.statistics = team, config, statistics

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """What training does, in order."""

    @abstractmethod
    def act(
        self, obs: Tensor, mask: Tensor | None, memory: Any, generator: torch.Generator | None
    ) -> tuple[Tensor, Any]:
        """The deterministic team policy used for scores: obs [E, n, o], mask [E, n, A] → action [E, n, a] or [E, n].

        Agent i's action depends on row i of `obs` alone unless the entry declares `centralised_acting`. `memory` is
        what the previous call returned (None at first). `generator` serves planners that sample.
        """

    def initial_memory(self, num_envs: int) -> Any:
        """Memory before the first step; recurrent policies override it."""
        return None

    @torch.no_grad()
    def relabel(self, order: Sequence[int]) -> None:
        """Rearrange the weights so that place i holds what place `order[i]` held; the conformance kit exchanges agents.

        Every parameter and buffer whose leading axis has one index for each agent is reordered along it, as are the
        statistics; the rest is left. That is right where each agent has networks of its own, or all share one that sees
        a single agent. Algorithms that read joint inputs or one-hot agent ids override it and reorder those inputs'
        columns too. A mixer is left as it is. Where agents cannot be exchanged, as they are updated one after the other
        or ranked, override it to raise `NotImplementedError` with the reason: the kit then skips its claim.
        """
        index = torch.as_tensor(order)
        for tensor in [*self.parameters(), *self.buffers()]:
            if tensor.dim() and len(tensor) == self.team.n:
                tensor.copy_(tensor[index.to(tensor.device)])
        if self.statistics is not None:
            of_agents = {name: value for name, value in vars(self.statistics).items() if isinstance(value, Tensor)}
            moved: dict[str, Any] = {name: value[index.to(value.device)] for name, value in of_agents.items()}
            self.statistics = replace(self.statistics, **moved)
