"""Episodes recorded from the benchmark's own environment, reproduced. Skipped where the recordings are absent.

They lie in the folder that ZOO_FIXTURES names, or in `shared/fixtures` beside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from zoo_mpe.envs import CooperativeNavigation, PredatorPrey, World

REPOSITORY = Path(__file__).resolve().parents[3]
FIXTURES = Path(os.environ.get("ZOO_FIXTURES") or REPOSITORY.parent / "shared" / "fixtures")
MAKE = {
    "cn": CooperativeNavigation,
    "pp": lambda copies: PredatorPrey(copies, control="all"),
    "world": lambda copies: World(copies, control="all"),
}


@pytest.mark.parametrize("game", MAKE)
def test_positions_velocities_rewards_and_observations_equal_the_recording(game):
    path = FIXTURES / f"mpe-{game}-trace.npz"
    if not path.is_file():
        pytest.skip(f"no recording at {path}")
    trace = np.load(path)
    env = MAKE[game](len(trace["action"]))
    view = env.set_state(trace["agent_pos"][:, 0], trace["agent_vel"][:, 0], trace["landmark_pos"])
    steps = trace["action"].shape[1]
    assert steps == 25
    for t in range(steps + 1):
        if t:
            view = env.step(trace["action"][:, t - 1])
            np.testing.assert_allclose(view.reward, trace["reward"][:, t - 1], rtol=0, atol=1e-10)
        np.testing.assert_allclose(env.world.position.transpose(2, 0, 1), trace["agent_pos"][:, t], rtol=0, atol=1e-10)
        np.testing.assert_allclose(env.world.velocity.transpose(2, 0, 1), trace["agent_vel"][:, t], rtol=0, atol=1e-10)
        for i, size in enumerate(env.team.obs_sizes):
            np.testing.assert_allclose(view.obs[:, i, :size], trace[f"obs_{i}"][:, t], rtol=0, atol=1e-10)
    assert view.truncated.all()
