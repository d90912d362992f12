"""Agent-steps per second of the particle world, one core, resets included.

    python plugins/zoo-mpe/benchmarks/env_speed.py [--copies 1 32 256 1024] [--seconds 1.0] [--json]

Time is the process's own CPU time. Actions are uniform, drawn beforehand; the scripted prey's time is part of the step.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from zoo_core import uniforms
from zoo_mpe.envs import CooperativeNavigation, ParticleEnv, PredatorPrey, World

GAMES = {"mpe-cn": CooperativeNavigation, "mpe-pp": PredatorPrey, "mpe-world": World}


def measure(env: ParticleEnv, seconds: float) -> float:
    """Learners' steps per CPU second, over whole episodes, after one to warm up."""
    actions = 2.0 * uniforms(range(env.num_envs), "speed", (env.team.episode_limit, env.team.n, 2)) - 1.0
    actions = np.ascontiguousarray(actions.transpose(1, 0, 2, 3))
    _episode(env, actions, 0)
    start, batches = time.process_time(), 0
    while time.process_time() - start < seconds:
        batches += 1
        _episode(env, actions, batches)
    steps = batches * len(actions) * env.num_envs * env.team.n
    return steps / (time.process_time() - start)


def _episode(env: ParticleEnv, actions: np.ndarray, batch: int) -> None:
    env.reset(np.arange(env.num_envs) + batch * env.num_envs)
    for action in actions:
        env.step(action)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, nargs="+", default=[1, 32, 256, 1024])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    rates = {
        name: {copies: round(measure(make(copies), options.seconds)) for copies in options.copies}
        for name, make in GAMES.items()
    }
    if options.json:
        print(json.dumps({"unit": "agent-steps per CPU second", "rates": rates}))
        return
    print("agent-steps/s" + "".join(f"{copies:>12} copies" for copies in options.copies))
    for name, row in rates.items():
        print(f"{name:<13}" + "".join(f"{rate:>19,}" for rate in row.values()))


if __name__ == "__main__":
    main()
