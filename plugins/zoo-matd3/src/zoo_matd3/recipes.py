"""How the policies and records that environment plugins ship were trained: the settings, one recipe per file group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo_matd3.algorithm import Config


@dataclass(frozen=True)
class Recipe:
    """One training run. Its last policy is saved as `<env>-<name>`.

    Attributes:
        options: what the environment is made with, besides the number of copies.
        files: further options, which are files: the option's name → the earlier recipe that makes the file.
        record: also save all that the learner did.
        split: also save each agent's network alone, e.g. to freeze a prey.
        agent: save this agent's network alone, as `<env>-<name>`, and no policy of the team.
    """

    name: str
    config: Config
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    record: bool = False
    split: bool = False
    agent: str = ""


def prey(transitions: int) -> Recipe:
    """The fourth agent of a game that all four learn, for `transitions`: it gets better the longer that is."""
    return Recipe("prey", Config(transitions=transitions), options={"control": "all"}, agent="prey_0")


RECIPES: Mapping[str, tuple[Recipe, ...]] = {
    "mpe-cn": (
        # Few copies and many updates for each transition: a learner that reaches the medium band (230 to 330) just
        # as it has seen the 97,500 transitions of the published medium-replay data. The larger action penalty keeps
        # the actors from saturating early on, which would fill a third of the replay with returns below random.
        Recipe(
            name="medium",
            config=Config(
                copies=20,
                transitions=97_500,
                warmup=10_000,
                updates_per_step=0.77,
                action_penalty=0.1,
                evaluate_every=10_000,
            ),
            record=True,
        ),
        # Wall time counts here, not transitions: many copies for each update.
        Recipe(
            name="expert", config=Config(copies=256, transitions=5_120_000, updates_per_step=1.0, action_penalty=0.03)
        ),
    ),
    # The chases: first the prey, stopped early (see README), then two packs of predators against it.
    "mpe-pp": (
        prey(512_000),
        Recipe(
            name="medium",
            config=Config(
                copies=20,
                transitions=62_500,
                warmup=40_000,
                updates_per_step=2.0,
                action_penalty=0.1,
                evaluate_every=10_000,
            ),
            files={"prey": "prey"},
            record=True,
        ),
        Recipe(name="expert", config=Config(transitions=2_560_000, evaluate_every=256_000), files={"prey": "prey"}),
    ),
    "mpe-world": (
        prey(512_000),
        Recipe(
            name="medium",
            config=Config(
                copies=20,
                transitions=80_000,
                warmup=50_000,
                updates_per_step=4.0,
                action_penalty=0.1,
                evaluate_every=10_000,
            ),
            files={"prey": "prey"},
            record=True,
        ),
        Recipe(name="expert", config=Config(transitions=1_536_000, evaluate_every=256_000), files={"prey": "prey"}),
    ),
}
