"""`python -m harbour`: the reference returns of `barge`, of uniform actions and of the scripted pilot."""

import numpy as np

from harbour.barge import Barge, pilot
from zoo_core import uniforms

EPISODES = 10_000


def mean_return(policy, episodes=EPISODES):
    """Mean undiscounted return over episodes of seeds 0, 1, …, and its standard error."""
    seeds = np.arange(episodes)
    env = Barge(episodes)
    shown, total = env.reset(seeds), np.zeros(episodes)
    for t in range(env.team.episode_limit):
        shown = env.step(policy(shown.obs, seeds, t))
        total += shown.reward.mean(1)
    return total.mean(), total.std() / episodes**0.5, shown.terminated.mean()


def uniform(obs, seeds, t):
    return 2.0 * uniforms(seeds, f"random {t}", (2, 2)) - 1.0


def expert(obs, seeds, t):
    return pilot(obs)


if __name__ == "__main__":
    for name, policy in (("uniform actions", uniform), ("scripted pilot", expert)):
        mean, error, docked = mean_return(policy)
        print(f"{name}: {mean:.2f} ± {error:.2f} over {EPISODES:,} episodes, docked in {docked:.1%}")
