"""Makes the files that come with this package of a training run.

    python -m zoo_mamujoco.ship FOLDER --medium 520192 --expert 1159168

takes the snapshots nearest to these numbers of transitions from FOLDER, which `python -m zoo_mamujoco.train` wrote,
plays 20 episodes of both (--episodes says otherwise), and writes ENV-expert, ENV-medium and ENV-medium-replay: the
snapshots up to the medium one. Each file says what its last snapshot returned, and in how many episodes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from zoo_core import UsageError
from zoo_mamujoco.datasets import sampling
from zoo_mamujoco.files import write_whole
from zoo_mamujoco.policies import policies_of
from zoo_mamujoco.reference import returns_of

EPISODES = 20
MOST = 16
"""Snapshots in a replay; of more, every second, third, … is left out."""


def nearest(history: Sequence[Mapping[str, Any]], transitions: int) -> int:
    """Index of the snapshot nearest to this number of transitions."""
    return int(np.argmin([abs(entry["transitions"] - transitions) for entry in history]))


def replayed(medium: int) -> list[int]:
    """Indices of the replay's snapshots: from the first to the medium one at equal intervals, at most `MOST`."""
    step = -(-(medium + 1) // MOST)
    return list(range(medium % step, medium + 1, step))


def ship(folder: Path, medium: int, expert: int, out: Path, episodes: int = EPISODES) -> None:
    """Raises `UsageError` if `folder` holds no run."""
    try:
        about = json.loads((folder / "history.json").read_text())
        tensors = load_file(folder / "snapshots.safetensors")
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} holds no training run: {error}. Make one with python -m zoo_mamujoco.train"
        ) from error
    history = about.pop("history")
    sees = np.array(about.pop("sees"), dtype=np.int64)
    chosen = {"medium": [nearest(history, medium)], "expert": [nearest(history, expert)]}
    chosen["medium-replay"] = replayed(chosen["medium"][0])
    for quality, indices in chosen.items():
        picked: dict[str, NDArray] = {name: tensor[indices] for name, tensor in tensors.items()} | {"sees": sees}
        returns = returns_of(about["env"], sampling(policies_of(picked)[-1]), episodes)
        described = about | {
            "transitions": history[indices[-1]]["transitions"],
            "snapshots": [history[index] for index in indices],
            "return_mean": float(returns.mean()),
            "return_sd": float(returns.std()),
            "return_episodes": episodes,
        }
        out.mkdir(parents=True, exist_ok=True)
        name = f"{about['env']}-{quality}"
        write_whole(out / f"{name}.safetensors", save(picked, metadata={"about": json.dumps(described)}))
        if quality != "medium-replay":
            written = described if quality == "medium" else described | {"history": history}
            write_whole(out / f"{name}.json", (json.dumps(written, indent=1) + "\n").encode())
        print(f"{name}: {described['transitions']:,} transitions, returns {returns.mean():.1f} ± {returns.std():.1f}")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of episodes: 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m zoo_mamujoco.ship", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--medium", type=int, required=True, metavar="TRANSITIONS")
    parser.add_argument("--expert", type=int, required=True, metavar="TRANSITIONS")
    parser.add_argument("--out", type=Path, default=Path("policies"))
    parser.add_argument("--episodes", type=_positive, default=EPISODES, help="of each policy (default: %(default)s)")
    options = parser.parse_args(arguments)
    ship(options.folder, options.medium, options.expert, options.out, options.episodes)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
