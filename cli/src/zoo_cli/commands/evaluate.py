"""`zoo evaluate`: score a trained policy again."""

from __future__ import annotations

from pathlib import Path

import click

from zoo_cli.tables import show_json, show_table


@click.command(
    "evaluate",
    epilog="\b\nExamples:\n"
    "  zoo evaluate runs/mpe-cn/expert/bc/seed0-1a2b3c4d --episodes 5000\n"
    "  zoo evaluate runs/mpe-cn/expert --json",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--episodes", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option(
    "--seed-offset", type=click.IntRange(min=0), default=0, show_default=True,
    help="Start this many seeds after the first of the final score, for other episodes.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one item per run.")
def evaluate(run: Path, episodes: int, seed_offset: int, as_json: bool) -> None:
    """Score a trained policy again.

    RUN is a run folder, or a folder with runs below it. The score is the undiscounted return of the deterministic
    policy of the newest checkpoint, with a 95% interval over episodes. Nothing in the run folder changes.
    """
    import torch

    from zoo_core.evaluation import FINAL_FIRST_SEED, Evaluator
    from zoo_core.plugins import load_zoo
    from zoo_core.training import Score, find_runs, load_policy
    from zoo_core.training.checkpoints import latest_iteration

    torch.set_num_threads(1)
    zoo, results, folders = load_zoo(), [], find_runs(run)
    scored = [folder for folder in folders if latest_iteration(folder.checkpoints) is not None]
    for folder in folders if scored else ():
        if folder not in scored:
            click.echo(f"warning: {folder.path} is left out: it has no checkpoint yet", err=True)
    for folder in scored or folders[:1]:  # of several runs without one, the first says so
        policy = load_policy(folder.path, zoo, lambda text: click.echo(f"warning: {text}", err=True))
        first = FINAL_FIRST_SEED + seed_offset
        score = Score.of(Evaluator(policy.env).returns(policy.algorithm, episodes, first).tolist())
        reference = policy.env.reference or policy.algorithm.team.reference
        normalised = reference.normalise(score.mean) if reference else None
        results.append(
            {
                "run": str(folder.path),
                "algorithm": policy.config["algorithm"],
                "dataset": policy.config["dataset"]["name"],
                "seed": policy.config["seed"],
                "iteration": policy.iteration,
                **score.as_json(),
                "first_seed": first,
                "normalised": normalised,
            }
        )
        click.echo(f"{folder.path}: {score.mean:.2f}", err=True)
    if as_json:
        show_json(results)
        return
    rows = [
        (
            r["algorithm"], r["dataset"], r["seed"], f"{r['iteration']:,}",
            f"{r['mean']:.2f} ± {(r['high'] - r['low']) / 2:.2f}",
            "" if r["normalised"] is None else f"{r['normalised']:.1f}",
        )
        for r in results
    ]  # fmt: skip
    show_table(("algorithm", "dataset", "seed", "iteration", "return", "normalised"), rows)
    click.echo(f"\n95% intervals over {episodes:,} episodes each")
