"""Action correlation: none where actions are independent, the closed form where they are Gaussian; how it is kept."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from toy_team import team, write_numbered

from zoo_core.data import Dataset, EpisodeWriter, action_correlation, correlation
from zoo_core.data.correlation import CORRELATION_FILE, cached_action_correlation

EPISODES, STEPS, AGENTS, WIDTH = 1500, 20, 3, 2
NOISE = 0.25


def write(folder, noise, *, discrete=False, episodes=EPISODES, mask=None):
    """A dataset whose continuous actions are a bent function of each agent's observation plus 0.25 · `noise(rng, obs)`,
    or whose discrete ones are `noise(rng, obs)`. `obs`: [episodes, STEPS, AGENTS, 2]."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    kind = {"action_sizes": (4,) * AGENTS, "action_kind": "discrete"} if discrete else {}
    spec = team(agents=("a", "b", "c"), obs_sizes=(2,) * AGENTS, **({"action_sizes": (WIDTH,) * AGENTS} | kind))
    writer = EpisodeWriter(folder, spec)
    obs = rng.normal(size=(episodes, STEPS + 1, AGENTS, 2))
    if discrete:
        action = noise(rng, obs[:, :-1])
    else:
        mean = 0.2 * np.sin(obs[:, :-1])
        action = np.clip(mean + NOISE * noise(rng, obs[:, :-1]), -1, 1)
    last = np.broadcast_to(np.arange(STEPS) == STEPS - 1, (episodes, STEPS))
    writer.add(obs, action, np.zeros((episodes, STEPS, AGENTS)), last & False, last, action_mask=mask)
    writer.finish("constructed", {"kind": "test"})
    return Dataset.open(folder)


def independent(rng, obs):
    return rng.normal(size=obs.shape)


def shared(rho):
    """Noise with correlation `rho` between any two agents, in each dimension alike."""

    def noise(rng, obs):
        common = rng.normal(size=(*obs.shape[:2], 1, WIDTH))
        return math.sqrt(rho) * common + math.sqrt(1 - rho) * rng.normal(size=obs.shape)

    return noise


def test_independent_actions_gain_nothing(tmp_path):
    found = action_correlation(write(tmp_path / "set", independent))
    assert abs(found.gain) <= found.half_width + 3e-4  # what fitting the correction to noise may cost
    assert found.half_width < 2e-3
    assert abs(found.canonical) < 0.05
    assert (found.episodes, found.steps) == (300, 6000)


@pytest.mark.parametrize("rho", [0.3, 0.8])
def test_gaussian_noise_shared_by_three_agents_gains_its_mutual_information(tmp_path, rho):
    """R² of one on the two others is 2ρ²/(1 + ρ); the information is −½ ln(1 − R²) in each of the two dimensions."""
    found = action_correlation(write(tmp_path / "set", shared(rho)))
    explained = 2 * rho**2 / (1 + rho)
    assert found.gain == pytest.approx(-WIDTH / 2 * math.log(1 - explained), rel=0.12)
    assert found.canonical == pytest.approx(math.sqrt(explained), abs=0.03)
    assert found.agents == pytest.approx([found.gain] * AGENTS, rel=0.1)


def test_a_dimension_that_never_moves_has_a_figure_and_gains_nothing(tmp_path):
    def noise(rng, obs):
        values = independent(rng, obs)
        values[:, :, 2, 1] = (0.3 - 0.2 * np.sin(obs[:, :, 2, 1])) / NOISE
        return values

    data = write(tmp_path / "set", noise)
    assert np.ptp(data.action.numpy()[:, 2, 1]) < 1e-6
    found = action_correlation(data)
    assert abs(found.gain) <= found.half_width + 3e-4
    assert abs(found.canonical) < 0.05


def test_what_is_blurred_away_is_mostly_the_error_that_networks_of_deterministic_agents_share(tmp_path, monkeypatch):
    def bent(rng, obs):
        """All agents alike, without noise: nothing depends on another's action, yet their networks err alike."""
        return np.sin(obs.sum(axis=2, keepdims=True) + np.arange(AGENTS)[:, None])

    data = write(tmp_path / "set", bent)
    blurred = action_correlation(data).gain
    monkeypatch.setattr(correlation, "BLUR", 0.0)
    assert action_correlation(data).gain > 0.05
    assert blurred < 0.05


def test_dependence_whose_sign_the_state_decides_is_found_although_no_canonical_correlation_shows_it(tmp_path):
    def noise(rng, obs):
        """Agents 0 and 1 share their noise, with a sign that agent 2's observation gives."""
        values = rng.normal(size=obs.shape)
        share = 0.95 * np.tanh(3 * obs[:, :, 2, :1])
        values[:, :, 1] = share * values[:, :, 0] + np.sqrt(1 - share**2) * values[:, :, 1]
        return values

    found = action_correlation(write(tmp_path / "set", noise))
    assert abs(found.canonical) < 0.1
    assert min(found.agents[:2]) > 0.1
    assert abs(found.agents[2]) < 0.01


def test_discrete_actions_independent_and_equal(tmp_path):
    def independent_choice(rng, obs):
        return rng.integers(4, size=obs.shape[:3])

    def copied(rng, obs):
        """Agent 1 does what agent 0 does with probability ½, and otherwise as it likes."""
        action = rng.integers(4, size=obs.shape[:3])
        action[..., 1] = np.where(rng.random(obs.shape[:2]) < 0.5, action[..., 0], action[..., 1])
        return action

    nothing = action_correlation(write(tmp_path / "one", independent_choice, discrete=True))
    assert abs(nothing.gain) <= nothing.half_width + 2e-3
    found = action_correlation(write(tmp_path / "two", copied, discrete=True))
    same, other = 0.5 + 0.125, 0.125
    information = math.log(4) + same * math.log(same) + 3 * other * math.log(other)
    assert found.agents[:2] == pytest.approx([information] * 2, rel=0.1)
    assert abs(found.agents[2]) < 0.01


def test_what_is_available_to_all_agents_alike_is_no_dependence(tmp_path):
    """At every step the same two of four actions are available to all, and each agent picks one by itself."""
    shape = (400, STEPS + 1, 1)
    offered = np.random.default_rng(1).random((*shape, 4)).argsort(axis=-1)[..., :2].repeat(AGENTS, axis=2)
    mask = np.zeros((*offered.shape[:-1], 4), bool)
    np.put_along_axis(mask, offered, True, axis=-1)

    def one_of_two(rng, obs):
        pick = rng.integers(2, size=(*obs.shape[:3], 1))
        return np.take_along_axis(offered[:, :-1], pick, axis=-1)[..., 0]

    masked = action_correlation(write(tmp_path / "masked", one_of_two, discrete=True, episodes=400, mask=mask))
    assert abs(masked.gain) <= masked.half_width + 2e-3
    unknown = action_correlation(write(tmp_path / "unknown", one_of_two, discrete=True, episodes=400))
    assert unknown.gain > 0.1


def test_one_agent_or_a_handful_of_episodes_have_no_figure(tmp_path):
    write_numbered(tmp_path / "few", [5] * 39)
    assert action_correlation(Dataset.open(tmp_path / "few")) is None
    alone = team(agents=("a",), obs_sizes=(3,), action_sizes=(2,))
    write_numbered(tmp_path / "alone", [5] * 60, spec=alone)
    assert action_correlation(Dataset.open(tmp_path / "alone")) is None


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(correlation, "UPDATES", 20)
    return write(tmp_path / "set", shared(0.5), episodes=60)


def test_the_figure_is_a_function_of_the_content_and_draws_from_no_global_generator(small):
    np.random.seed(1)  # noqa: NPY002
    first = action_correlation(small)
    np.random.seed(2)  # noqa: NPY002
    assert action_correlation(small) == first


def test_the_figure_is_kept_beside_the_arrays_and_leaves_card_and_hash_alone(small, monkeypatch):
    card, content = (small.folder / "card.json").read_bytes(), small.hash
    first = cached_action_correlation(small)
    monkeypatch.setattr(correlation, "action_correlation", lambda dataset: pytest.fail("measured again"))
    reopened = Dataset.open(small.folder)
    assert cached_action_correlation(reopened) == first
    assert (reopened.hash, (small.folder / "card.json").read_bytes()) == (content, card)


@pytest.mark.parametrize("damage", ["", "{}", "changed", "of other data"])
def test_a_kept_figure_that_is_not_the_datasets_own_is_measured_again(small, damage):
    first = cached_action_correlation(small)
    path = small.folder / CORRELATION_FILE
    kept = json.loads(path.read_text())
    if damage == "changed":
        kept["correlation"]["gain"] = 9.0
    elif damage == "of other data":
        kept["sha256"] = "0" * 64
    path.write_text(json.dumps(kept) if damage in ("changed", "of other data") else damage)
    assert cached_action_correlation(small) == first
