"""What this plugin offers: two more qualities of somebody else's environment. It imports nothing heavy."""

from zoo_core import DatasetEntry, Source, hookimpl

SUMMARIES = {
    "assigned": "A planner sends each agent to its landmark of the shortest joint assignment: coordinated behaviour.",
    "nearest": "Each agent heads for the landmark nearest to itself: the same script without coordination.",
}


@hookimpl
def zoo_datasets():
    return [
        DatasetEntry(
            name=f"mpe-cn/{quality}",
            summary=summary,
            factory=f"mpe_scripted_data.recipes:{quality}",
            source=Source(paper="this plugin"),
            env="mpe-cn",
            quality=quality,
            transitions=100_000,
        )
        for quality, summary in SUMMARIES.items()
    ]
