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
    "  zoo render runs/mpe-cn/expert/bc/seed0-1a2b3c4d --out policy.mp4 --episodes 5",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="GIF or MP4.  [default: RUN/policy.gif]")
@click.option("--episodes", type=click.IntRange(min=1, max=100), default=3, show_default=True)
@click.option("--fps", type=click.IntRange(min=1, max=60), default=10, show_default=True, help="Frames per second.")
def render(run: Path, out: Path | None, episodes: int, fps: int) -> None:
    """Draw a trained policy acting.

    RUN is a run folder, or a folder that holds just one. The episodes are the first of its final score. Needs no
    screen.
    """
    if out is not None:
        _require_writer(out)
    import imageio.v3 as imageio
    import torch

    from zoo_cli.frames import episode_frames
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
    frames = []
    for episode in range(episodes):
        frames += episode_frames(policy.algorithm, policy.env, FINAL_FIRST_SEED + episode, hold=fps // 2)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.stem}.partial{target.suffix}")
    try:
        if target.suffix == ".gif":
            imageio.imwrite(partial, frames, duration=1000 / fps, loop=0)
        else:
            imageio.imwrite(partial, frames, fps=fps, macro_block_size=1)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    click.echo(f"{target}: {episodes} episodes, {len(frames)} frames")


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
