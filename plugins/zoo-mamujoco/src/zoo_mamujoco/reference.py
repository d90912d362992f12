"""What a reference pair is measured by: uniform actions, and the shipped expert, by its mean action and as it acts in
its data.

    python -m zoo_mamujoco.reference --env mamujoco-halfcheetah-6x1

plays 1,000 episodes of each. `scores.py` holds the results that were chosen, rounded to a tenth, and says how many
episodes they are of.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo_core import derive
from zoo_core.data import collect
from zoo_mamujoco.datasets import Act, behaviour, dealt, sampling, uniform
from zoo_mamujoco.envs import MultiAgentMujoco
from zoo_mamujoco.plugin import ENVS

MAKE = {entry.name: entry.load for entry in ENVS}
EPISODES, COPIES = 1000, 20


def returns_of(name: str, act: Act, episodes: int) -> NDArray[np.float64]:
    """[episodes]: undiscounted team returns, in episodes of fixed seeds."""
    env = MAKE[name]()(min(COPIES, episodes))
    assert isinstance(env, MultiAgentMujoco)
    seeds = derive(0, name, "reference") % (1 << 62) + np.arange(episodes)
    groups = collect(env, dealt(env, act), seeds)
    return np.concatenate([_totals(group["reward"], group["lengths"]) for group in groups])


def _totals(reward: NDArray, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """[E, T, n], of which each episode's own steps count."""
    own = np.arange(reward.shape[1]) < lengths[:, None]
    totals: NDArray[np.float64] = (reward.mean(axis=-1) * own).sum(axis=1)
    return totals


def random_returns(name: str, episodes: int = EPISODES) -> NDArray[np.float64]:
    """Of uniform actions, independent over agents and steps."""
    return returns_of(name, uniform, episodes)


def expert_returns(name: str, episodes: int = EPISODES) -> NDArray[np.float64]:
    """Of the shipped expert's mean action."""
    policy = behaviour(name, "expert").policies[0]
    return returns_of(name, lambda env, _seeds, _t: policy.mean(env.full_observation()), episodes)


def sampled_returns(name: str, episodes: int = EPISODES) -> NDArray[np.float64]:
    """Of the shipped expert as it acts in its data, its actions sampled."""
    return returns_of(name, sampling(behaviour(name, "expert").policies[0]), episodes)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m zoo_mamujoco.reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--env", required=True, choices=sorted(MAKE))
    parser.add_argument("--episodes", type=int, default=EPISODES)
    options = parser.parse_args(arguments)
    for what, play in (("random", random_returns), ("expert", expert_returns), ("sampled", sampled_returns)):
        returns = play(options.env, options.episodes)
        error = returns.std() / np.sqrt(len(returns))
        print(f"{what:7}  {returns.mean():8.2f} ± {error:.2f} (standard error; sd {returns.std():.1f})", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
