"""`zoo data`: list, build, collect, import, export, inspect and verify datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo_cli.tables import show_heading, show_json, show_table

if TYPE_CHECKING:
    from zoo_core.data import Dataset

FORMATS = ("npy", "omiga", "comadice", "minari")
"""The names of `zoo_core.data.importers.IMPORTERS`, written out so that `--help` imports nothing heavy."""

_seed = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Which of a built-in dataset's seeds."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_force = click.option("--force", is_flag=True, help="Replace what is there.")


@click.group(epilog="\b\nExamples:\n  zoo data list\n  zoo data build mpe-cn/expert\n  zoo data inspect mpe-cn/expert")
def data() -> None:
    """List, build, collect, import, export, inspect and verify datasets.

    Datasets lie in $ZOO_DATA, or in `data` inside $ZOO_CACHE.
    """


@data.command("list", epilog="\b\nExamples:\n  zoo data list\n  zoo data list --json")
@_json
def list_datasets(as_json: bool) -> None:
    """Show what lies on this machine and what can be built."""
    from zoo_cli.dataset_cards import stored_row
    from zoo_core.data.catalogue import built_folder, stored_datasets
    from zoo_core.paths import data_home
    from zoo_core.plugins import load_zoo

    stored = [stored_row(folder) for folder in stored_datasets()]
    folders = {row["folder"] for row in stored}
    buildable = [offer for offer in load_zoo().datasets if str(built_folder(offer.entry)) not in folders]
    if as_json:
        unbuilt = [{"name": o.name, "transitions": o.entry.transitions, "summary": o.entry.summary} for o in buildable]
        show_json({"folder": str(data_home()), "stored": stored, "buildable": unbuilt})
        return
    if stored:
        show_heading(f"In {data_home()}")
        columns = ("name", "from", "transitions", "episodes", "return", "size")
        show_table(columns, [_stored_cells(row) for row in stored])
    if buildable:
        show_heading("\nCan be built (zoo data build NAME)")
        rows = [(o.name, f"{o.entry.transitions:,}", o.entry.summary) for o in buildable]
        show_table(("name", "transitions", "what it is"), rows)
    if not stored and not buildable:
        click.echo("No datasets here, and no installed plugin offers any; zoo list --available shows what could be.")


@data.command(
    epilog="\b\nExamples:\n  zoo data build mpe-cn/expert\n  zoo data build mpe-cn/random --seed 1 --transitions 5000"
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_seed
@click.option("--transitions", type=click.IntRange(min=1), help="A size other than the published one.")
@_force
def build(names: tuple[str, ...], seed: int, transitions: int | None, force: bool) -> None:
    """Build datasets from their recipes; nothing is downloaded.

    Equal seeds give equal bits on one machine and version set. A dataset that is there already stays as it is.
    """
    from zoo_cli.dataset_progress import progress_bar
    from zoo_core.data import ensure

    for name in names:
        with progress_bar(f"building {name}", "transitions") as progress:
            dataset = ensure(name, seed=seed, transitions=transitions, progress=progress, waiting=_say, replace=force)
        _show_result(dataset)


@data.command(
    epilog="\b\nExamples:\n"
    "  zoo data collect --env pettingzoo:mpe2.simple_spread_v3 --policy random --name spread/random\n"
    "  zoo data collect --policy runs/mpe-cn/expert/bc/seed0-1a2b3c4d --noise 0.2 --episodes 1000 --name cn/cloned"
)
@click.option("--env", default="", help="Where to act; may be left out with a run: where it was trained.")
@click.option(
    "--policy", default="random", show_default=True, metavar="random|RUN", help="Uniform actions, or a run's policy."
)
@click.option("--name", required=True, help="What the dataset will be called, for --dataset.")
@click.option("--transitions", type=click.IntRange(min=1), help="How many, whole episodes.  [default: 50000]")
@click.option("--episodes", type=click.IntRange(min=1), help="How many episodes, instead of transitions.")
@click.option(
    "--noise", type=click.FloatRange(min=0), default=0.0, show_default=True,
    help="Of a run's policy: deviation in halves of an action's range, clipped; discrete: probability of a random one.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the episodes and the noise.")
@_force
def collect(episodes: int | None, force: bool, **options: Any) -> None:
    """Roll a policy out in an environment and keep what it does.

    Equal seeds give equal bits on one machine and version set. The card says what acted, with which weights and noise.
    Train on it with `zoo train --algo ALGORITHM --dataset NAME`.
    """
    from zoo_cli.dataset_progress import progress_bar
    from zoo_core.data import collect_dataset

    name = options.pop("name")
    with progress_bar(f"collecting {name}", "episodes" if episodes else "transitions") as progress:
        dataset = collect_dataset(name, episodes=episodes, progress=progress, waiting=_say, replace=force, **options)
    _show_result(dataset)


@data.command(
    "import",
    epilog="\b\nExamples:\n  zoo data import simple_spread/expert/seed_0_data --env mpe-cn --name cn/expert-s0"
    "\n  zoo data import HalfCheetah-v2-6x1-expert.hdf5 --env mamujoco-halfcheetah-6x1 --name cheetah/expert"
    "\n  zoo data import Hopper-v2-3x1-medium.npz --env mamujoco-hopper-3x1 --name hopper/medium"
    "\n  zoo data import mujoco/halfcheetah/expert-v0 --name halfcheetah/expert",
)
@click.argument("source")
@click.option("--name", required=True, help="What the dataset will be called, here and for --dataset.")
@click.option("--format", "format_name", type=click.Choice(FORMATS), help="By default told from the content.")
@click.option("--env", default="", help="The environment it is from; its team and episode length then hold.")
@click.option("--infer-team", is_flag=True, help="Take the team from the files: the environment need not be installed.")
@click.option("--agents", type=click.IntRange(min=1), help="Only the first so many of the files' agents learn.")
@click.option("--episode-length", type=click.IntRange(min=1), help="Steps after which the source cut its episodes.")
@click.option(
    "--timeouts-are-terminal", is_flag=True, help="Episodes cut at that length terminated, were not truncated."
)
@click.option(
    "--action-bound", type=click.FloatRange(min=0, min_open=True), help="Bounds (-B, B) for a source that states none."
)
@click.option(
    "--action-scale", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
    help="Multiply stored actions by it, before they are clipped to their bounds.",
)  # fmt: skip
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=1e-3, show_default=True,
    help="Largest difference allowed between a stored next observation and the following row.",
)  # fmt: skip
@click.option("--quality", default="", help="Of the data, to compare it with what was published.  [default: by path]")
@_force
def import_command(source: str, name: str, format_name: str | None, force: bool, **options: Any) -> None:
    """Import the dataset in SOURCE. What its files do not say is worked out, shown and written to the card: check it.

    \b
    npy       a folder of obs_0.npy, acs_0.npy, … as OMAR and CFCQL publish (one of the seed_0_data, seed_1_data, …)
    omiga     an .hdf5 file of the arrays s, o, a, r, d as OMIGA publishes
    comadice  an .npz file of obs, actions, actives, … as ComaDICE publishes
    minari    a local Minari dataset, by its id

    Nothing is ever unpickled. If anything is wrong with the source, nothing is left behind.
    """
    from zoo_cli.dataset_cards import show_findings
    from zoo_cli.dataset_progress import progress_bar, stopped_by_sigterm
    from zoo_core.data import ImportOptions, import_dataset

    with stopped_by_sigterm(), progress_bar(f"importing {name}", "transitions") as progress:
        dataset = import_dataset(
            source, name, ImportOptions(**options), format_name=format_name or "", replace=force, progress=progress
        )
    show_findings(dataset.card)
    _show_result(dataset)


@data.command(epilog="\b\nExamples:\n  zoo data export mpe-cn/expert --to minari --id mpe-cn/expert-v0 --episodes 1000")
@click.argument("name")
@click.option("--to", "format_name", required=True, type=click.Choice(["minari"]), help="The format to write.")
@click.option("--id", "dataset_id", help="The Minari id; default: the dataset's name with -v0.")
@click.option("--episodes", type=click.IntRange(min=1), help="Only the first so many (about 10 ms each).")
@_seed
@_force
def export(name: str, format_name: str, dataset_id: str | None, episodes: int | None, seed: int, force: bool) -> None:
    """Write dataset NAME in a format that other libraries read."""
    from zoo_cli.dataset_progress import progress_bar
    from zoo_core.data import export_minari

    dataset = _open(name, seed)
    target = dataset_id or f"{dataset.name}-v0"
    with progress_bar(f"exporting {target} to {format_name}", "episodes") as progress:
        folder = export_minari(dataset, target, episodes=episodes, replace=force, progress=progress)
    click.echo(f"minari:{target}  {folder}")


@data.command(epilog="\b\nExamples:\n  zoo data inspect mpe-cn/expert\n  zoo data inspect ./my-dataset --json")
@click.argument("name")
@_seed
@_json
def inspect(name: str, seed: int, as_json: bool) -> None:
    """Show the card of dataset NAME, how its returns are distributed and how correlated its agents act.

    The correlation is measured the first time, in some ten seconds, and kept beside the dataset.
    """
    from zoo_cli.dataset_cards import histogram, show_card

    dataset = _open(name, seed)
    counts, edges = histogram(dataset.returns().numpy())
    if as_json:
        more = {"return_histogram": {"counts": counts, "edges": edges}, "action_correlation": _correlation(dataset)}
        show_json({**dataset.card.as_json(), "folder": str(dataset.folder), **more})
    else:
        show_card(dataset, counts, edges)


@data.command(
    epilog="\b\nExamples:\n  zoo data correlation mpe-cn/expert mpe-cn/random\n  zoo data correlation ./my-set"
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_seed
@_json
def correlation(names: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Show how far agents' actions depend on one another given the state, a line for each dataset NAME.

    \b
    gain       nats per agent and step that the others' actions add to the prediction of an agent's own, on
               held-out episodes, with a 95% interval; about 0 where behaviour is factorised
    canonical  largest canonical correlation of what is left of the actions once the state is accounted for
    """
    from zoo_cli.dataset_cards import correlation_cells

    rows = []
    for name in names:
        dataset = _open(name, seed)
        rows.append((dataset.name, dataset.action_correlation()))
    if as_json:
        show_json({name: found and found.as_json() for name, found in rows})
    else:
        show_table(("name", "gain", "canonical", "episodes held out"), [correlation_cells(*row) for row in rows])


@data.command(epilog="\b\nExamples:\n  zoo data verify mpe-cn/expert\n  zoo data verify")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@_seed
@_json
@click.pass_context
def verify(ctx: click.Context, names: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Hash every array of the datasets named, or of all that lie here, and check their content.

    Exits with 1 if any is damaged.
    """
    from zoo_core.data import Dataset
    from zoo_core.data.catalogue import find_folder, stored_datasets
    from zoo_core.errors import DatasetError

    folders = [find_folder(name, seed=seed) for name in names] if names else list(stored_datasets())
    results = []
    for folder in folders:
        try:
            opened = Dataset.open(folder, verify=True)
            results.append({"folder": str(folder), "name": opened.name, "hash": opened.hash, "ok": True})
        except DatasetError as error:
            results.append({"folder": str(folder), "ok": False, "reason": str(error)})
    if as_json:
        show_json(results)
    for result in [] if as_json else results:
        if result["ok"]:
            state = click.style("ok", fg="green")
            click.echo(f"{state}       {result['name']}  {str(result['hash'])[:16]}  {result['folder']}")
        else:
            click.echo(f"{click.style('damaged', fg='red')}  {result['reason']}")
    if not folders:
        _say("no datasets here")
    ctx.exit(0 if all(result["ok"] for result in results) else 1)


@data.command(epilog="\b\nExamples:\n  zoo data path mpe-cn/expert\n  zoo data path")
@click.argument("name", required=False)
@_seed
def path(name: str | None, seed: int) -> None:
    """Print the folder of dataset NAME, or the one that holds all datasets."""
    if name is None:
        from zoo_core.paths import data_home

        click.echo(data_home())
        return
    from zoo_core.data.catalogue import find_folder

    click.echo(find_folder(name, seed=seed))


def _open(name: str, seed: int) -> Dataset:
    from zoo_core.data import open_dataset, resolve_dataset
    from zoo_core.data.catalogue import MINARI_PREFIX

    if name.startswith(MINARI_PREFIX):
        from zoo_cli.dataset_progress import progress_bar

        with progress_bar(f"converting {name}", "transitions") as progress:
            return resolve_dataset(name, progress=progress, waiting=_say)
    return open_dataset(name, seed=seed)


def _correlation(dataset: Dataset) -> dict[str, Any] | None:
    found = dataset.action_correlation()
    return None if found is None else found.as_json()


def _stored_cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "unreadable" in row:
        return (row["name"], "unreadable", "", "", row["unreadable"], "")
    returns = f"{row['return_mean']:.1f} ± {row['return_std']:.1f}"
    size = f"{row['bytes'] / 1e6:,.0f} MB"
    return (row["dataset"], row["from"], f"{row['transitions']:,}", f"{row['episodes']:,}", returns, size)


def _show_result(dataset: Dataset) -> None:
    card = dataset.card
    click.echo(
        f"{card.name}  {card.transitions:,} transitions in {card.episodes:,} episodes, return "
        f"{card.returns['mean']:.1f} ± {card.returns['std']:.1f}, hash {card.hash[:16]}\n{Path(dataset.folder)}"
    )


def _say(message: str) -> None:
    click.echo(message, err=True)
