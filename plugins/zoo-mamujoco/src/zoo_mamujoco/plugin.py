"""Hooks of zoo-mamujoco: robots whose joints are shared among agents, and datasets of them."""

from __future__ import annotations

from zoo_core import DatasetEntry, EnvEntry, Source, hookimpl
from zoo_mamujoco.scores import reference_of
from zoo_mamujoco.tasks import FAMILY, Task, options_of

PENG = Source(
    paper="Peng et al., FACMAC: Factored Multi-Agent Centralised Policy Gradients (NeurIPS 2021)",
    url="https://arxiv.org/abs/2003.06709",
    code="https://github.com/schroederdewitt/multiagent_mujoco",
)
PHYSICS = (
    "Gymnasium's -v4 rewards and endings, which are -v2's, in current MuJoCo: near the published data, which are of "
    "MuJoCo 2.0, and not the same"
)
OMIGA = "Observations as in OMIGA's data: the full one and the agent's one-hot number, standardised per vector"
NO_CONTACTS = "; the 84 contact forces are zeros, as MuJoCo 2.0 left them (contacts=True fills them)"
OMAR = (
    "Observations as in OMAR's HalfCheetah: position and velocity of an agent's own joints; the state is the full one"
)


LOCAL = (
    "Observations as in Gymnasium-Robotics: an agent's own joints, positions of others within obsk edges, and the "
    "root; the state is the full one"
)


def entry(task: Task, quality: str, summary: str) -> EnvEntry:
    """The entry of one task; its factory is handed what differs from the robot's and partition's usual."""
    seen = {"omiga": OMIGA, "omar": OMAR, "local": LOCAL}[task.obs]
    contacts = NO_CONTACTS if task.body.contact_entries and task.obs != "omar" and not task.contacts else ""
    return EnvEntry(
        name=task.name,
        summary=summary,
        factory="zoo_mamujoco.envs:MultiAgentMujoco",
        source=PENG,
        family=FAMILY,
        convention=f"{PHYSICS}. {seen}{contacts}",
        agents=task.agents,
        default_quality=quality,
        reference=reference_of(task.name, task.robot),
        hints={"copies": 50},
        options=options_of(task),
        modules=("mujoco", "gymnasium"),
    )


ENVS = (
    entry(Task("Ant", "2x4"), "medium-replay", "Two agents, four joints each, make an ant run."),
    entry(Task("HalfCheetah", "2x3"), "medium-replay", "Hind leg and fore leg of a cheetah, an agent each."),
    entry(Task("HalfCheetah", "6x1"), "medium-replay", "Six agents, one joint each, make a cheetah run."),
    entry(Task("Hopper", "3x1"), "medium-replay", "Three agents, one joint each, make a leg hop."),
)
OTHERS = EnvEntry(
    name=FAMILY,
    summary="Any partition and convention, as mamujoco:ROBOT-PARTITION,obs=omiga|omar|local[,obsk=N][,contacts=true].",
    factory="zoo_mamujoco.envs:MultiAgentMujoco",
    source=PENG,
    family=FAMILY,
    convention=f"{PHYSICS}. Observations as the option obs says",
    resolver="zoo_mamujoco.tasks:resolve",
    example="hopper-3x1,obs=local",
)

AFTER_OMIGA = Source(
    paper="Built here, after the data of Wang et al., Offline Multi-Agent RL with Implicit Global-to-Local Value "
    "Regularization (NeurIPS 2023), which are of HAPPO's policies in MuJoCo 2.0",
    url="https://arxiv.org/abs/2307.11620",
    code="https://github.com/ZhengYinan-AIR/OMIGA",
)
AFTER_OMAR = Source(
    paper="Built here, after the data of Pan et al., Plan Better Amid Conservatism: Offline Multi-Agent RL with Actor "
    "Rectification (ICML 2022), which are of MATD3's policies in MuJoCo 2.0",
    url="https://arxiv.org/abs/2111.11188",
    code="https://github.com/ling-pan/OMAR",
)
SUMMARIES = {
    "expert": "A trained PPO policy, its actions sampled.",
    "medium": "The same learner partly trained, its actions sampled.",
    "medium-replay": "The learner at equal intervals from its start to the medium policy, rolled out anew.",
    "medium-expert": "The medium data, then the expert data.",
    "random": "Independent uniform actions.",
}


def datasets(env: str, source: Source, **sizes: tuple[int, float]) -> tuple[DatasetEntry, ...]:
    """Entries of one environment: quality (with an underscore) → its size, and the published mean return."""
    return tuple(
        DatasetEntry(
            name=f"{env}/{quality.replace('_', '-')}",
            summary=SUMMARIES[quality.replace("_", "-")],
            factory=f"zoo_mamujoco.datasets:{quality}",
            source=source,
            env=env,
            quality=quality.replace("_", "-"),
            transitions=transitions,
            published_return=published,
        )
        for quality, (transitions, published) in sizes.items()
    )


DATASETS = (
    *datasets(
        "mamujoco-ant-2x4",
        AFTER_OMIGA,
        expert=(500_000, 2055.1),
        medium=(500_000, 1418.7),
        medium_replay=(500_000, 1029.5),
        medium_expert=(1_000_000, 1736.9),
    ),
    *datasets(
        "mamujoco-halfcheetah-6x1",
        AFTER_OMIGA,
        expert=(1_000_000, 2785.1),
        medium=(1_000_000, 1425.7),
        medium_replay=(1_000_000, 655.8),
        medium_expert=(2_000_000, 2105.4),
    ),
    *datasets(
        "mamujoco-hopper-3x1",
        AFTER_OMIGA,
        expert=(1_000_000, 2452.0),
        medium=(1_000_000, 723.6),
        medium_replay=(1_000_000, 746.4),
        medium_expert=(2_000_000, 1190.6),
    ),
    *datasets(
        "mamujoco-halfcheetah-2x3",
        AFTER_OMAR,
        expert=(1_000_000, 3338.7),
        medium=(1_000_000, 1568.9),
        medium_replay=(460_000, 423.5),
        random=(1_000_000, -282.9),
    ),
)


@hookimpl
def zoo_envs() -> tuple[EnvEntry, ...]:
    return (*ENVS, OTHERS)


@hookimpl
def zoo_datasets() -> tuple[DatasetEntry, ...]:
    return DATASETS
