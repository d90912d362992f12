"""What this plugin offers: an environment, and a dataset to train on. It imports nothing heavy."""

from zoo_core import DatasetEntry, EnvEntry, ReferenceScores, Source, hookimpl

SOURCE = Source(paper="this plugin")
REFERENCE = ReferenceScores(-164.6, -7.3, "python -m harbour: uniform actions and the scripted pilot, 10,000 episodes")


@hookimpl
def zoo_envs():
    return [
        EnvEntry(
            name="barge",
            summary="Dock a barge: a tug pushes at the stern in two directions, a thruster at the bow in one.",
            factory="harbour.barge:Barge",
            source=SOURCE,
            family="harbour",
            convention="rigid body in the plane with linear drag, steps of 0.2 s; forces in the barge's own frame",
            agents=2,
            default_quality="mixed",
            reference=REFERENCE,
        )
    ]


@hookimpl
def zoo_datasets():
    return [
        DatasetEntry(
            name="barge/mixed",
            summary="Half the episodes by the scripted pilot with noise, half by uniform actions.",
            factory="harbour.datasets:mixed",
            source=SOURCE,
            env="barge",
            quality="mixed",
            transitions=60_000,
        )
    ]
