"""docs/results.md and its figures, drawn from the JSON files under results/ and nothing else."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import yaml

mpl.use("Agg")
import matplotlib.pyplot as plt

from zoo_core.training.scores import Score

COLOURS = {
    "bc": "#7f7f7f",
    "td3bc": "#bab0ac",
    "iql": "#9c755f",
    "omar": "#f28e2b",
    "dof-policy": "#edc948",
    "dof-trajectory": "#9e7700",
    "macql": "#b07aa1",
    "cfcql": "#4e79a7",
    "icql-qs": "#59a14f",
    "spacql": "#e15759",
    "icq": "#17a2b8",
    "bcq-ma": "#8c6d31",
    "cql-ma": "#637939",
    "omar-mix": "#fdae6b",
    "omiga": "#3182bd",
    "comadice": "#756bb1",
    "omcda": "#d62728",
    "omcda-wo-cda": "#31a354",
    "omcda-wo-dq": "#e377c2",
    "omcda-rd": "#636363",
}
"""Of each algorithm, in the order of the tables; any other comes last, in one colour."""
OTHERS_COLOUR = "#000000"
FIVE_UPDATES = {"macql", "cfcql", "icql-qs", "spacql"}
QUALITIES = ("expert", "medium", "medium-replay", "random")
"""In the order of the tables; any other comes last."""
WEIGHTS = (0.25, 0.42)
"""The range that every figure of weights shows at least, so that they compare."""
PANEL = 3.6
"""A panel's width, in inches."""
Results = dict[tuple[str, str], list[dict[str, Any]]]
"""(quality, row's name) → the results of all its seeds."""
PUBLISHED = "published"
"""The budget that an algorithm's preset has for the environment; any other is a number of iterations."""

INTRODUCTION = """# Results

Written by `python scripts/ledger.py report` from the files under `results/`; do not edit. Each file holds one run: its
command, settings, hashes, curve and final score.

A score is the undiscounted team return of the deterministic policy after the last iteration, over episodes of fixed
seeds, as many as stand under its table: raw, and normalised as 100 · (S − random) / (expert − random) with the
reference pair named there. Data: our own, rolled out from the policies that ship with the environments; the published
columns used the benchmarks'. With one seed the interval (±) is over episodes and says nothing about training again;
with several it is over seeds."""


def write_page(results: Path, docs: Path) -> None:
    """Read every result and write the page and its figures."""
    published = yaml.safe_load((results / "published.yaml").read_text(encoding="utf-8"))
    parts = [INTRODUCTION]
    for folder in sorted(path for path in results.iterdir() if path.is_dir()):
        for budget, found in read(folder).items():
            stem = folder.name if budget == PUBLISHED else f"{folder.name}-{budget}it"
            figures = draw(stem, folder.name, found, docs / "figures")
            parts += section(folder.name, budget, found, published.get(folder.name, {}), figures)
    notes = results / "findings.md"
    if notes.exists():
        parts.append(notes.read_text(encoding="utf-8").strip())
    (docs / "results.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[int | str, Results]:
    """All results of one environment, by budget, the published one first, then the largest."""
    found: dict[int | str, Results] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("*/*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        result["label"] = ", ".join([result["algorithm"], *result.get("set", ())])
        found[result.get("budget", PUBLISHED)][result["quality"], result["label"]].append(result)
    for budget, results in found.items():
        if budget != PUBLISHED:
            found[budget] = results = _unset(results)
        _part_presets(results)
    largest_first = sorted(found, key=lambda budget: -math.inf if budget == PUBLISHED else -int(budget))
    return {budget: dict(found[budget]) for budget in largest_first}


def _unset(results: Results) -> Results:
    """Rows are named without the settings that all runs of their algorithm have: a sentence lists those."""
    shared: dict[str, set[str]] = {}
    for first, *_ in results.values():
        own = set(first.get("set", ()))
        shared[first["algorithm"]] = shared.get(first["algorithm"], own) & own
    found = defaultdict(list)
    for (quality, _), seeds in results.items():
        algorithm = seeds[0]["algorithm"]
        apart = [setting for setting in seeds[0].get("set", ()) if setting not in shared[algorithm]]
        name = ", ".join([algorithm, *apart])
        found[quality, name] += [{**result, "label": name} for result in seeds]
    return found


def _settings(found: Results) -> str:
    """Which settings, other than their presets', rows were run with that their names do not say."""
    algorithms = defaultdict(set)
    for (_, label), seeds in found.items():
        unsaid = [setting for setting in seeds[0].get("set", ()) if f", {setting}, " not in f"{label}, "]
        if unsaid:
            algorithms[tuple(unsaid)].add(seeds[0]["algorithm"])
    ranked = {chosen: sorted(names, key=lambda name: _rank(COLOURS, name)) for chosen, names in algorithms.items()}
    said = [f"{', '.join(names)} with {', '.join(f'`{s}`' for s in chosen)}" for chosen, names in ranked.items()]
    return f"Settings other than the presets': {'; '.join(said)}." if said else ""


def _part_presets(results: Results) -> None:
    """Where one algorithm was run with several presets, each is a row of its own."""
    for quality, label in list(results):
        by_preset = defaultdict(list)
        for result in results[quality, label]:
            by_preset[result["preset"]].append(result)
        if len(by_preset) > 1:
            del results[quality, label]
            for preset, seeds in by_preset.items():
                results[quality, f"{label}, {preset}"] = [{**r, "label": f"{label}, {preset}"} for r in seeds]


def section(env: str, budget: int | str, found: Results, published: dict[str, Any], figures: list[str]) -> list[str]:
    """One environment's table at one budget, and its figures."""
    about = published.get("about", {})
    rows = [
        row(found[quality, algorithm], published.get(quality, {}).get(algorithm), about.get("game", ""))
        for quality, algorithm in sorted(found, key=lambda cell: (_rank(QUALITIES, cell[0]), _rank(COLOURS, cell[1])))
    ]
    head = [
        "data", "its return", "algorithm", "preset", "iterations", "seeds",
        "return (last)", "± 95%", "normalised (last)", "normalised (best)", "published", "minutes",
    ]  # fmt: skip
    table = [head, ["---"] * len(head), *rows]
    heading, short = f"## {env}", []
    if budget != PUBLISHED:
        heading += f", {budget:,} iterations"
        short = [f"Every method for {budget:,} iterations, fewer than were published: to compare methods, not papers."]
        if not FIVE_UPDATES.isdisjoint(name.partition(",")[0] for _, name in found):
            short[0] += (
                f" An iteration of {', '.join(sorted(FIVE_UPDATES))} has five updates of the critics, that of the "
                "others one of each network, so that the others have seen a fifth of the batches."
            )
    if chosen := _settings(found):
        short.append(chosen)
    parts = [heading, *short, "\n".join("| " + " | ".join(line) + " |" for line in table)]
    results = [result for seeds in found.values() for result in seeds]
    reference = results[0]["reference"]
    parts.append(
        f"Scores over {_counts(r['final']['episodes'] for r in results)} episodes. Normalised with random "
        f"{reference['random']:g} and expert {reference['expert']:g}: {reference['source']}. *best* is the best "
        f"periodic evaluation over {_counts(r['best']['episodes'] for r in results)} episodes, picked with hindsight; "
        "these are other episodes than the last score's, which can lie above it. "
        "*minutes* of training on one thread, with another run beside it."
    )
    if about:
        parts[-1] += f" *published* is {about['numbers']}."
    if "game" in about:
        parts.append(
            f"The published numbers here are of **{about['game']}**, so of another game: they say how the methods rank "
            "there, not which scores to expect here."
        )
    return parts + [f"![{name}](figures/{name}.png)" for name in figures]


def _counts(episodes: Iterable[int]) -> str:
    return " or ".join(f"{count:,}" for count in sorted(set(episodes)))


def _rank(known: Collection[str], name: str) -> tuple[int, str]:
    """Sorts by the place among the known ones, the others after them by name; what was set does not count."""
    base = name.partition(",")[0]
    return (list(known).index(base) if base in known else len(known), name)


def _line(name: str) -> dict[str, Any]:
    """How an algorithm's line looks: dashed where settings are not the preset's."""
    base, changed, _ = name.partition(",")
    return {"color": COLOURS.get(base, OTHERS_COLOUR), "ls": "--" if changed else "-"}


def row(seeds: list[dict[str, Any]], published: list[float] | None, game: str) -> list[str]:
    """One line of the table: one algorithm on one dataset. `game`: what the published number is of, if not of this."""
    first = seeds[0]
    finals = [r["final"] for r in seeds]
    score = Score.of([f["mean"] for f in finals])
    if len(seeds) == 1:
        score = Score(finals[0]["mean"], finals[0]["std"], finals[0]["episodes"])
    reference = first["reference"]
    scale = 100 / (reference["expert"] - reference["random"])
    best = Score.of([r["best"]["mean"] for r in seeds]).mean
    return [
        first["quality"],
        f"{first['dataset']['return']:.1f}",
        first["label"],
        first["preset"],
        f"{first['settings']['iterations']:,}",
        str(len(seeds)),
        f"{score.mean:.1f}",
        f"{score.half_width:.1f}",
        f"**{scale * (score.mean - reference['random']):z.1f}**",
        f"{scale * (best - reference['random']):z.1f}",
        "" if published is None else _published(published, game),
        f"{sum(r['train_seconds'] for r in seeds) / len(seeds) / 60:.0f}",
    ]


def _published(numbers: list[float], game: str) -> str:
    shown = " ± ".join(f"{x:g}" for x in numbers)
    return f"{shown} ({game})" if game else shown


def draw(stem: str, env: str, found: Results, figures: Path) -> list[str]:
    """The curves, SPaCQL's weights w_k, and how much ensembles disagree. Returns the figures' names."""
    figures.mkdir(parents=True, exist_ok=True)
    qualities = sorted({quality for quality, _ in found}, key=lambda q: _rank(QUALITIES, q))
    budgets = {r["settings"]["iterations"] for (_, name), seeds in found.items() if name != "bc" for r in seeds}
    paint = partial(_curves, found, len(budgets) > 1)
    names = [_grid(f"{stem}-curves", env, qualities, figures, paint)]
    weighted = [quality for quality in qualities if (quality, "spacql") in found]
    if weighted:
        names.append(_grid(f"{stem}-weights", env, weighted, figures, lambda axes, q: _weights(axes, found, q)))
    doubted = [
        q for q in qualities if any(quality == q and _doubts(results) for (quality, _), results in found.items())
    ]
    if doubted:
        names.append(
            _grid(f"{stem}-disagreement", env, doubted, figures, lambda axes, q: _disagreement(axes, found, q))
        )
    return names


def _columns(labels: Collection[str], width: float) -> int:
    """How many columns of a legend fit into so many inches: a line and a gap, and a tenth of an inch a letter."""
    return max(1, min(len(labels), int(width / (0.5 + 0.1 * max(map(len, labels))))))


def _doubts(results: list[dict[str, Any]]) -> bool:
    """Whether these runs logged how much their ensemble disagrees at the target's joint actions."""
    return "critic/u" in results[0]["metrics"]


def _grid(name: str, env: str, qualities: list[str], folder: Path, paint: Any) -> str:
    """One panel per quality over a legend, saved as <name>.png."""
    width = PANEL * len(qualities)
    figure, panels = plt.subplots(1, len(qualities), squeeze=False, layout="constrained")
    for axes, quality in zip(panels[0], qualities, strict=True):
        axes.set_xlabel("iteration")
        paint(axes, quality)
        axes.set_title(f"{env}/{quality}", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    handles = {
        label: handle for axes in panels[0] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    columns = _columns(handles, width)
    figure.set_size_inches(width, 2.9 + 0.22 * math.ceil(len(handles) / columns))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False)
    figure.savefig(folder / f"{name}.png", dpi=110)
    plt.close(figure)
    return name


def _curves(found: Results, shares: bool, axes: Any, quality: str) -> None:
    """Return against iteration, or the share of each run's own; the interval of each evaluation over its episodes."""
    for algorithm in sorted({name for q, name in found if q == quality}, key=lambda name: _rank(COLOURS, name)):
        for result in found[quality, algorithm]:
            if algorithm == "bc":  # its iterations are not the others': the last score as a line
                axes.axhline(result["final"]["mean"], color=COLOURS["bc"], lw=1.2, label="bc")
                axes.axhline(result["dataset"]["return"], color="#999999", lw=1, ls=":", label="data")
                continue
            line = _line(algorithm)
            iteration, mean, std, episodes = map(list, zip(*result["curve"], strict=True))
            if shares:
                iteration = [100 * number / iteration[-1] for number in iteration]
            half = [Score(m, s, int(e)).half_width for m, s, e in zip(mean, std, episodes, strict=True)]
            low, high = ([m + sign * h for m, h in zip(mean, half, strict=True)] for sign in (-1, 1))
            axes.plot(iteration, mean, lw=1.4, label=algorithm, **line)
            axes.fill_between(iteration, low, high, color=line["color"], alpha=0.15, lw=0)
    axes.set_ylabel("return")
    if shares:
        axes.set_xlabel("% of its iterations")


def _weights(axes: Any, found: Results, quality: str) -> None:
    """SPaCQL's w_k of the first seed during training, as they are: the paper's Figure 3 stretches each to [0, 1]."""
    metrics = found[quality, "spacql"][0]["metrics"]
    weights = {k: metrics[f"critic/w/{k}"] for k in range(8) if f"critic/w/{k}" in metrics}
    for k, values in weights.items():
        colour = plt.get_cmap("viridis")(k / len(weights))
        axes.plot(metrics["iteration"], values, color=colour, lw=1.4, label=f"$w_{k + 1}$")
    axes.axhline(1 / len(weights), color="#999999", lw=1, ls=":", label=f"1/{len(weights)}")
    axes.set_ylabel("weight")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, WEIGHTS[0]), max(high, WEIGHTS[1]))


def _disagreement(axes: Any, found: Results, quality: str) -> None:
    """The ensemble's standard deviation at the target's joint actions, mean over a batch: the paper's Figure 2."""
    for algorithm in sorted({name for q, name in found if q == quality}, key=lambda name: _rank(COLOURS, name)):
        for result in found[quality, algorithm]:
            if _doubts([result]):
                metrics = result["metrics"]
                axes.plot(metrics["iteration"], metrics["critic/u"], lw=1.4, label=algorithm, **_line(algorithm))
    axes.set_ylabel("disagreement")
    axes.set_ylim(bottom=0)
