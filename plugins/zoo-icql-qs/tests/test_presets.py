"""The settings file: every pair resolves, and to the published numbers."""

import pytest

from zoo_core import EnvEntry, Source
from zoo_core.config import resolve
from zoo_icql_qs.algorithm import ICQLQS
from zoo_icql_qs.plugin import zoo_algorithms

(ENTRY,) = zoo_algorithms()
ALPHA = {
    "mpe-cn": (0.5, 1.0, 5.0, 2.5),
    "mpe-pp": (0.5, 0.5, 0.6, 2.0),
    "mpe-world": (0.5, 0.5, 0.32, 0.3),
    "mamujoco-halfcheetah-2x3": (0.1, 0.4, 1.0, 1.7),
}


def settings(env, quality="", preset=None):
    entry = EnvEntry(name=env, summary="", factory="", source=Source(""))
    return resolve(ENTRY, ICQLQS.Config, env=entry, action_kind="continuous", quality=quality, preset=preset).config


@pytest.mark.parametrize("env", ALPHA)
def test_alpha_is_the_official_table(env):
    qualities = ("random", "medium-replay", "medium", "expert")
    assert tuple(settings(env, quality).alpha for quality in qualities) == ALPHA[env]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ("mpe-cn", (0.01, 64, 1024, 0.01, 2001, "uniform")),
        ("mpe-pp", (0.001, 64, 1024, 0.01, 2001, "uniform")),
        ("mpe-world", (0.001, 64, 1024, 0.01, 5001, "uniform")),
        ("mamujoco-halfcheetah-2x3", (3e-4, 256, 256, 0.005, 100_001, "three_groups")),
    ],
)
def test_sizes_rates_and_budgets_are_the_official_ones(env, expected):
    c = settings(env, "random")
    assert (c.lr, c.hidden, c.batch_size, c.tau, c.iterations, c.penalty_actions) == expected
    assert (c.discount, c.critic_steps, c.norm, c.clip, c.reward_agent) == (0.95, 5, "batch", 0.5, 0)


def test_the_zoo_preset_repairs_reward_and_clipping_alone():
    published, zoo = settings("mpe-cn", "random"), settings("mpe-cn", "random", "zoo")
    changed = {name for name in vars(zoo) if getattr(zoo, name) != getattr(published, name)}
    assert changed == {"reward_agent", "clip_per"}


def test_an_unknown_environment_has_settings_too():
    assert settings("somebody-elses").alpha > 0
