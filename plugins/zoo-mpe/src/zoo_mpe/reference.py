"""The reference pair of an environment: what uniform actions return, and what the shipped expert returns without noise.

    python -m zoo_mpe.reference --env mpe-pp

plays 20,000 episodes of each. `scores.py` holds the result, rounded to a tenth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_core import derive, uniforms
from zoo_core.data import collect
from zoo_mpe.envs import CooperativeNavigation, ParticleEnv, PredatorPrey, World
from zoo_mpe.policies import shipped

ENVS: dict[str, Callable[[int], ParticleEnv]] = {
    "mpe-cn": CooperativeNavigation,
    "mpe-pp": PredatorPrey,
    "mpe-world": World,
}
EPISODES, COPIES = 20_000, 1000


def team_returns(env: ParticleEnv, act: Callable[[NDArray, NDArray[np.int64], int], NDArray], episodes: int) -> NDArray:
    """[episodes]: undiscounted team returns, in episodes of fixed seeds."""
    seeds = derive(0, env.team.env, "reference") % (1 << 62) + np.arange(episodes)
    groups = collect(env, lambda obs, _, s, t: act(obs, s, t), seeds, copies=env.num_envs)
    return np.concatenate([group["reward"].mean(axis=-1).sum(axis=-1) for group in groups])


def random_returns(name: str, episodes: int = EPISODES) -> NDArray:
    """Of uniform actions, independent over agents and steps."""
    env = ENVS[name](min(COPIES, episodes))
    shape = (env.team.n, env.team.action_size)
    return team_returns(env, lambda _, seeds, t: 2.0 * uniforms(seeds, f"random action {t}", shape) - 1.0, episodes)


def expert_returns(name: str, episodes: int = EPISODES) -> NDArray:
    """Of the shipped expert's deterministic policy."""
    policy = shipped(f"{name}-expert").policy()
    return team_returns(ENVS[name](min(COPIES, episodes)), lambda obs, _seeds, _t: policy(obs), episodes)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m zoo_mpe.reference", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", required=True, choices=sorted(ENVS))
    parser.add_argument("--episodes", type=int, default=EPISODES)
    options = parser.parse_args(arguments)
    for what, play in (("random", random_returns), ("expert", expert_returns)):
        returns = play(options.env, options.episodes)
        error = returns.std() / np.sqrt(len(returns))
        print(f"{what}  {returns.mean():8.2f} ± {error:.2f} (standard error; sd {returns.std():.1f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
