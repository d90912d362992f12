"""A dataset's card as text: for people, not for programs (`--json` is for those)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from zoo_cli.tables import show_facts, show_heading
from zoo_core.data import ActionCorrelation, Card, Dataset
from zoo_core.data.card import read_card
from zoo_core.data.catalogue import find_folder
from zoo_core.errors import DatasetError, UsageError

_BAR = 40
"""Width of the longest bar of a histogram."""


def stored_row(folder: Path) -> dict[str, Any]:
    """What `zoo data list` says of one folder; a damaged card is a row with its reason."""
    try:
        card = read_card(folder)
    except DatasetError as error:
        return {"name": folder.name, "folder": str(folder), "unreadable": str(error)}
    source = card.source
    origin = (
        f"seed {source['seed']}" if source.get("kind") == "built" else str(source.get("format", source.get("kind")))
    )
    return {
        "name": card.name,
        "dataset": _opened_by(card.name, source.get("seed", 0), folder),
        "from": origin,
        "transitions": card.transitions,
        "episodes": card.episodes,
        "return_mean": card.returns["mean"],
        "return_std": card.returns["std"],
        "bytes": card.nbytes,
        "hash": card.hash,
        "folder": str(folder),
    }


def _opened_by(name: str, seed: int, folder: Path) -> str:
    """What `--dataset` takes for it: its name or, as for a build of another size or version, its folder."""
    try:
        found = find_folder(name, seed=seed)
    except (DatasetError, UsageError):
        return str(folder)
    return name if found == folder else str(folder)


def histogram(returns: NDArray[np.float64], bins: int = 16) -> tuple[list[int], list[float]]:
    """Counts [bins] and edges [bins + 1]; one bin where all returns are equal."""
    spread = float(returns.max() - returns.min())
    counts, edges = np.histogram(returns, bins=bins if spread > 0 else 1)
    return counts.tolist(), edges.tolist()


def correlation_cells(name: str, found: ActionCorrelation | None) -> tuple[str, str, str, str]:
    """A line of `zoo data correlation`."""
    if found is None:
        return (name, "not measured: one agent, or too few episodes", "", "")
    return (name, _gain(found), f"{found.canonical:.3f}", f"{found.episodes:,}")


def show_card(dataset: Dataset, counts: Sequence[int], edges: Sequence[float]) -> None:
    """Everything a reader may want to know before training on it."""
    card, team, r = dataset.card, dataset.team, dataset.card.returns
    lengths = sorted({card.lengths["min"], card.lengths["max"]})
    bounds = f"[{team.action_low:g}, {team.action_high:g}]"
    mask = "with an action mask" if dataset.action_mask is not None else "without an action mask"
    show_heading(card.name)
    show_facts(
        {
            "folder": dataset.folder,
            "hash": card.hash,
            "size": f"{card.transitions:,} transitions in {card.episodes:,} episodes, {card.nbytes / 1e6:,.1f} MB",
            "steps": " to ".join(str(length) for length in lengths) + " an episode",
            "ends": _ends(int(dataset.terminated.sum()), card.episodes),
            "agents": f"{team.n}: {', '.join(team.agents)}",
            "observations": _sizes(team.obs_sizes),
            "actions": f"{team.action_kind}, {_sizes(team.action_sizes)}, {mask if team.discrete else bounds}",
            "state": f"{team.state_kind}, {team.state_size} numbers",
            "convention": card.convention or "not stated",
            "correlation": _correlation(dataset.action_correlation()),
            **{f"source: {key}": _plain(value) for key, value in card.source.items()},
            **_findings(card),
            "versions": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
        }
    )
    show_heading(f"\nReturn: mean {r['mean']:.2f}, std {r['std']:.2f}, min {r['min']:.2f}, max {r['max']:.2f}")
    _show_histogram(counts, edges)


def _ends(terminated: int, episodes: int) -> str:
    if terminated in (0, episodes):
        return f"all episodes {'terminated' if terminated else 'were truncated'}"
    return f"{terminated:,} episodes terminated, the others were truncated"


def _correlation(found: ActionCorrelation | None) -> str:
    if found is None:
        return "not measured: one agent, or too few episodes"
    return (
        f"the others' actions add {_gain(found)} nats per agent to the prediction from the state; canonical "
        f"correlation {found.canonical:.3f} ({found.episodes:,} episodes held out)"
    )


def _gain(found: ActionCorrelation) -> str:
    return f"{round(found.gain, 4) + 0.0:.4f} ± {found.half_width:.4f}"  # + 0.0: no "-0.0000"


def show_findings(card: Card) -> None:
    """What its recipe or importer noted and mended."""
    show_facts(_findings(card))


def _findings(card: Card) -> dict[str, str]:
    repairs = {f"repair {i}": repair for i, repair in enumerate(card.repairs, start=1)}
    return {f"note: {key}": _plain(value) for key, value in card.notes.items()} | repairs


def _show_histogram(counts: Sequence[int], edges: Sequence[float]) -> None:
    most = max(counts)
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        bar = "█" * round(_BAR * count / most)
        click.echo(f"{low:>10.1f} … {high:>8.1f}  {count:>7,}  {bar}".rstrip())


def _sizes(sizes: Sequence[int]) -> str:
    return f"{sizes[0]} each" if len(set(sizes)) == 1 else ", ".join(str(size) for size in sizes)


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}… (all of it in card.json)"
