"""A Batch holds what was asked for and maps over it."""

import torch

from zoo_core import Batch


def batch(**more) -> Batch:
    return Batch(
        obs=torch.zeros(2, 3, 4),
        action=torch.zeros(2, 3, 1),
        reward=torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0]]),
        next_obs=torch.ones(2, 3, 4),
        terminated=torch.tensor([True, False]),
        truncated=torch.tensor([False, True]),
        **more,
    )


def test_the_team_reward_is_the_mean_over_learners():
    assert batch().team_reward.tolist() == [2.0, 2.0]


def test_only_termination_stops_bootstrapping():
    assert batch().continues.tolist() == [0.0, 1.0]


def test_absent_fields_stay_absent_when_mapped():
    halved = batch(state=torch.ones(2, 5)).map(lambda t: t[:1])
    assert halved.size == 1
    assert halved.state.shape == (1, 5)
    assert halved.next_state is None
    assert [name for name, _ in halved.present()] == [
        "obs", "action", "reward", "next_obs", "terminated", "truncated", "state",
    ]  # fmt: skip


def test_to_keeps_types():
    moved = batch().to("cpu")
    assert moved.terminated.dtype == torch.bool
    assert moved.obs.dtype == torch.float32
