"""`zoo render`: draw a trained policy acting."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from zoo_core.errors import UsageError


@click.command(
    "render",
    epilog="\b\nExamples:\n"
    "  zoo render runs/mpe-cn/expert/bc/seed0-1a2b3c4d\n"
    "  zoo render runs/mpe-cn/expert/bc/seed0-1a2b3c4d --out policy.mp4 --episodes 5\n"
    "  zoo render runs/mamujoco-hopper-3x1/expert/bc/seed0-1a2b3c4d --steps 1000 --every 5",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="GIF or MP4.  [default: RUN/policy.gif]")
@click.option(
    "--episodes",
    type=click.IntRange(min=1, max=100),
    help="How many.  [default: 3, or 1 if they may be longer than 200 steps]",
)
@click.option("--steps", type=click.IntRange(min=1), help="Draw at most so many steps of each episode.  [default: 200]")
@click.option("--every", type=click.IntRange(min=1), help="Draw only every N-th step.  [default: 1]", metavar="N")
@click.option(
    "--fps",
    type=click.IntRange(min=1, max=60),
    help="Pictures per second.  [default: 10, or 20 if episodes may be longer than 200 steps]",
)
def render(
    run: Path, out: Path | None, episodes: int | None, steps: int | None, every: int | None, fps: int | None
) -> None:
    """Draw a trained policy acting.

    RUN is a run folder, or a folder that holds just one. The episodes are the first of its final score; of long ones
    the beginning is drawn unless --steps says more. Needs no screen.
    """
    if out is not None:
        _require_writer(out)
    import torch

    from zoo_cli.animation import animation
    from zoo_cli.dataset_progress import progress_bar, stopped_by_sigterm
    from zoo_cli.frames import Footage, episode_pictures
    from zoo_core.evaluation import FINAL_FIRST_SEED
    from zoo_core.plugins import load_zoo
    from zoo_core.training import find_runs, load_policy

    found = find_runs(run)
    if len(found) > 1:
        shown = ", ".join(str(folder.path) for folder in found[:3])
        raise UsageError(f"{run} holds {len(found)} runs: name one of them, such as {shown}")
    folder = found[0].path
    target = out or folder / "policy.gif"
    torch.set_num_threads(1)
    policy = load_policy(folder, load_zoo(), lambda text: click.echo(f"warning: {text}", err=True))
    env = policy.env.load()(1)
    footage = Footage.of(env.team.episode_limit, episodes, steps, every, fps)
    total, pictures, cut = footage.episodes * footage.steps, 0, 0
    with (
        stopped_by_sigterm(),
        progress_bar(f"drawing {target.name}", "steps") as progress,
        animation(target, footage.fps) as add,
    ):
        for episode in range(footage.episodes):
            seed, step = FINAL_FIRST_SEED + episode, 0
            for step, picture in episode_pictures(policy.algorithm, env, seed, footage.steps, footage.every):
                add(picture)
                pictures += 1
                progress(episode * footage.steps + step, total)
            for _ in range(footage.fps // 2):  # so that an ending can be seen
                add(picture)
            cut += footage.cut and step == footage.steps
            progress((episode + 1) * footage.steps, total)
    what = f"{footage.episodes} episode{'s' if footage.episodes > 1 else ''}"
    click.echo(f"{target}: {what}, {pictures} pictures, {target.stat().st_size / 1e6:.1f} MB")
    if cut and steps is None:
        whole = f"--steps {footage.limit} --every {-(-footage.limit // footage.steps)}"
        click.echo(f"only the first {footage.steps} steps of each; whole episodes with {whole}", err=True)


def _require_writer(target: Path) -> None:
    """Raise `UsageError` for a kind of file that cannot be written here, before anything is computed."""
    if target.suffix == ".gif":
        return
    if target.suffix != ".mp4":
        raise UsageError(f"--out {target}: the file must end in .gif or .mp4")
    if find_spec("imageio_ffmpeg") is None:
        raise UsageError(
            f"--out {target}: MP4 needs FFmpeg (pip install imageio-ffmpeg); or give a name that ends in .gif"
        )
