"""`zoo train`: train an algorithm on a dataset and score it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo_cli.tables import show_json, show_table
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from zoo_core.training import TrainRequest, TrainResult

AT_LEAST_ONE = click.IntRange(min=1)


class SeedCount(click.IntRange):
    """How many seeds; a list of them is answered with what to type."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and "," in value:
            self.fail(f"{value!r} is a list: --seeds 2 trains seeds 0 and 1, --seed 1 that one alone.", param, ctx)
        return super().convert(value, param, ctx)


@click.command(
    "train",
    epilog="\b\nExamples:\n"
    "  zoo train --algo spacql --env mpe-cn\n"
    "  zoo train --algo bc --env mpe-cn --quality expert --seeds 5 --jobs 2\n"
    "  zoo train --algo spacql --env mpe-cn --set lr=0.001 --iterations 200\n\n"
    "The same command on an unfinished run resumes it.",
)
@click.option("--algo", required=True, help="The algorithm (see `zoo list algos`).")
@click.option("--env", default="", help="The environment; may be left out if --dataset says it.")
@click.option(
    "--quality", default="",
    help="Quality of the environment's built-in dataset; beside --dataset, whose settings hold.  [default: the env's]",
)  # fmt: skip
@click.option("--dataset", default="", help="A dataset's name, a folder, or minari:<id>.")
@click.option("--preset", default=None, help="Settings as published, or the zoo's: published or zoo.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Change a setting; may be repeated.")
@click.option(
    "--config", "config_file", default="", metavar="FILE",
    help="A YAML file of `setting: value` lines; `mixer: NAME` may be one.",
)  # fmt: skip
@click.option("--mixer", default="", help="For algorithms that take one.  [default: the algorithm's]")
@click.option("--iterations", type=AT_LEAST_ONE, default=None, help="The budget.  [default: the algorithm's]")
@click.option("--seeds", type=SeedCount(min=1), default=None, help="Train this many seeds: 0, 1, …")
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Train this one seed.  [default: 0]")
@click.option("--jobs", type=AT_LEAST_ONE, default=1, show_default=True, help="Seeds side by side.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--compile", "compiled", type=click.Choice(["auto", "on", "off"]), default="auto", show_default=True,
    help="Compile the losses; auto: where a compiler is found and the run is long enough.",
)  # fmt: skip
@click.option("--threads", type=AT_LEAST_ONE, default=None, help="Threads per run.  [default: 1]")
@click.option(
    "--precision", type=click.Choice(["high", "medium"]), default=None,
    help="medium lets the processor multiply in bfloat16.  [default: high]",
)  # fmt: skip
@click.option("--out", default="runs", show_default=True, metavar="FOLDER", help="Where all runs lie.")
@click.option("--again", is_flag=True, help="Start another run although there is one of these settings.")
@click.option("--allow-changed", is_flag=True, help="Resume although versions, code or the way to compute changed.")
@click.option("--eval-every", type=AT_LEAST_ONE, default=None, help="Iterations between evaluations.  [default: 5%]")
@click.option("--eval-episodes", type=AT_LEAST_ONE, default=100, show_default=True)
@click.option("--final-episodes", type=AT_LEAST_ONE, default=1000, show_default=True)
@click.option("--checkpoint-every", type=AT_LEAST_ONE, default=None, help="In iterations.  [default: every minute]")
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard logs into the run folder.")
@click.option("--quiet", is_flag=True, help="No progress, only warnings and the result.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    seeds: int | None, seed: int | None, assignments: Sequence[str], quiet: bool, as_json: bool, **given: Any
) -> int:
    """Train an algorithm on a dataset and score it.

    Builds the dataset if it is missing, shows progress, evaluates the policy on the way, and prints its score beside
    behaviour cloning's and the data's own. Everything about a run lies in its folder below --out.
    """
    if seeds is not None and seed is not None:
        raise UsageError("give --seeds N (for 0 to N-1) or --seed K, not both")
    from zoo_cli.progress import make_view
    from zoo_core.config import parse_assignments
    from zoo_core.training import TrainRequest, train

    given["compile"] = given.pop("compiled")
    request = TrainRequest(
        settings=parse_assignments(assignments),
        seeds=tuple(range(seeds)) if seeds is not None else (seed or 0,),
        **given,
    )
    with make_view(quiet=quiet) as view:
        result = train(request, observer=view)
    picture = _picture(result) if len(result.runs) > 1 else None
    if as_json:
        show_json(_as_json(result, picture))
    else:
        _show(result, request, picture)
    return result.exit_code


def _show(result: TrainResult, request: TrainRequest, picture: Path | None) -> None:
    """The table, the score line and where everything lies."""
    from zoo_core.training.summary import Subject, as_text, score_line, summarise

    if result.runs:
        rows = summarise(result)
        click.echo()
        show_table(("", "return", "normalised", "over"), as_text(rows))
        if result.plan.reference is not None:
            click.echo(f"  reference: {result.plan.reference.source}")
        seeds = [run.seed for run in result.runs]
        click.echo(f"\n{score_line(Subject.of_plan(result.plan), rows[0], seeds)}")
        for run in result.runs:
            click.echo(f"run:   {run.folder}{' (was already finished; --again starts another)' if run.already else ''}")
        click.echo(f"curve: {picture or result.runs[0].folder / 'curve.png'}")
    if result.failures:
        failed = ", ".join(str(failure.seed) for failure in result.failures)
        click.echo(f"failed seeds: {failed} (of {len(request.seeds)}); the same command tries them again", err=True)


def _picture(result: TrainResult) -> Path | None:
    """One curve for all seeds, beside their folders."""
    from zoo_core.training.curve import draw_curve
    from zoo_core.training.folder import run_id

    plan = result.plan
    path = plan.parent / f"curve-{run_id(plan.identity())}.png"
    title = f"{plan.algorithm.name} on {plan.dataset.name}"
    evaluations = [run.evaluations for run in result.runs]
    problem = draw_curve(path, title, evaluations, dataset_return=plan.dataset.card.returns["mean"])
    return None if problem else path


def _as_json(result: TrainResult, picture: Path | None) -> dict[str, Any]:
    from zoo_core.training.summary import summarise

    reference = result.plan.reference

    def final(run: Any) -> Any:
        found = run.evaluations.final
        return found.as_json(reference) if found else None

    return {
        "algorithm": result.plan.algorithm.name,
        "env": result.plan.env.name,
        "dataset": result.plan.dataset.name,
        "preset": result.plan.resolved.preset,
        "runs": [
            {
                "seed": run.seed,
                "folder": str(run.folder),
                "already_finished": run.already,
                "curve": str(run.folder / "curve.png"),
                "final": final(run),
            }
            for run in result.runs
        ],
        "failures": [{"seed": f.seed, "message": f.message} for f in result.failures],
        "summary": [row.as_json() for row in summarise(result)],
        "curve": str(picture) if picture else None,
    }
