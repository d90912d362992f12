"""`make demo`: the default training command at a tenth of the published budget, and a check that it learned.

Exits 1 unless the final score over 1,000 episodes lies above the uniform random policy's with 95% confidence.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

from zoo_core import uniforms
from zoo_core.plugins import load_zoo

ENV, ALGORITHM, ITERATIONS, PUBLISHED = "mpe-cn", "spacql", 200, 2001
EPISODES = 1000
SEED_OF_RANDOM = 10_000_000
"""First episode seed of the random policy's episodes: apart from those of the evaluation."""


def main() -> int:
    command = ["zoo", "train", "--algo", ALGORITHM, "--env", ENV]
    print(
        f"Training with {ITERATIONS:,} of the published {PUBLISHED:,} iterations: a first look, not a result.\n"
        f"All of it: {' '.join(command)}\n",
        file=sys.stderr,
    )
    zoo = str(Path(sys.executable).with_name("zoo"))
    short = [zoo, *command[1:], "--iterations", str(ITERATIONS), "--final-episodes", str(EPISODES)]
    trained = subprocess.run(short, check=False)
    if trained.returncode:
        return trained.returncode
    # The same command on a finished run trains nothing: this time the score for the check below.
    finished = subprocess.run([*short, "--quiet", "--json"], stdout=subprocess.PIPE, text=True, check=True)
    run = json.loads(finished.stdout)["runs"][0]
    final = run["final"]
    chance = random_returns(EPISODES)
    gap = final["mean"] - chance.mean()
    error = math.hypot(final["std"] / math.sqrt(final["episodes"]), chance.std(ddof=1) / math.sqrt(EPISODES))
    print(
        f"\nAgainst uniform random actions ({chance.mean():.1f}): {gap:+.1f} ± {1.96 * error:.1f} (95%), "
        f"over {EPISODES:,} episodes each."
    )
    if gap <= 1.96 * error:
        print("The trained policy is not better than chance: something is wrong.", file=sys.stderr)
        return 1
    return 0


def random_returns(episodes: int) -> np.ndarray:
    """Team returns [episodes] of uniform random actions."""
    env = load_zoo().find("env", ENV).load()(episodes)
    seeds = np.arange(SEED_OF_RANDOM, SEED_OF_RANDOM + episodes)
    env.reset(seeds)
    returns = np.zeros(episodes)
    for t in range(env.team.episode_limit):
        action = 2 * uniforms(seeds, f"action {t}", (env.team.n, env.team.action_size)) - 1
        returns += env.step(action).reward.mean(-1)
    return returns


if __name__ == "__main__":
    sys.exit(main())
