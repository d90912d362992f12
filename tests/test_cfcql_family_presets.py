"""The settings files of the CFCQL family: every pair resolves, and to the published numbers."""

import pytest

from zoo_core import EnvEntry, Source, load_zoo, resolve

FAMILY = ("macql", "cfcql", "icql-qs", "spacql")
ALPHA = {
    "mpe-cn": (0.5, 1.0, 5.0, 2.5),
    "mpe-pp": (0.5, 0.5, 0.6, 2.0),
    "mpe-world": (0.5, 0.5, 0.32, 0.3),
    "mamujoco-halfcheetah-2x3": (0.1, 0.4, 1.0, 1.7),
}

pytestmark = pytest.mark.parametrize("algorithm", FAMILY)


def settings(algorithm, env, quality="", preset=None):
    entry = load_zoo().find("algorithm", algorithm)
    env = EnvEntry(name=env, summary="", factory="", source=Source(""))
    kind = "continuous"
    return resolve(entry, entry.load().Config, env=env, action_kind=kind, quality=quality, preset=preset).config


@pytest.mark.parametrize("env", ALPHA)
def test_alpha_is_the_official_table(algorithm, env):
    qualities = ("random", "medium-replay", "medium", "expert")
    assert tuple(settings(algorithm, env, quality).alpha for quality in qualities) == ALPHA[env]


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ("mpe-cn", (0.01, 64, 1024, 0.01, 2001, "uniform")),
        ("mpe-pp", (0.001, 64, 1024, 0.01, 2001, "uniform")),
        ("mpe-world", (0.001, 64, 1024, 0.01, 5001, "uniform")),
        ("mamujoco-halfcheetah-2x3", (3e-4, 256, 256, 0.005, 100_001, "three_groups")),
    ],
)
def test_sizes_rates_and_budgets_are_the_official_ones(algorithm, env, expected):
    c = settings(algorithm, env, "random")
    assert (c.lr, c.hidden, c.batch_size, c.tau, c.iterations, c.penalty_actions) == expected
    assert (c.discount, c.critic_steps, c.norm, c.clip, c.reward_agent) == (0.95, 5, "batch", 0.5, 0)


def test_only_spacql_has_ten_heads(algorithm):
    assert settings(algorithm, "mpe-cn").heads == (10 if algorithm == "spacql" else 2)


def test_the_zoo_preset_repairs_reward_and_clipping_alone(algorithm):
    published, zoo = settings(algorithm, "mpe-cn", "random"), settings(algorithm, "mpe-cn", "random", "zoo")
    changed = {name for name in vars(zoo) if getattr(zoo, name) != getattr(published, name)}
    assert changed == {"reward_agent", "clip_per"}


def test_an_unknown_environment_has_settings_too(algorithm):
    assert settings(algorithm, "somebody-elses").alpha > 0
